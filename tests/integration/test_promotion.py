"""Hot swap, gate and rollback on a real MLflow with Postgres; every model here is a real one.

Broken models are broken as they would be: in the files of the registry's artefact store.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from pydantic import SecretStr

from flows.models import ModelWatch, current_models
from flows.promotion import Evidence, introduce
from flows.steps.score import Scorer
from models.boosters.golden import Golden
from models.boosters.parameters import PARAMETERS
from models.boosters.scoring import TargetModel
from models.boosters.training import Trained as TrainedModel
from models.evaluation import Score
from models.features.catalogue import NAMES
from models.registry import Registry, Version
from schemas.markets import Target
from schemas.sections.servers import MlflowSettings
from schemas.settings import Settings
from schemas.topics import Topic
from tests.integration.test_registry import registry_of, unreachable
from tests.system import ROOT, Trained, steamline
from tests.unit.boosters import card, constant_text, varied_text
from tests.unit.flows.steps.test_score import LENIENT, QUOTED, game_tasks

TARGET = Target.TOTAL
NAME = f"steamline-{TARGET.value}"


@pytest.fixture
def client(trained: Trained) -> Iterator[MlflowClient]:
    """Puts the aliases back: the registry is shared by the session."""
    client = MlflowClient(trained.tracking_uri, trained.tracking_uri)
    before = dict(client.get_registered_model(NAME).aliases)
    yield client
    after = client.get_registered_model(NAME).aliases
    for alias in after.keys() - before.keys():
        client.delete_registered_model_alias(NAME, alias)
    for alias, number in before.items():
        client.set_registered_model_alias(NAME, alias, number)


def rows() -> tuple[Any, Any, Any]:
    dice = np.random.default_rng(5)
    vectors = dice.normal(size=(40, len(NAMES))).astype(np.float32)
    return vectors, dice.uniform(0.3, 0.7, 40), np.full(40, 8.5)


def sound(seed: int = 2, simulated: bool = True) -> TrainedModel:
    """A training of the total."""
    model = TargetModel(varied_text(seed=seed), replace(card(TARGET), simulated=simulated), "0")
    score = Score(log_loss=0.6, brier=0.2, rows=10)
    return TrainedModel(
        model,
        trees=12,
        games=61,
        held_out={"model": score, "market": score},
        parameters=PARAMETERS[TARGET],
        golden=Golden.of(model, *rows()),
    )


def publish(registry: Registry, seed: int = 2, simulated: bool = True) -> Version:
    """A sound challenger for the total."""
    (version,) = registry.publish([sound(seed, simulated)], seed=seed)
    return version


def folder_of(trained: Trained, version: Version) -> Path:
    (folder,) = trained.home.glob(f"mlflow/**/{version.run_id}/artifacts/model")
    return folder


class Worker:
    """What `steamline run score` makes of a registry, less Kafka."""

    def __init__(self, trained: Trained, home: Path) -> None:
        self.settings = Settings(home=home, staking=LENIENT)
        self.registry = registry_of(trained, home / "models")
        models = self.registry.champions()
        self.registry.remember(models)
        self.scorer = Scorer(self.settings, models)
        self.watch = ModelWatch(self.registry, self.scorer, models)

    def score(self) -> tuple[str, list[str]]:
        """Version that prices totals in the next batch, and the alerts about models."""
        messages = self.scorer(game_tasks(QUOTED)[-1:]).messages
        found = [(one.topic, json.loads(one.value)) for one in messages]
        (version,) = (
            one["model_version"]
            for topic, one in found
            if topic is Topic.PREDICTIONS and one["target"] == TARGET
        )
        return version, [one["detail"] for topic, one in found if topic is Topic.ALERTS]


def test_a_moved_alias_is_followed_and_kept_for_a_start_without_the_registry(
    trained: Trained, client: MlflowClient, tmp_path: Path
) -> None:
    worker = Worker(trained, tmp_path)
    old, _ = worker.score()
    version = publish(worker.registry)
    worker.watch.look()
    assert worker.score()[0] == old, "a challenger scores nothing"
    worker.registry.promote(version, {})
    worker.watch.look()
    assert worker.score() == (version.name, [])
    assert str(client.get_model_version_by_alias(NAME, "previous").version) == old.partition("-")[0]
    cached = current_models(Settings(home=tmp_path, mlflow=unreachable()))
    assert version.name in {one.version for one in cached}


def spoil_digest(folder: Path, text: str) -> None:
    """As one who writes a model by hand would: the digest fits."""
    path = folder / "booster.txt"
    model = TargetModel.read(folder, "0")
    TargetModel(text, model.card, "0").write(folder)
    assert path.read_text() == text


def spoil_golden(folder: Path) -> None:
    path = folder / "golden.json"
    fields = json.loads(path.read_text())
    fields["probability"][1] += 1e-6
    path.write_text(json.dumps(fields))


def spoil_features(folder: Path) -> None:
    path = folder / "card.json"
    fields = json.loads(path.read_text())
    fields["feature_set"] = "0123456789abcdef"
    path.write_text(json.dumps(fields))


def truncate(folder: Path) -> None:
    path = folder / "booster.txt"
    path.write_text(path.read_text()[:-500])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoil_features, "trained on feature set"),
        (truncate, "damaged"),
        (lambda folder: spoil_digest(folder, constant_text(float("nan"))), "predicts NaN"),
        (lambda folder: spoil_digest(folder, varied_text(seed=3)), "golden vector"),
        (lambda folder: spoil_digest(folder, varied_text(width=9)), "model"),
        (spoil_golden, "golden vector 1"),
        (lambda folder: (folder / "golden.json").unlink(), "cannot be read"),
        (lambda folder: (folder / "booster.txt").unlink(), "cannot be read"),
        (lambda folder: shutil.rmtree(folder), "cannot be"),
    ],
    ids=[
        "other feature set",
        "truncated",
        "NaN",
        "other booster",
        "other width",
        "wrong golden vector",
        "no golden vector",
        "no booster",
        "no files",
    ],
)
def test_a_really_broken_champion_is_refused_and_the_old_one_stays(
    trained: Trained,
    client: MlflowClient,
    tmp_path: Path,
    spoil: Callable[[Path], object],
    says: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = Worker(trained, tmp_path)
    old, _ = worker.score()
    bad = publish(worker.registry)
    spoil(folder_of(trained, bad))
    client.set_registered_model_alias(NAME, "champion", bad.number)
    worker.watch.look()
    worker.watch.look()
    version, alerts = worker.score()
    assert version == old
    (alert,) = alerts
    assert f"total champion {bad.number} is refused, {old} stays" in alert
    assert says in alert
    assert worker.score() == (old, []), "said once"
    # Neither may it be what a restart begins with, with the registry or without.
    there = MlflowSettings(tracking_uri=SecretStr(trained.tracking_uri))
    for mlflow in (there, unreachable()):
        begun = current_models(Settings(home=tmp_path, mlflow=mlflow))
        started = {one.card.target: one.version for one in begun}
        assert started[TARGET] == old
    assert "starting with the champions last seen" in caplog.text


def test_everything_that_says_what_a_model_is_is_logged(
    trained: Trained, client: MlflowClient, tmp_path: Path
) -> None:
    """Read by MLflow's own client from what `steamline model train` wrote."""
    from mlflow.models import Model

    version = client.get_model_version_by_alias(NAME, "champion")
    run = client.get_run(str(version.run_id))
    assert {"seed", "window_days", "feature_set", "data_fingerprint", "calibration", "law"} <= set(
        run.data.params
    )
    head = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    assert run.data.tags["mlflow.source.git.commit"].rstrip("+") == head
    path = client.download_artifacts(str(version.run_id), "", str(tmp_path))
    signature = Model.load(f"{path}/model").signature
    assert signature is not None
    assert [one.name for one in signature.inputs] == ["vectors", "consensus", "line"]
    assert signature.inputs.inputs[0].shape == (-1, len(NAMES))
    gains = json.loads((Path(path) / "importances.json").read_text())
    assert set(gains) <= set(NAMES)
    assert list(gains.values()) == sorted(gains.values(), reverse=True)
    assert (Path(path) / "model" / "golden.json").exists()
    assert "steamline.gate" not in version.tags, "the first champion is one on paper"


def run(trained: Trained, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", "model", *arguments],
        cwd=trained.home,
        env=trained.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_force_is_recorded_and_rollback_undoes_it(
    trained: Trained, client: MlflowClient, tmp_path: Path
) -> None:
    registry = registry_of(trained, tmp_path)
    old = registry.champion(TARGET)
    publish(registry)
    without = run(trained, "promote", "--target", "total", "--force")
    assert without.returncode == 2
    assert registry.champion(TARGET) == old, "no reason, no champion"

    steamline(
        trained.env,
        trained.home,
        *(
            "model",
            "promote",
            "--target",
            "total",
            "--force",
            "--reason",
            "the [bold]gate[/]",
        ),
    )
    forced = registry.champion(TARGET)
    assert forced.number != old.number
    assert not forced.paper
    assert not registry.load(forced).paper
    listed = json.loads(steamline(trained.env, trained.home, "model", "list", "--json"))
    (mine,) = (one for one in listed if "champion" in one["aliases"] and one["target"] == "total")
    assert mine["version"] == forced.name
    assert mine["tags"]["steamline.reason"] == "the [bold]gate[/]"
    wide = trained.env | {"COLUMNS": "250"}
    assert "forced: the [bold]gate[/]" in steamline(wide, trained.home, "model", "list")

    (back,) = json.loads(
        steamline(trained.env, trained.home, "model", "rollback", "--target", "total", "--json")
    )
    assert (back["version"], back["paper"]) == (old.name, True)
    assert registry.champion(TARGET).number == old.number
    assert str(client.get_model_version_by_alias(NAME, "previous").version) == forced.number


def test_nothing_to_roll_back_to_is_one_line(trained: Trained, client: MlflowClient) -> None:
    done = run(trained, "rollback", "--target", "runs")
    assert done.returncode == 1
    assert "no previous champion" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_too_few_games_promote_nothing(
    trained: Trained, client: MlflowClient, tmp_path: Path
) -> None:
    registry = registry_of(trained, tmp_path)
    before = registry.champion(TARGET)
    done = run(
        trained,
        *("promote", "champion", "--target", "total", "--archive", str(trained.archive), "--json"),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "games" in done.stdout + done.stderr
    after = registry.champion(TARGET)
    assert after.number == before.number
    assert after.paper


@pytest.fixture(scope="module", params=[0.2, 0.0], ids=["planted edge", "no edge"])
def season(
    request: pytest.FixtureRequest, trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> tuple[float, Path]:
    edge: float = request.param
    archive = tmp_path_factory.mktemp("season") / "archive"
    shape = ("--days", "36", "--games", "10", "--edge", str(edge))
    steamline(trained.env, trained.home, "data", "simulate", "--out", str(archive), *shape)
    return edge, archive


def test_the_gate_lets_an_edge_pass_and_nothing_else(
    trained: Trained, client: MlflowClient, tmp_path: Path, season: tuple[float, Path]
) -> None:
    edge, archive = season
    registry = registry_of(trained, tmp_path)
    before = registry.champion(TARGET)
    candidate = publish(registry)
    done = run(trained, *("promote", "--target", "total", "--archive", str(archive), "--json"))
    assert "Traceback" not in done.stderr
    assert done.returncode == (0 if edge else 1), done.stderr[-500:]
    (found,) = json.loads(done.stdout)
    assert found["promoted"] is (edge > 0)
    assert found["numbers"]["games"] >= 200
    low, high = found["numbers"]["market"]["interval"]
    assert (high < 0) is (edge > 0)
    after = registry.champion(TARGET)
    assert after.number == (candidate.number if edge else before.number)
    assert after.paper is (edge == 0)
    # What the gate found stays with the version, good or bad, where MLflow's own pages show it.
    run_id = candidate.run_id
    metrics = client.get_run(run_id).data.metrics
    assert (metrics["gate_market_interval_low"], metrics["gate_market_interval_high"]) == (
        low,
        high,
    )
    version = client.get_model_version(NAME, candidate.number)
    assert json.loads(version.tags["steamline.verdict"])["promote"] is (edge > 0)
    assert version.tags.get("steamline.gate") == ("passed" if edge else None)


def test_what_was_trained_is_judged_at_once_and_crowned_on_request(
    trained: Trained, client: MlflowClient, tmp_path: Path, season: tuple[float, Path]
) -> None:
    edge, archive = season
    registry, evidence = registry_of(trained, tmp_path), Evidence([archive], Settings())
    word = "passed" if edge else "refused by"
    (waits,) = introduce(registry, [sound()], 2, None, evidence, crown=False)
    assert waits.verdict is not None
    assert waits.verdict.promote is (edge > 0)
    assert waits.became == f"champion on paper, {word} the gate", "which takes nothing from anyone"
    assert registry.champion(TARGET).paper
    (now,) = introduce(registry, [sound(3)], 3, None, evidence, crown=True)
    champion = registry.champion(TARGET)
    assert (champion.number, champion.paper) == (now.version.number, edge == 0)
    assert now.crowned is (edge > 0)
    if edge:
        # The next one waits for a person's word, though it passes; here its settings are the same.
        (later,) = introduce(registry, [sound(4)], 3, None, evidence, crown=False)
        assert later.became == "challenger, passed the gate"
        assert registry.champion(TARGET).number == champion.number
    (few,) = introduce(registry, [sound(5)], 2, None, Evidence([trained.archive], Settings()))
    assert few.verdict is None
    assert "the gate needs 200" in few.became


def test_simulated_games_are_no_evidence_for_a_model_of_real_ones(
    trained: Trained, client: MlflowClient, tmp_path: Path
) -> None:
    registry = registry_of(trained, tmp_path)
    before = registry.champion(TARGET).number
    publish(registry, simulated=False)
    done = run(trained, "promote", "--target", "total", "--archive", str(trained.archive))
    assert done.returncode == 1
    assert "simulated games say nothing" in done.stderr.splitlines()[-1]
    assert registry.champion(TARGET).number == before
