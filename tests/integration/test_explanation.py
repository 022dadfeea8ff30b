"""Explanations from a real Redis and a model cache on disk: the route and the command agree."""

import asyncio
import json
import math
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from typer.testing import CliRunner

import models.boosters.explaining
from api.app import create_app
from api.board import Message
from api.explain import CachedModels, Vectors
from api.explained import Explainer
from api.filters import Options
from cli.main import app as cli
from flows.connectors.feature_store import connect
from models.features.catalogue import NAMES
from models.features.stored import feature_key, pack
from schemas.decisions import Prediction, Role
from schemas.explanation import Explanation
from schemas.markets import Target
from schemas.sections.servers import KafkaSettings, MlflowSettings, RedisSettings
from schemas.settings import Settings
from tests import samples
from tests.fed import Event, Replica, events, on_board
from tests.unit import boosters
from tests.unit.api.test_routes import get, problem
from tests.unit.boosters import FEATURE_SET, model, varied_text
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
    on_board(app, samples.prediction(3, model_version=newer))
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


class Reader:
    """One client of the feed that asks for explanations."""

    def __init__(self, settings: Settings) -> None:
        self.replica = Replica().live()
        self.explainer = Explainer(Vectors(settings), CachedModels(settings))

    def read(self, *messages: Message, between: Callable[[], object] | None = None) -> list[Event]:
        """What comes of these, for a client that has the snapshot already."""

        async def run() -> bytes:
            stream = self.replica.feed.stream(Options(explain=True), None, self.explainer)
            await anext(stream)
            assert b"event: snapshot" in await anext(stream)
            self.replica.tell(*messages)
            waiting = asyncio.ensure_future(anext(stream))
            if between is not None:
                await asyncio.sleep(0)
                between()
            return await waiting

        return events(asyncio.run(run()))


def said_by(number: str, position: int = 3, target: Target = Target.MONEYLINE) -> Prediction:
    version = model(target, number=number).version
    line = None if target is Target.MONEYLINE else 8.5
    return samples.prediction(position, target=target, model_version=version, line=line)


def test_the_feed_explains_what_it_can_and_says_what_it_cannot(
    app: FastAPI, settings: Settings
) -> None:
    """The stored vector is of position 3; 4 came since, and its vector is not kept."""
    reader = Reader(settings)
    sent: list[Message] = [
        samples.line(1),
        said_by("7", 3),
        said_by("7", 3, Target.TOTAL),
        said_by("8", 3, Target.RUNS),
        samples.stake(3),
        said_by("7", 4),
        samples.prediction(4, game_id=samples.OTHER),
    ]
    read = reader.read(*sent)
    assert [kind for kind, _, _ in read] == [
        *("line", "prediction", "prediction", "prediction", "stake", "prediction", "prediction")
    ]
    assert len({one_id for _, one_id, _ in read}) == 7
    for message, (_, _, data) in zip(sent, read, strict=True):
        told = {name: data.pop(name, None) for name in ("explanation", "unexplained")}
        assert data == json.loads(message.model_dump_json()), "the message itself is untouched"
        if not isinstance(message, Prediction):
            assert told == {"explanation": None, "unexplained": None}
            continue
        explained = message.position == 3 and message.target is not Target.RUNS
        assert (told["explanation"] is not None) is explained
        assert (told["unexplained"] is None) is explained
        if message.target is Target.RUNS:
            assert "the cache holds" in str(told["unexplained"])
        if explained:
            assert told["explanation"] == get(app, f"{PATH}?target={message.target}").json()


def test_a_position_that_is_not_at_hand_is_never_explained_by_another(settings: Settings) -> None:
    read = Reader(settings).read(said_by("7", 2), said_by("7", 5, Target.TOTAL))
    for position, (_, _, data) in zip((2, 5), read, strict=True):
        assert data["explanation"] is None
        assert data["unexplained"] == (
            f"the vector of position {position} is not at hand: Redis holds that of position 3, "
            "the newest"
        )


def test_a_vector_that_comes_a_moment_after_its_message_is_waited_for(settings: Settings) -> None:
    reader = Reader(settings)
    (read,) = reader.read(
        said_by("7", 5), between=lambda: store(settings, pack(header(position=5), vector()))
    )
    assert read[2]["explanation"]["position"] == 5


def test_a_prediction_is_explained_once_for_all_who_ask(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def counted(*args: object) -> Explanation:
        made.append(args)
        return real(*args)  # type: ignore[arg-type]

    real = models.boosters.explaining.explain
    monkeypatch.setattr(models.boosters.explaining, "explain", counted)
    reader = Reader(settings)

    async def two() -> list[list[bytes]]:
        reader.replica.tell(said_by("7", 3))
        frames = [frame.wire for frame in reader.replica.feed.ring.since(0) or []]
        return list(await asyncio.gather(reader.explainer(frames), reader.explainer(frames)))

    one, other = asyncio.run(two())
    assert one == other
    assert len(made) == 1


def test_without_redis_the_feed_goes_on_and_says_so(settings: Settings) -> None:
    away = settings.model_copy(
        update={"redis": RedisSettings(url=SecretStr("redis://me:hunter2@127.0.0.1:1"))}
    )
    ((_, _, data),) = Reader(away).read(said_by("7", 3))
    assert "Redis does not answer" in data["unexplained"]
    assert "hunter2" not in data["unexplained"]


def test_a_challenger_that_has_a_game_explains_itself(app: FastAPI, settings: Settings) -> None:
    challenger = model(Target.MONEYLINE, varied_text(seed=2), "8")
    boosters.keep([challenger], settings.home / "models", "challenger")
    part: dict[str, Any] = {"role": Role.CHALLENGER, "experiment": "spring", "share": 0.5}
    dealt = samples.prediction(3, model_version=challenger.version, **part)
    ((_, _, data),) = Reader(settings).read(dealt)
    assert data["explanation"]["model_version"] == challenger.version
    on_board(app, dealt)
    assert get(app, PATH).json() == data["explanation"]
