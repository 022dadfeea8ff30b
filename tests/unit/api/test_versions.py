"""`/v1/models` when the registry answers, does not, or hangs; who speaks comes from the board."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

import api.versions
from api.app import create_app
from api.board import Board
from api.versions import Known, ModelVersion, Versions
from schemas.decisions import Role
from schemas.errors import DependencyDown
from schemas.markets import Target
from schemas.sections.servers import KafkaSettings, MlflowSettings
from schemas.settings import Settings
from tests import samples
from tests.fed import on_board
from tests.unit import boosters
from tests.unit.api.test_routes import get, problem
from tests.unit.boosters import FEATURE_SET, model

AWAY = "postgresql://me:hunter2@127.0.0.1:1/mlflow"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Asked anew at every request."""
    return Settings(
        home=tmp_path,
        kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
        mlflow=MlflowSettings(tracking_uri=SecretStr(AWAY), poll_seconds=1e-9),
    )


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


def version(name: str) -> ModelVersion:
    return ModelVersion(
        version=name,
        paper=True,
        promoted=None,
        reason=None,
        created_us=1,
        trained_until_us=1,
        feature_set="f",
        data_fingerprint="d",
        simulated=False,
        metrics={},
        gate=None,
    )


def known(name: str) -> Versions:
    return {target: {"champion": version(name)} for target in Target}


def test_without_registry_and_cache_nothing_is_known(app: FastAPI) -> None:
    for path in ("/v1/models", "/v1/models/total"):
        answer = get(app, path)
        assert answer.status_code == 503
        assert "the model registry does not answer" in problem(answer)["detail"]
        assert "hunter2" not in answer.text
    assert get(app, "/v1/models/corners").status_code == 422
    none = create_app(Settings(kafka=KafkaSettings(bootstrap="127.0.0.1:1")))
    assert "STEAMLINE_MLFLOW_TRACKING_URI" in problem(get(none, "/v1/models"))["detail"]


def test_without_registry_what_the_worker_took_is_told_and_marked(
    app: FastAPI, settings: Settings
) -> None:
    boosters.keep((model(target, number="7") for target in Target), settings.home / "models")
    boosters.keep([model(Target.TOTAL, number="8")], settings.home / "models", "challenger")
    answer = get(app, "/v1/models").json()
    assert (answer["source"], answer["read_us"]) == ("disk", None)
    assert "does not answer" in answer["detail"]
    assert [one["target"] for one in answer["models"]] == [target.value for target in Target]
    (total,) = get(app, "/v1/models/total").json()["models"]
    champion = model(Target.TOTAL, number="7").version
    assert total["champion"]["version"] == champion
    assert total["champion"]["feature_set"] == FEATURE_SET
    assert total["champion"]["paper"] is False
    assert total["taken"] == {
        "champion": champion,
        "challenger": model(Target.TOTAL, number="8").version,
    }


def test_what_was_known_stays_with_a_mark_when_the_registry_goes(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Versions | Exception] = [known("1-a"), known("2-b")]
    answers += [DependencyDown(f"away: {AWAY}"), RuntimeError(AWAY), known("3-c")]

    def read(_: object) -> Versions:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(api.versions, "_versions", read)
    told = [get(app, "/v1/models/runs") for _ in range(5)]
    sources = [one.json()["source"] for one in told]
    assert sources == ["registry", "registry", "last_known", "last_known", "registry"]
    names = [one.json()["models"][0]["champion"]["version"] for one in told]
    assert names == ["1-a", "2-b", "2-b", "2-b", "3-c"]
    times = [one.json()["read_us"] for one in told]
    assert times[1] == times[2] == times[3] < times[4]
    assert "hunter2" not in "".join(one.text for one in told)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How often a registry was asked that takes the question and never answers."""
    asked: list[int] = []
    over = threading.Event()

    def read(_: object) -> Versions:
        asked.append(1)
        over.wait(60)
        raise DependencyDown("at last")

    monkeypatch.setattr(api.versions, "_versions", read)
    yield asked
    over.set()


def test_a_registry_that_hangs_holds_nobody_up_and_is_asked_once(
    settings: Settings, hanging: list[int]
) -> None:
    boosters.keep((model(target, number="7") for target in Target), settings.home / "models")
    ours = Known(settings, patience=0.05)
    for _ in range(3):
        answer = ours.answer([Target.TOTAL], Board())
        assert answer.source == "disk"
        assert answer.detail == "the model registry has not answered for 0.05 s"
    assert len(hanging) == 1


def test_who_speaks_is_what_the_board_shows(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.versions, "_versions", lambda _: known("1-a"))
    part: dict[str, Any] = {"role": Role.CHALLENGER, "experiment": "spring"}
    on_board(
        app,
        samples.prediction(3, model_version="1-a"),
        samples.prediction(4, model_version="2-b"),  # a swap
        samples.prediction(5, game_id=samples.OTHER, model_version="1-a"),
        samples.prediction(6, game_id=samples.GAME[:-1] + "2", model_version="2-b"),
        samples.prediction(4, model_version="3-c", **part),
    )
    (found,) = get(app, "/v1/models/moneyline").json()["models"]
    assert found["speaking"] == [
        {"version": "2-b", "role": "champion", "games": 2, "as_of_us": samples.at(6)},
        {"version": "1-a", "role": "champion", "games": 1, "as_of_us": samples.at(5)},
        {"version": "3-c", "role": "challenger", "games": 1, "as_of_us": samples.at(4)},
    ]
    assert get(app, "/v1/models/total").json()["models"][0]["speaking"] == []


def test_the_description_has_an_example_that_is_one(app: FastAPI) -> None:
    described = get(app, "/openapi.json").json()
    assert described["components"]["schemas"]["Models"]["example"]["source"] == "registry"
    example = api.versions.Models.model_config["json_schema_extra"]["example"]  # type: ignore[index]
    assert json.loads(api.versions.Models.model_validate(example).model_dump_json()) == example
    assert {"/v1/models", "/v1/models/{target}"} <= described["paths"].keys()
