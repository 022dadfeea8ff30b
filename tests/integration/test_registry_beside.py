"""The registry in a process of its own, on a real MLflow: same answers, no harm when it dies."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import psutil
import pytest
from mlflow import MlflowClient
from pydantic import SecretStr

from flows.connectors.registry_beside import RegistryBeside
from flows.models import ModelWatch, current_models
from flows.steps.score import Scorer
from models.boosters.scoring import TargetModel
from models.features.catalogue import NAMES
from models.registry import CHAMPION
from schemas.errors import DependencyDown, ModelRefused
from schemas.markets import Target
from schemas.sections.servers import MlflowSettings
from schemas.settings import Settings
from tests.integration.test_registry import registry_of, spoilt, unreachable
from tests.system import ROOT, Trained
from tests.unit.flows.steps.test_score import LENIENT, QUOTED, game_tasks


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def beside_of(trained: Trained, cache: Path) -> RegistryBeside:
    uri = SecretStr(trained.tracking_uri)
    return RegistryBeside(
        MlflowSettings(tracking_uri=uri, artifacts=str(trained.home / "mlflow")), cache
    )


@pytest.fixture(scope="module")
def beside(trained: Trained, cache: Path) -> Iterator[RegistryBeside]:
    """One for the module: its start costs seconds."""
    registry = beside_of(trained, cache)
    yield registry
    registry.close()


def said(model: TargetModel) -> list[tuple[float, float | None, float]]:
    dice = np.random.default_rng(3)
    rows = dice.normal(size=(50, len(NAMES))).astype(np.float32)
    outcomes = model.outcomes(rows, dice.uniform(0.3, 0.7, 50), np.full(50, 8.0))
    return [(one.probability, one.mean, one.push) for one in outcomes if one is not None]


def test_its_answers_are_those_of_the_registry(
    trained: Trained, beside: RegistryBeside, cache: Path
) -> None:
    usual = registry_of(trained, cache)
    assert beside.find(Target.TOTAL, CHAMPION) == usual.find(Target.TOTAL, CHAMPION)
    assert beside.find(Target.TOTAL, "987654") is None
    ours, theirs = beside.champions(), usual.champions()
    assert [(one.version, one.card, one.paper) for one in ours] == [
        (one.version, one.card, one.paper) for one in theirs
    ]
    assert [one.golden for one in ours] == [one.golden for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert said(one) == said(other)
        assert said(one), "else nothing was compared"

    beside.remember(ours)
    assert [one.version for one in usual.cached()] == [one.version for one in theirs]


def champion_folder(trained: Trained, target: Target) -> Path:
    client = MlflowClient(trained.tracking_uri, trained.tracking_uri)
    run_id = client.get_model_version_by_alias(f"steamline-{target.value}", CHAMPION).run_id
    (folder,) = trained.home.glob(f"mlflow/**/{run_id}/artifacts/model")
    return folder


def test_a_damaged_model_is_refused_in_the_same_words(
    trained: Trained, beside: RegistryBeside, cache: Path
) -> None:
    booster = champion_folder(trained, Target.MARGIN) / "booster.txt"
    with spoilt(booster, booster.read_text().replace("leaf_value=", "leaf_value=9", 1)):
        with pytest.raises(ModelRefused, match="its digest does not fit its card") as ours:
            beside.champions()
        with pytest.raises(ModelRefused) as theirs:
            registry_of(trained, cache).champions()
    # Each has its own folder, which the words name.
    assert str(ours.value).split("is damaged")[1] == str(theirs.value).split("is damaged")[1]


class Watched:
    """A scorer that follows the registry through the other process."""

    def __init__(self, beside: RegistryBeside, home: Path) -> None:
        models = current_models(Settings(home=home, staking=LENIENT), beside)
        self.scorer = Scorer(Settings(home=home, staking=LENIENT), models)
        self.watch = ModelWatch(beside, self.scorer, models)
        self.before = self.score()[0]

    def score(self) -> tuple[set[str], list[str]]:
        """Versions that speak in the next batch, and what its alerts say."""
        fields = [json.loads(one.value) for one in self.scorer(game_tasks(QUOTED)[-1:]).messages]
        return {one["model_version"] for one in fields if "model_version" in one}, [
            one["detail"] for one in fields if "alert_id" in one
        ]


def test_a_model_that_ends_the_process_which_tries_it_is_refused_and_the_worker_lives(
    trained: Trained, beside: RegistryBeside, cache: Path
) -> None:
    """A booster with a count of leaves that LightGBM aborts at, and a card that fits it."""
    watched = Watched(beside, cache)
    folder = champion_folder(trained, Target.TOTAL)
    booster, card = folder / "booster.txt", folder / "card.json"
    text = booster.read_text().replace("num_leaves=", "num_leaves=-", 1)
    fields = {
        **json.loads(card.read_text()),
        "booster_sha256": sha256(text.encode()).hexdigest(),
    }
    with spoilt(booster, text), spoilt(card, json.dumps(fields)):
        watched.watch.look()
        versions, (alert,) = watched.score()
        assert versions == watched.before
        assert "the process that checked it has perished (-6)" in alert
        watched.watch.look()
        assert watched.score() == (watched.before, []), "said once"
    watched.watch.look()
    assert watched.score() == (watched.before, [])


@pytest.mark.long
@pytest.mark.parametrize(
    ("harm", "word"),
    [(signal.SIGKILL, "its process has ended"), (signal.SIGSTOP, "nothing in 1 s")],
    ids=["killed", "stopped"],
)
def test_when_it_ends_or_hangs_the_models_stay_and_another_is_started(
    beside: RegistryBeside,
    cache: Path,
    caplog: pytest.LogCaptureFixture,
    harm: signal.Signals,
    word: str,
) -> None:
    watched = Watched(beside, cache)
    first = beside.pid
    assert first is not None
    os.kill(first, harm)
    beside.answer_seconds, usual = 1.0, beside.answer_seconds
    watched.watch.look()
    beside.answer_seconds = usual
    (told,) = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert word in told
    assert "the models stay" in told
    assert watched.score() == (watched.before, []), "no model is to blame for it"
    watched.watch.look()
    assert "answers again" in caplog.text
    assert beside.pid not in (None, first)
    assert not psutil.pid_exists(first), "ended and reaped"


def test_without_a_server_it_says_so_and_goes_on(tmp_path: Path) -> None:
    beside = RegistryBeside(unreachable(), tmp_path)
    for _ in range(2):
        with pytest.raises(DependencyDown, match="does not answer: 127"):
            beside.find(Target.TOTAL, CHAMPION)
    beside.close()


ALONE = """
import sys, time
from pathlib import Path
from flows.connectors.registry_beside import RegistryBeside
from schemas.errors import DependencyDown
from schemas.markets import Target
from schemas.sections.servers import MlflowSettings

if __name__ == "__main__":
    nobody = MlflowSettings(tracking_uri="postgresql://127.0.0.1:1/mlflow")
    beside = RegistryBeside(nobody, Path(sys.argv[1]))
    try:
        beside.find(Target.TOTAL, "champion")
    except DependencyDown:
        print(beside.pid, flush=True)
    time.sleep(120)
"""


@pytest.mark.long
def test_it_ends_with_the_process_that_asks(tmp_path: Path) -> None:
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    parent = subprocess.Popen(
        [sys.executable, script, tmp_path],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert child.is_running()
    parent.kill()
    parent.wait(30)
    assert psutil.wait_procs([child], timeout=30)[1] == [], "no orphan"
    parent.stdout.close()
