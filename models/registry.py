"""The model registry on MLflow: log, alias, load. The only I/O among the models.

MLflow is imported inside the functions: it costs seconds, and neither `--help` nor a start from
the cache may pay for it.
"""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from models.boosters.scoring import TargetModel
from models.boosters.training import Trained
from schemas.errors import ConfigError, DependencyDown, ModelRefused
from schemas.markets import Target
from schemas.settings import MlflowSettings

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "steamline"
CHAMPION = "champion"
ANSWER_SECONDS = 5.0
_PORTS = {"postgresql": 5432, "http": 80, "https": 443}


def registered_name(target: Target) -> str:
    return f"steamline-{target.value}"


class Registry:
    """One MLflow tracking server or database, and the disk cache of what was loaded from it."""

    def __init__(self, settings: MlflowSettings, cache: Path) -> None:
        if settings.tracking_uri is None:
            raise ConfigError(
                "STEAMLINE_MLFLOW_TRACKING_URI",
                "no model registry is configured and no local stack is running",
                "Set it, or run `steamline stack up`",
            )
        self._uri = settings.tracking_uri.get_secret_value()
        self._artifacts = settings.artifacts
        self._cache = cache

    @contextmanager
    def _client(self) -> "Iterator[MlflowClient]":
        import logging

        self._require_answer()
        # Its database migrations report each step as if something were wrong.
        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import OperationalError

        try:
            yield MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        except (OperationalError, ConnectionError) as down:
            said = str(down).partition("\n")[0]
            raise DependencyDown(f"model registry does not answer: {said}") from None
        except MlflowException as bad:
            if bad.error_code == "RESOURCE_DOES_NOT_EXIST":
                raise
            raise DependencyDown(f"model registry: {bad}") from None

    def _require_answer(self) -> None:
        """MLflow itself tries for minutes before it gives up on a server that is away."""
        try:
            where = urlsplit(self._uri)
            port = where.port or _PORTS.get(where.scheme)
        except ValueError:  # several hosts: MLflow's driver knows what to do with them
            return
        if where.hostname is None or port is None:
            return
        try:
            socket.create_connection((where.hostname, port), ANSWER_SECONDS).close()
        except OSError as down:
            raise DependencyDown(
                f"model registry does not answer: {where.hostname}:{port}: {down}"
            ) from None

    def publish(self, trained: list[Trained], seed: int) -> list[TargetModel]:
        """Log each model with its parameters and scores, and make it the champion."""
        with self._client() as client:
            experiment = self._experiment(client)
            return [self._publish_one(client, experiment, one, seed) for one in trained]

    def _experiment(self, client: "MlflowClient") -> str:
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        return str(client.create_experiment(EXPERIMENT, artifact_location=self._artifacts))

    def _publish_one(
        self, client: "MlflowClient", experiment: str, trained: Trained, seed: int
    ) -> TargetModel:
        from mlflow.exceptions import MlflowException

        card = trained.model.card
        name = registered_name(card.target)
        run = client.create_run(experiment, run_name=name)
        run_id = run.info.run_id
        for key, value in {
            **asdict(trained.parameters),
            **_flat(asdict(card)),
            "seed": seed,
        }.items():
            client.log_param(run_id, key, value)
        client.log_metric(run_id, "trees", trained.trees)
        client.log_metric(run_id, "games", trained.games)
        for who, score in trained.held_out.items():
            client.log_metric(run_id, f"{who}_log_loss", score.log_loss)
            client.log_metric(run_id, f"{who}_brier", score.brier)
        with tempfile.TemporaryDirectory() as folder:
            trained.model.write(Path(folder))
            client.log_artifacts(run_id, folder, "model")
        client.set_terminated(run_id)
        try:
            client.get_registered_model(name)
        except MlflowException:
            client.create_registered_model(name)
        version = client.create_model_version(name, f"{run.info.artifact_uri}/model", run_id=run_id)
        client.set_registered_model_alias(name, CHAMPION, version.version)
        model = TargetModel(trained.model.text, card, str(version.version))
        self._remember(model, str(version.version))
        return model

    def champions(self) -> list[TargetModel]:
        """The current champion of every target, from the registry; also refreshes the cache.

        Raises DependencyDown when the registry does not answer, ModelRefused without champions.
        """
        from mlflow.exceptions import MlflowException

        with self._client() as client:
            models = []
            for target in Target:
                name = registered_name(target)
                try:
                    version = client.get_model_version_by_alias(name, CHAMPION)
                except MlflowException as bad:
                    # The first: no such model; the second: a model without this alias.
                    if bad.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                        raise
                    raise ModelRefused(
                        f"no champion for {target}: run `steamline model train`"
                    ) from None
                with tempfile.TemporaryDirectory() as folder:
                    path = client.download_artifacts(str(version.run_id), "model", folder)
                    model = TargetModel.read(Path(path), str(version.version))
                self._remember(model, str(version.version))
                models.append(model)
            return models

    def _folder(self, target: Target) -> Path:
        return self._cache / target.value

    def _remember(self, model: TargetModel, number: str) -> None:
        folder = self._folder(model.card.target)
        fresh = folder.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        model.write(fresh)
        (fresh / "number").write_text(number)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)

    def cached(self) -> list[TargetModel]:
        """The champions as last seen, from disk; empty where a target was never loaded."""
        folders = [self._folder(target) for target in Target]
        if not all((folder / "number").exists() for folder in folders):
            return []
        return [TargetModel.read(folder, (folder / "number").read_text()) for folder in folders]


def _flat(card: dict[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in card.items()}
