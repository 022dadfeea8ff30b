"""The registry on a real MLflow with Postgres, read back by MLflow's own client."""

import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from pydantic import SecretStr

from deploy.stack.process import LOOPBACK, free_port
from flows.checks import stores
from flows.doctor import examine
from flows.models import current_models
from models.boosters.parameters import PARAMETERS
from models.boosters.scoring import TargetModel
from models.boosters.training import Trained as TrainedModel
from models.evaluation import Score
from models.features.catalogue import NAMES
from models.features.kernel import FeatureSet
from models.registry import Registry
from schemas.errors import ModelRefused
from schemas.markets import Target
from schemas.sections.scoring import ScoreSettings
from schemas.sections.servers import MlflowSettings
from schemas.settings import Settings
from tests.system import Trained


def registry_of(trained: Trained, cache: Path) -> Registry:
    uri = SecretStr(trained.tracking_uri)
    return Registry(MlflowSettings(tracking_uri=uri, artifacts=str(trained.home / "mlflow")), cache)


@pytest.fixture
def client(trained: Trained) -> MlflowClient:
    return MlflowClient(trained.tracking_uri, trained.tracking_uri)


def champion(client: MlflowClient, target: Target) -> ModelVersion:
    return client.get_model_version_by_alias(f"steamline-{target.value}", "champion")


def vectors() -> np.ndarray:
    dice = np.random.default_rng(3)
    rows = dice.normal(size=(50, len(NAMES))).astype(np.float32)
    rows[dice.random(rows.shape) < 0.3] = np.nan
    return rows


def test_what_was_trained_is_in_mlflow_and_loads_equal(
    trained: Trained, client: MlflowClient, tmp_path: Path
) -> None:
    loaded = {model.card.target: model for model in registry_of(trained, tmp_path).champions()}
    assert set(loaded) == set(Target)
    rows = vectors()
    for target, model in loaded.items():
        version = champion(client, target)
        assert version.run_id is not None
        run = client.get_run(version.run_id)
        assert run.info.status == "FINISHED"
        assert run.data.params["target"] == target.value
        assert run.data.params["seed"] == "1"
        assert run.data.params["learning_rate"] == str(PARAMETERS[target].learning_rate)
        assert run.data.params["simulated"] == "True"
        assert run.data.params["feature_set"] == FeatureSet.of(Settings()).hash
        assert model.version.startswith(f"{version.version}-")
        for name in ("model_log_loss", "market_log_loss", "model_brier", "market_brier"):
            assert 0 < run.data.metrics[name] < 1
        assert run.data.metrics["games"] >= 60

        folder = tmp_path / "download" / target.value
        folder.mkdir(parents=True)
        path = Path(client.download_artifacts(version.run_id, "model", str(folder)))
        booster = lightgbm.Booster(model_file=str(path / "booster.txt"))
        assert run.data.metrics["trees"] == booster.num_trees()
        raw = booster.predict(rows, raw_score=True, num_threads=1)
        assert isinstance(raw, np.ndarray)
        if model.card.law is None:
            market = np.full(len(rows), 0.55)
            expected = 1 / (1 + np.exp(-(np.log(0.55 / 0.45) + raw)))
            outcomes = model.outcomes(rows, market, np.full(len(rows), 8.5))
            ours = [outcome.probability for outcome in outcomes if outcome is not None]
            np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_an_alias_makes_the_champion_and_moving_it_back_undoes_that(
    trained: Trained, client: MlflowClient, tmp_path: Path
) -> None:
    registry = registry_of(trained, tmp_path)
    before = {model.card.target: model.version for model in registry.champions()}
    numbers = {target: champion(client, target).version for target in Target}
    (model,) = (one for one in registry.champions() if one.card.target is Target.TOTAL)
    score = Score(log_loss=0.6, brier=0.2, rows=10)
    assert model.golden is not None
    again = TrainedModel(
        model,
        trees=1,
        games=61,
        held_out={"model": score, "market": score},
        parameters=PARAMETERS[Target.TOTAL],
        golden=model.golden,
    )
    try:
        (published,) = registry.publish([again], seed=9)
        assert champion(client, Target.TOTAL).version == numbers[Target.TOTAL], "only a challenger"
        registry.promote(published, {})
        number = champion(client, Target.TOTAL).version
        assert int(number) > int(numbers[Target.TOTAL])
        assert published.name.partition("-")[0] == str(number)
        now = {model.card.target: model.version for model in registry.champions()}
        assert now == before | {Target.TOTAL: published.name}
    finally:
        for target, old in numbers.items():
            client.set_registered_model_alias(f"steamline-{target.value}", "champion", old)
    assert {model.card.target: model.version for model in registry.champions()} == before


def unreachable() -> MlflowSettings:
    uri = SecretStr(f"postgresql://u:secret@{LOOPBACK}:{free_port()}/mlflow")
    return MlflowSettings(tracking_uri=uri, artifacts="/nowhere")


def test_without_the_registry_the_champions_last_seen_are_used(
    trained: Trained, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = registry_of(trained, tmp_path / "models").champions()
    registry_of(trained, tmp_path / "models").remember(known)
    settings = Settings(home=tmp_path, mlflow=unreachable())
    begun = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="flows.models"):
        cached = current_models(settings)
    print(f"cached champions after {time.monotonic() - begun:.1f} s")
    assert time.monotonic() - begun < 15, "MLflow's own ten tries take 100 s"
    assert [(one.version, one.card) for one in cached] == [(one.version, one.card) for one in known]
    (told,) = [one.getMessage() for one in caplog.records if one.name == "flows.models"]
    assert "champions last seen" in told
    assert all(one.version in told for one in known)
    assert "secret" not in told

    (booster,) = tmp_path.glob("models/total/*/booster.txt")
    booster.write_text(booster.read_text()[:-2_000])
    with pytest.raises(ModelRefused):
        current_models(settings)


def test_without_registry_and_cache_the_worker_says_so_in_one_line(
    trained: Trained, tmp_path: Path
) -> None:
    down = unreachable().tracking_uri
    assert down is not None
    env = trained.env | {
        "STEAMLINE_HOME": str(tmp_path),
        "STEAMLINE_MLFLOW_TRACKING_URI": down.get_secret_value(),
        "STEAMLINE_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "STEAMLINE_REDIS_URL": "redis://127.0.0.1:1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "run", "score"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: model registry does not answer")
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_without_a_champion_it_says_what_to_do(
    trained: Trained, client: MlflowClient, tmp_path: Path
) -> None:
    version = champion(client, Target.RUNS)
    client.delete_registered_model_alias(version.name, "champion")
    try:
        with pytest.raises(ModelRefused, match="no champion for runs: run `steamline model train`"):
            registry_of(trained, tmp_path).champions()
    finally:
        client.set_registered_model_alias(version.name, "champion", version.version)


@contextmanager
def spoilt(path: Path, text: str) -> Iterator[None]:
    whole = path.read_text()
    path.write_text(text)
    yield
    path.write_text(whole)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "card", "gone"])
def test_a_damaged_artefact_is_refused(
    trained: Trained, client: MlflowClient, tmp_path: Path, damage: str
) -> None:
    run_id = champion(client, Target.MONEYLINE).run_id
    assert run_id is not None
    (folder,) = trained.home.glob(f"mlflow/**/{run_id}/artifacts/model")
    booster, card = folder / "booster.txt", folder / "card.json"
    text = booster.read_text()
    registry = registry_of(trained, tmp_path)
    if damage == "gone":
        shutil.move(card, tmp_path / "card.json")
        try:
            with pytest.raises(ModelRefused):
                registry.champions()
        finally:
            shutil.move(tmp_path / "card.json", card)
    else:
        path, spoiling = {
            "cut": (booster, text[: len(text) // 2]),
            "flipped": (booster, text.replace("leaf_value=", "leaf_value=9", 1)),
            "empty": (booster, ""),
            "card": (card, card.read_text().replace('"moneyline"', '"corners"')),
        }[damage]
        assert spoiling != path.read_text()
        with spoilt(path, spoiling), pytest.raises(ModelRefused):
            registry.champions()
    assert len(registry.champions()) == len(Target)


def test_a_model_of_another_feature_set_is_not_used(trained: Trained, tmp_path: Path) -> None:
    (model, *_) = registry_of(trained, tmp_path).champions()
    assert isinstance(model, TargetModel)
    with pytest.raises(ModelRefused, match="train again"):
        model.check("another", len(NAMES))
    with pytest.raises(ModelRefused, match="train again"):
        model.check(model.card.feature_set, len(NAMES) + 1)


def test_the_doctor_knows_these_champions(trained: Trained, tmp_path: Path) -> None:
    """Of so few games: on paper."""
    uri = SecretStr(trained.tracking_uri)
    found = {}
    for stale in (30.0, 31.0):
        settings = Settings(
            home=tmp_path,
            mlflow=MlflowSettings(tracking_uri=uri),
            score=ScoreSettings(stale_minutes=stale),
        )
        [check] = [one for one in stores.checks(settings, lambda: 0) if one.name == "registry"]
        found[stale] = {one.name: one.state.value for one in examine([check], 60)}
    right = {"registry": "ok", "feature set": "ok", "champions": "warn"}
    assert found == {30.0: right, 31.0: right | {"feature set": "fail"}}
