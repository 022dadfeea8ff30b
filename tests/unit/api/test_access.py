"""Which key opens which route: every route is declared, and a new one fails here until it is."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from pydantic import SecretStr

from api.access import Needs, needs
from api.app import create_app
from api.gate import OPEN, OPEN_FOLDERS, is_open
from api.keys import Scope
from schemas.errors import ConfigError
from schemas.sections.api import ApiSettings
from schemas.sections.servers import KafkaSettings, PostgresSettings
from schemas.settings import Settings

SESSION = {"POST /v1/session", "DELETE /v1/session"}
"""Any valid key: they are about the key itself."""
STAKE = {"POST /v1/fills"}


def settings(**api: Any) -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
        postgres=PostgresSettings(dsn=SecretStr("postgresql://x:hunter2@127.0.0.1:1/x")),
        api=ApiSettings(**api),
    )


def declared(app: FastAPI) -> dict[str, set[Scope]]:
    """{method and path: what it needs}"""
    found = {}
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route, "dependant", None)
        calls = [one.call for one in dependant.dependencies] if dependant else []
        scopes = {one.scope for one in calls if isinstance(one, Needs)}
        for method in route.methods or {"MOUNT"}:
            found[f"{method} {route.path}"] = scopes
    return found


def undeclared(app: FastAPI) -> dict[str, set[Scope]]:
    """Those that are not as they should be."""
    wrong = {}
    for name, scopes in declared(app).items():
        method, _, path = name.partition(" ")
        if is_open(path) or (method == "MOUNT" and f"{path}/" in OPEN_FOLDERS) or name in SESSION:
            wanted: set[Scope] = set()
        else:
            wanted = {Scope.STAKE if name in STAKE else Scope.READ}
        if scopes != wanted:
            wrong[name] = scopes
    return wrong


def test_every_route_has_its_scope_or_is_open() -> None:
    app = create_app(settings(auth="keys"))
    assert undeclared(app) == {}
    names = set(declared(app))
    gets = {name.removeprefix("GET ") for name in names if name.startswith("GET ")}
    assert gets >= {*OPEN, "/v1/feed", "/v1/games", "/v1/models"}
    # The calculator keeps nothing.
    changing = {name for name in names if name.split()[0] not in ("GET", "HEAD", "MOUNT")}
    assert changing == SESSION | STAKE | {"POST /v1/kelly"}


def test_a_route_without_a_scope_is_found() -> None:
    app = create_app(settings(auth="keys"))
    new = APIRouter()

    @new.get("/v1/secrets")
    def secrets() -> None: ...

    app.include_router(new)
    assert undeclared(app) == {"GET /v1/secrets": set()}
    wider = create_app(settings(auth="keys"))
    wider.include_router(new, **needs(Scope.STAKE))
    assert undeclared(wider) == {"GET /v1/secrets": {Scope.STAKE}}


@pytest.mark.parametrize(
    "path",
    ["/v1/games", "//", "/health/", "/Health", "/static", "/staticx", "/docs", ""],
)
def test_little_is_open(path: str) -> None:
    assert not is_open(path)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "board.example", ""])
def test_without_keys_it_listens_for_this_machine_alone(host: str) -> None:
    with pytest.raises(ConfigError) as refused:
        create_app(settings(host=host))
    assert str(refused.value).count("\n") == 0
    assert "STEAMLINE_API_HOST" in str(refused.value)
    assert "STEAMLINE_API_AUTH=keys" in str(refused.value)
    assert "steamline key new" in str(refused.value)
    create_app(settings(host=host, auth="keys"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_and_that_it_does(host: str) -> None:
    create_app(settings(host=host))


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("STEAMLINE_API_PROXIES", {"proxies": ["10.0.0.0/8"]}),
        ("STEAMLINE_API_CORS_ORIGINS", {"cors_origins": ["https://board.example"]}),
    ],
)
def test_without_keys_nobody_else_is_let_in_by_another_way(key: str, given: Any) -> None:
    with pytest.raises(ConfigError, match=key):
        create_app(settings(**given))


def test_keys_need_a_place_to_be_kept() -> None:
    nowhere = settings(auth="keys").model_copy(update={"postgres": PostgresSettings()})
    with pytest.raises(ConfigError, match="STEAMLINE_POSTGRES_DSN"):
        create_app(nowhere)


@pytest.mark.parametrize("origin", ["*", "https://a.example/", "null", "https://*.example"])
def test_an_origin_is_named_in_full(origin: str) -> None:
    with pytest.raises(ValueError, match="cors_origins"):
        ApiSettings(cors_origins=(origin,))
