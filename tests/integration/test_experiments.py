"""Shadow and split as a user runs them: real registry, real Kafka, the worker's own process.

The undisturbed run with champions alone says what champions say; what challengers say is computed
again from the games the split gave them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from deploy.stack.kafka import KafkaBroker
from flows.connectors.parquet import read_archive
from models.assignment import assigned
from models.boosters.golden import Golden
from models.boosters.parameters import PARAMETERS
from models.boosters.scoring import TargetModel
from models.boosters.training import Trained as TrainedModel
from models.evaluation import Score
from models.features.catalogue import NAMES
from schemas.decisions import Role
from schemas.markets import Target
from tests.integration.test_registry import registry_of
from tests.system import Decisions, Lag, Sent, Site, Trained, sent
from tests.unit.boosters import card, varied_text

pytestmark = pytest.mark.long

DAY = "2026-04-09"
TRIED = (Target.MONEYLINE, Target.TOTAL, Target.RUNS)
PART = ("role", "experiment", "share", "prediction_id", "stake_id")


@dataclass(frozen=True)
class Stage:
    trained: Trained
    kafka: KafkaBroker
    redis_url: str
    folder: Path
    records: list[Sent]
    challengers: dict[str, str]
    """Target -> version, as messages name it."""

    def run(self, restart: bool = False, **env: str) -> Decisions:
        """What comes of the day; with `restart`, killed on the way and started again."""
        site = Site(self.trained, self.kafka.bootstrap, self.redis_url, self.folder, env=env)
        with site, Lag(site) as lag:
            site.create()
            site.send(self.records[: len(self.records) // 2 if restart else None])
            worker = site.worker()
            worker.wait_for(lambda: lag.behind() == 0, "all input scored", 120)
            if restart:
                worker.kill()
                site.send(self.records[len(self.records) // 2 :])
                worker = site.worker()
                worker.wait_for(lambda: lag.behind() == 0, "all input scored", 120)
            worker.stop()
            assert site.letters() == []
            return site.decisions()


@pytest.fixture(scope="module")
def stage(
    trained: Trained,
    kafka: KafkaBroker,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    """One day, and challengers of all targets but the margin; put away at the end."""
    records = [
        one
        for one in sent(read_archive(trained.archive))
        if one.key is not None and DAY in one.key.decode()
    ]
    registry = registry_of(trained, tmp_path_factory.mktemp("cache"))
    client = MlflowClient(trained.tracking_uri, trained.tracking_uri)
    before = {
        target: dict(client.get_registered_model(f"steamline-{target.value}").aliases)
        for target in Target
    }
    dice = np.random.default_rng(8)
    vectors = dice.normal(size=(20, len(NAMES))).astype(np.float32)
    score = Score(log_loss=0.6, brier=0.2, rows=10)
    made = [
        TrainedModel(
            one := TargetModel(varied_text(seed=4), card(target), "0"),
            trees=12,
            games=61,
            held_out={"model": score, "market": score},
            parameters=PARAMETERS[target],
            golden=Golden.of(one, vectors, np.full(20, 0.5), np.full(20, 8.5)),
        )
        for target in TRIED
    ]
    published = registry.publish(made, seed=4)
    if "challenger" in before[Target.MARGIN]:
        client.delete_registered_model_alias("steamline-margin", "challenger")
    names = {one.target.value: one.name for one in published}
    yield Stage(trained, kafka, redis_url, tmp_path_factory.mktemp("runs"), records, names)
    for target, aliases in before.items():
        name = f"steamline-{target.value}"
        client.delete_registered_model_alias(name, "challenger")
        if "challenger" in aliases:
            client.set_registered_model_alias(name, "challenger", aliases["challenger"])


@pytest.fixture(scope="module")
def alone(stage: Stage) -> Decisions:
    return stage.run()


def parsed(decisions: Decisions, topic: str) -> list[dict[str, Any]]:
    return [json.loads(value) for name, value in decisions.items() if name.startswith(topic)]


def plain(message: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Less what says which part its model has."""
    return tuple(sorted((k, json.dumps(v)) for k, v in message.items() if k not in PART))


def place(one: dict[str, Any]) -> tuple[str, int, str]:
    return one["game_id"], one["position"], one.get("target") or one["market"]


def test_a_shadow_speaks_of_every_game_and_changes_nothing(stage: Stage, alone: Decisions) -> None:
    found = stage.run(restart=True, STEAMLINE_AB_MODE="shadow", STEAMLINE_AB_EXPERIMENT="spring")
    said = parsed(found, "predictions/")
    shadows = [one for one in said if one["role"] == "challenger"]
    champions = [one for one in said if one["role"] == "champion"]
    before = parsed(alone, "predictions/")
    assert {one["experiment"] for one in before} == {None}, "off is the default"
    for topic, ours in (("predictions/", champions), ("stakes/", parsed(found, "stakes/"))):
        assert sorted(map(plain, ours)) == sorted(map(plain, parsed(alone, topic)))
    # Beside every prediction of a target that has a challenger, from the first event on, through
    # a kill; and no other.
    expected = {place(one) for one in before if one["target"] in stage.challengers}
    assert {place(one) for one in shadows} == expected
    assert len(shadows) == len(expected)
    by_place = {place(one): one for one in before}
    for one in shadows:
        assert one["model_version"] == stage.challengers[one["target"]]
        assert (one["experiment"], one["share"]) == ("spring", None)
        other = by_place[place(one)]
        for name in ("market_probability", "line", "read_to", "as_of_us", "completeness"):
            assert one[name] == other[name], "the same vector"
    assert {one["model_version"] for one in parsed(found, "stakes/")}.isdisjoint(
        stage.challengers.values()
    )
    assert any(one["probability"] != by_place[place(one)]["probability"] for one in shadows)


def test_a_split_deals_games_out_for_good_and_records_it(stage: Stage, alone: Decisions) -> None:
    split = {
        "STEAMLINE_AB_MODE": "split",
        "STEAMLINE_AB_EXPERIMENT": "spring",
        "STEAMLINE_AB_SHARE": "0.4",
    }
    found = stage.run(restart=True, **split)
    said, stakes = parsed(found, "predictions/"), parsed(found, "stakes/")
    assert sorted(map(place, said)) == sorted(map(place, parsed(alone, "predictions/")))
    assert sorted(map(place, stakes)) == sorted(map(place, parsed(alone, "stakes/")))
    usual = {place(one): one for one in parsed(alone, "predictions/")}
    roles = set()
    for one in (*said, *stakes):
        target = one.get("target") or {"run_line": "margin"}.get(one["market"], one["market"])
        if target == "margin":
            assert (one["role"], one["experiment"], one["share"]) == ("champion", None, None)
            continue
        role = assigned(one["game_id"], "spring", 0.4)
        roles.add(role)
        assert (one["role"], one["experiment"], one["share"]) == (role.value, "spring", 0.4)
        ours = one["model_version"] == stage.challengers[target]
        assert ours is (role is Role.CHALLENGER)
        if not ours and "target" in one:
            assert plain(one) == plain(usual[place(one)]), "champions say what they always say"
    assert roles == set(Role), "the day has games of both"
