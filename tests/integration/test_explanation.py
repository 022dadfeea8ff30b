"""Explanations from a real Redis and a model cache on disk: the route and the command agree."""

import json
import math
import uuid
from pathlib import Path

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from typer.testing import CliRunner

from api.app import create_app
from cli.main import app as cli
from flows.connectors.feature_store import connect
from models.features.catalogue import NAMES
from models.features.stored import feature_key, pack
from schemas.markets import Target
from schemas.settings import KafkaSettings, MlflowSettings, RedisSettings, Settings
from tests import samples
from tests.unit import boosters
from tests.unit.api.test_routes import get, problem
from tests.unit.boosters import FEATURE_SET, model
from tests.unit.models.boosters.test_explaining import header, vector

PATH = f"/v1/games/{samples.GAME}/explanation"


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    """A cache as a worker leaves it, and one stored vector."""
    found = Settings(
        home=tmp_path,
        kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
        redis=RedisSettings(url=SecretStr(redis_url), prefix=uuid.uuid4().hex),
        mlflow=MlflowSettings(tracking_uri=SecretStr("postgresql://127.0.0.1:1/nobody")),
    )
    cache(tmp_path, "7")
    store(found, pack(header(), vector()))
    return found


def cache(home: Path, number: str) -> None:
    boosters.keep((model(target, number=number) for target in Target), home / "models")


def store(settings: Settings, blob: bytes) -> None:
    client = connect(settings.redis)
    client.set(feature_key(settings.redis.prefix, samples.GAME), blob)
    client.close()


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


def test_the_route_explains_the_newest_vector(app: FastAPI) -> None:
    answer = get(app, f"{PATH}?target=total&top=4").json()
    assert (answer["position"], answer["target"], answer["line"]) == (3, "total", 8.5)
    assert answer["model_version"] == model(Target.TOTAL, number="7").version
    parts = answer["contributions"]
    assert len(parts) == 4
    total = answer["market_score"] + answer["bias"] + answer["rest"]
    total += sum(part["contribution"] for part in parts)
    assert 1 / (1 + math.exp(-total)) == pytest.approx(answer["probability"], abs=1e-12)
    stored = vector()
    for part in parts:
        assert part["value"] == pytest.approx(stored[NAMES.index(part["feature"])])


def test_the_command_says_the_same(
    app: FastAPI, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.redis.url is not None
    assert settings.mlflow.tracking_uri is not None
    for key, value in {
        "HOME": str(settings.home),
        "REDIS_URL": settings.redis.url.get_secret_value(),
        "REDIS_PREFIX": settings.redis.prefix,
        "MLFLOW_TRACKING_URI": settings.mlflow.tracking_uri.get_secret_value(),
    }.items():
        monkeypatch.setenv(f"STEAMLINE_{key}", value)
    command = ["model", "explain", samples.GAME, "--target", "margin"]
    said = CliRunner().invoke(cli, [*command, "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout) == get(app, f"{PATH}?target=margin").json()
    table = CliRunner().invoke(cli, command, env={"COLUMNS": "160"}).stdout
    assert "no-vig price" in table
    assert "-1.5" in table


def test_a_model_that_did_not_make_the_prediction_does_not_explain_it(
    app: FastAPI, settings: Settings
) -> None:
    assert get(app, PATH).status_code == 200
    newer = model(Target.MONEYLINE, number="8").version
    app.state.feed.publish([samples.prediction(3, model_version=newer)])
    answer = get(app, PATH)
    assert answer.status_code == 503
    assert newer in problem(answer)["detail"]
    cache(settings.home, "8")  # the worker has loaded it
    assert get(app, PATH).json()["model_version"] == newer


def test_what_is_missing_is_named(app: FastAPI, settings: Settings, tmp_path: Path) -> None:
    other = f"/v1/games/{samples.OTHER}/explanation"
    for path, status, says in (
        (other, 404, samples.OTHER),
        (f"{PATH}?target=corners", 422, "query.target"),
        (f"{PATH}?top=-1", 422, "query.top"),
    ):
        answer = get(app, path)
        assert answer.status_code == status
        assert says in problem(answer)["detail"]
    store(settings, pack(header(), vector(moneyline_consensus=math.nan)))
    answer = get(app, PATH)
    assert answer.status_code == 404
    assert "no fresh price" in problem(answer)["detail"]
    store(settings, pack(header(feature_set="feedface"), vector()))
    answer = get(app, PATH)
    assert answer.status_code == 503
    assert f"these settings read {FEATURE_SET}" in problem(answer)["detail"]
    store(settings, b"\xc1")
    assert get(app, PATH).status_code == 503


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"redis": RedisSettings()}, "STEAMLINE_REDIS_URL"),
        ({"redis": RedisSettings(url=SecretStr("redis://me:hunter2@127.0.0.1:1"))}, "Redis"),
        ({"home": Path("/nowhere")}, "no model in /nowhere/models"),
    ],
)
def test_a_part_that_is_away_is_said(settings: Settings, change: object, says: str) -> None:
    assert isinstance(change, dict)
    answer = get(create_app(settings.model_copy(update=change)), PATH)
    assert answer.status_code == 503
    assert says in problem(answer)["detail"]
    assert "hunter2" not in answer.text


def test_a_damaged_cache_is_said(app: FastAPI, settings: Settings) -> None:
    (booster,) = (settings.home / "models" / "moneyline").glob("*/booster.txt")
    booster.write_text(booster.read_text()[:1_000])
    answer = get(app, PATH)
    assert answer.status_code == 503
    assert "damaged" in problem(answer)["detail"]
