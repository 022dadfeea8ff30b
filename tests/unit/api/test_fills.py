"""Who may record a bet and which one, without a broker."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.fills import FillWriter
from schemas.bets import Fill
from schemas.sections.servers import KafkaSettings
from schemas.sections.staking import PaperSettings, StakingSettings
from schemas.settings import Settings
from tests import samples

KEY = {"Idempotency-Key": "7"}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Fill]:
    """What would be on the topic."""
    found: list[Fill] = []
    monkeypatch.setattr(FillWriter, "write", lambda _, fill: found.append(fill))
    return found


def app() -> FastAPI:
    return create_app(
        Settings(
            kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
            bankrolls=(StakingSettings(name="main"), StakingSettings(name="ghost")),
            paper=PaperSettings(bankrolls=("ghost",)),
        )
    )


def post(
    to: FastAPI,
    body: Any,
    headers: dict[str, str] | None = None,
    client: str = "127.0.0.1",
    url: str = "http://127.0.0.1:8000",
) -> httpx.Response:
    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app=to, raise_app_exceptions=False, client=(client, 1))
        async with httpx.AsyncClient(transport=transport, base_url=url) as session:
            return await session.post("/v1/fills", json=body, headers=headers)

    return asyncio.run(answer())


def test_a_bet_is_recorded_under_its_key(written: list[Fill]) -> None:
    answer = post(app(), samples.BET, KEY)
    assert answer.status_code == 202
    (made,) = written
    assert made == samples.fill(10, fill_id="api:7", source="api")
    assert Fill.model_validate(answer.json()) == made
    # An id of one's own does as well, and both where they say the same.
    assert post(app(), samples.BET | {"fill_id": "mine"}).json()["fill_id"] == "mine"
    assert post(app(), samples.BET | {"fill_id": "api:7"}, KEY).status_code == 202


def test_the_example_of_the_page_is_a_bet(written: list[Fill]) -> None:
    schema = app().openapi()["components"]["schemas"]["FillRequest"]
    assert post(app(), schema["example"], KEY).status_code == 202
    assert "fill_id" not in schema["required"]


@pytest.mark.parametrize(
    ("over", "headers", "says"),
    [
        ({}, {}, "Idempotency-Key"),
        ({"fill_id": "mine"}, KEY, "two ids"),
        ({"amount": "0"}, KEY, "body.amount"),
        ({"amount": "0.000000001"}, KEY, "body.amount"),
        ({"line": 8.5}, KEY, "line"),
        ({"side": "over"}, KEY, "side"),
        ({"price": 1.0}, KEY, "body.price"),
        ({"more": 1}, KEY, "body.more"),
        ({"book": "nobody"}, KEY, "STEAMLINE_BOOKS"),
        ({"bankroll": "mian"}, KEY, "is none of main, ghost"),
        ({"paper": True}, KEY, "main is a real bankroll"),
        ({"bankroll": "ghost"}, KEY, "ghost is a paper bankroll"),
        ({"stake_id": "x:paper"}, KEY, "may not bet real money"),
        ({"filled_at_us": 4_000_000_000_000_000}, KEY, "s from now"),
        ({"game_id": "mlb-2026-02-31-BOS-NYY-1"}, KEY, "game_id"),
        ({}, {"Idempotency-Key": "x" * 64}, "header.Idempotency-Key"),
    ],
)
def test_a_wrong_bet_is_a_problem_that_says_where(
    written: list[Fill], over: dict[str, Any], headers: dict[str, str], says: str
) -> None:
    answer = post(app(), samples.BET | over, headers)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert says.lower() in answer.json()["detail"].lower()
    assert written == []


@pytest.mark.parametrize(
    "how",
    [
        {"client": "192.168.1.7"},
        {"client": "8.8.8.8"},
        {"url": "http://evil.example:8000"},
        {"headers": KEY | {"Origin": "http://evil.example"}},
        {"headers": KEY | {"Origin": "null"}},
        {"headers": KEY | {"X-Forwarded-For": "127.0.0.1"}},
    ],
)
def test_from_elsewhere_no_bet_is_taken_without_keys(
    written: list[Fill], how: dict[str, Any]
) -> None:
    how = {"headers": KEY} | how
    answer = post(app(), samples.BET, **how)
    assert answer.status_code == 403
    assert "STEAMLINE_API_AUTH" in answer.json()["detail"]
    assert written == []


@pytest.mark.parametrize(
    "how",
    [
        {"client": "::1", "url": "http://[::1]:8000"},
        {"url": "http://localhost"},
        {"client": "::ffff:127.0.0.1"},
        {"headers": KEY | {"Origin": "http://localhost:8000"}},
        {"headers": KEY | {"Origin": "http://127.0.0.1"}},
    ],
)
def test_from_this_machine_it_is(written: list[Fill], how: dict[str, Any]) -> None:
    assert post(app(), samples.BET, **{"headers": KEY} | how).status_code == 202


def test_without_a_broker_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.fills.PATIENCE_SECONDS", 0.2)
    answer = post(app(), samples.BET, KEY)
    assert answer.status_code == 503
    assert "nothing was recorded" in answer.json()["detail"]
