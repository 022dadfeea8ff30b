"""Champions that change, and a registry that goes away, while the worker scores.

All input is in the topics before the start, so an undisturbed run with either set of models says
what each prediction must be: a lost one is missing from both, a mixed one is equal to neither.
"""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
import pytest
from mlflow import MlflowClient

from deploy.stack.kafka import KafkaBroker
from deploy.stack.process import LOOPBACK
from models.boosters.golden import Golden
from models.boosters.parameters import PARAMETERS
from models.boosters.scoring import TargetModel
from models.boosters.training import Trained as TrainedModel
from models.evaluation import Score
from models.features.catalogue import NAMES
from schemas.markets import Target
from tests.chaos.conftest import Steady, assert_same
from tests.integration.test_registry import registry_of
from tests.system import SLOW, Decisions, Lag, Site, Trained, count_of
from tests.unit.boosters import card, varied_text

QUICK = {"STEAMLINE_MLFLOW_POLL_SECONDS": "0.1"}
SWAPS = 6


@dataclass(frozen=True)
class Sets:
    """Two sets of champions; version numbers by target."""

    client: MlflowClient
    first: dict[Target, str]
    second: dict[Target, str]

    def crown(self, numbers: dict[Target, str]) -> None:
        for target, number in numbers.items():
            self.client.set_registered_model_alias(f"steamline-{target.value}", "champion", number)


@pytest.fixture
def sets(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sets]:
    registry = registry_of(trained, tmp_path_factory.mktemp("cache"))
    first = {target: registry.champion(target).number for target in Target}
    dice = np.random.default_rng(8)
    vectors = dice.normal(size=(20, len(NAMES))).astype(np.float32)
    score = Score(log_loss=0.6, brier=0.2, rows=10)
    made = []
    for target in Target:
        model = TargetModel(varied_text(seed=4), card(target), "0")
        line = np.full(20, -1.5 if target is Target.MARGIN else 8.5)
        made.append(
            TrainedModel(
                model,
                trees=12,
                games=61,
                held_out={"model": score, "market": score},
                parameters=PARAMETERS[target],
                golden=Golden.of(model, vectors, np.full(20, 0.5), line),
            )
        )
    second = {one.target: one.number for one in registry.publish(made, seed=4)}
    sets = Sets(MlflowClient(trained.tracking_uri, trained.tracking_uri), first, second)
    yield sets
    sets.crown(first)


def versions(decisions: Decisions) -> dict[tuple[str, int, str], str]:
    """(game, position, target) -> model version, of predictions; there must be but one."""
    found: dict[tuple[str, int, str], str] = {}
    for name, value in decisions.items():
        if name.startswith("predictions/"):
            one = json.loads(value)
            place = one["game_id"], one["position"], one["target"]
            assert place not in found, f"{place} by {found[place]} and {one['model_version']}"
            found[place] = one["model_version"]
    return found


def test_champions_change_under_load_and_nothing_is_lost_or_mixed(
    kafka: KafkaBroker,
    redis_url: str,
    trained: Trained,
    site: Site,
    steady: Steady,
    sets: Sets,
) -> None:
    sets.crown(sets.second)
    with Site(trained, kafka.bootstrap, redis_url, site.folder) as other:
        other.create()
        other.send(steady.records)
        other.run_to_end()
        undisturbed = steady.decisions | other.decisions()
        assert set(versions(other.decisions())) == set(versions(steady.decisions))

    sets.crown(sets.first)
    site.send(steady.records)
    worker = site.worker(**SLOW, **QUICK)
    count = count_of(site)
    step = len(steady.decisions) // (3 * SWAPS)
    worker.wait_for(lambda: count() > 0, "a decision")
    for swap in range(SWAPS):
        sets.crown(sets.first if swap % 2 else sets.second)
        told = worker.said.count("new champions:")
        worker.wait_for(
            lambda told=told: worker.said.count("new champions:") > told,  # type: ignore[misc]
            "a swap",
        )
        before = count()
        worker.wait_for(lambda before=before: count() > before + step, "decisions after it")  # type: ignore[misc]
    with Lag(site) as lag:
        assert lag.behind() > 0, "all was over before the last swap"
        worker.wait_for(lambda: lag.behind() == 0, "all input scored", 120)
    worker.stop()
    ours = site.decisions()
    assert site.letters() == []

    by = versions(ours)
    assert by.keys() == versions(steady.decisions).keys(), "0 lost"
    mixed = [
        name
        for name, value in ours.items()
        # A stake is said when it changes, and rests on what other games' models say at the moment.
        if name.startswith("predictions/") and undisturbed.get(name) != value
    ]
    assert mixed == [], "0 mixed"
    used = {target: {of for (_, _, t), of in by.items() if t == target} for target in Target}
    first = set(versions(steady.decisions).values())
    by_first = sum(one in first for one in by.values())
    print(f"{len(by)} predictions, {by_first} by the first set, {SWAPS} swaps")
    assert all(len(names) == 2 for names in used.values()), "both sets must have scored"


class Door:
    """A way to the registry that can be shut."""

    def __init__(self, uri: str) -> None:
        there = urlsplit(uri)
        assert there.hostname is not None
        assert there.port is not None
        self._there = there.hostname, there.port
        self._listening = socket.create_server((LOOPBACK, 0))
        self._open: list[socket.socket] = []
        here = self._listening.getsockname()[1]
        self.uri = uri.replace(f"{there.hostname}:{there.port}", f"{LOOPBACK}:{here}")
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._there)
            except OSError:
                return
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_pass, args=(one, other), daemon=True).start()

    def shut(self) -> None:
        # shutdown wakes the thread that waits; close alone leaves the port open behind it.
        for one in (self._listening, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _pass(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)


@pytest.mark.long
def test_without_its_registry_the_worker_goes_on_and_starts_again(
    site: Site, steady: Steady, trained: Trained
) -> None:
    door = Door(trained.tracking_uri)
    env = {
        "STEAMLINE_MLFLOW_TRACKING_URI": door.uri,
        "STEAMLINE_HOME": str(site.folder),
        **QUICK,
    }
    site.send(steady.records)
    count = count_of(site)
    worker = site.worker(**SLOW, **env)
    worker.wait_for(lambda: count() > 0, "a decision")
    door.shut()
    worker.wait_for(lambda: "the models stay" in worker.said, "that the registry is away is said")
    before = count()
    worker.wait_for(lambda: count() > before + len(steady.decisions) // 8, "further decisions")
    worker.kill()
    with Lag(site) as lag:
        assert lag.behind() > 0, "all was over before the restart"
        again = site.worker(**env)
        again.wait_for(lambda: lag.behind() == 0, "all input scored", 120)
    again.stop()
    assert "starting with the champions last seen" in again.said
    assert "Traceback" not in worker.said + again.said
    assert "is refused" not in worker.said, "no model is to blame for it"
    assert_same(site.decisions(), steady.decisions)
