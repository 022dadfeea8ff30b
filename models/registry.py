"""The model registry on MLflow: log, alias, load. The only I/O among the models.

MLflow is imported inside the functions: it costs seconds, and neither `--help` nor a start from
the cache may pay for it.
"""

import json
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from models.boosters.golden import Golden
from models.boosters.scoring import TargetModel
from models.boosters.training import Trained
from models.provenance import Logged, code_revision, signature_file
from schemas.errors import ConfigError, DependencyDown, ModelRefused
from schemas.markets import Target
from schemas.sections.servers import MlflowSettings
from schemas.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

EXPERIMENT = "steamline"
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
ALIASES = (CHAMPION, CHALLENGER, PREVIOUS)
PASSED, FORCED = "passed", "forced"
GATE, REASON, VERDICT = "steamline.gate", "steamline.reason", "steamline.verdict"
"""Tags of a version: how it was promoted (absent: not at all), why by force, the gate's words."""
NAME = "steamline.name"
"""Tag: the version as messages name it."""
ANSWER_SECONDS = 5.0
_POINTER = "current"
"""File in a cached model's folder: which of its sub-folders is whole, number, paper."""
_PORTS = {"postgresql": 5432, "http": 80, "https": 443}
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""No such model; a model without this alias or version."""


def registered_name(target: Target) -> str:
    return f"steamline-{target.value}"


@dataclass(frozen=True)
class Version:
    """One version of one target's model, as the registry knows it."""

    target: Target
    number: str
    run_id: str
    created_us: int
    aliases: tuple[str, ...]
    tags: Mapping[str, str]

    @property
    def name(self) -> str:
        """As messages name it."""
        return self.tags.get(NAME, self.number)

    @property
    def paper(self) -> bool:
        """It has neither passed the gate nor been forced past it."""
        return self.tags.get(GATE) not in (PASSED, FORCED)


class Registry:
    """One MLflow tracking server or database, and the disk cache of what was loaded from it.

    Every method but `cached` and `remember` raises DependencyDown when it does not answer.
    """

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

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """With the cache that everything on this machine shares."""
        return cls(settings.mlflow, settings.home / "models")

    @contextmanager
    def _client(self) -> "Iterator[MlflowClient]":
        import logging
        import os

        self.require_answer()
        # Four files need no bar in a worker's log.
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        # Its database migrations report each step as if something were wrong.
        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        # A database that is away: it would show its stack, and we say so ourselves.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import OperationalError

        try:
            yield MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        except (OperationalError, ConnectionError) as down:
            said = str(down).partition("\n")[0]
            raise DependencyDown(f"model registry does not answer: {said}") from None
        except MlflowException as bad:
            raise DependencyDown(f"model registry: {bad}") from None

    def require_answer(self) -> None:
        """Raises DependencyDown at once, and without MLflow, where no server listens.

        MLflow itself tries for minutes before it gives up on a server that is away.
        """
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

    def publish(
        self, trained: list[Trained], seed: int, window_days: int | None = None
    ) -> list[Version]:
        """Log each model with all that is known of it, as its target's challenger."""
        with self._client() as client:
            experiment = self._experiment(client)
            recipe = {"seed": seed, "window_days": window_days}
            return [self._publish_one(client, experiment, one, recipe) for one in trained]

    def _experiment(self, client: "MlflowClient") -> str:
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        return str(client.create_experiment(EXPERIMENT, artifact_location=self._artifacts))

    def _publish_one(
        self, client: "MlflowClient", experiment: str, trained: Trained, recipe: dict[str, Any]
    ) -> Version:
        from mlflow.entities import Metric, Param
        from mlflow.exceptions import MlflowException

        card = trained.model.card
        name = registered_name(card.target)
        run = client.create_run(experiment, run_name=name, tags=code_revision())
        run_id = run.info.run_id
        params = {**asdict(trained.parameters), **asdict(card), **recipe}
        metrics: dict[str, float] = {"trees": trained.trees, "games": trained.games}
        for who, score in trained.held_out.items():
            metrics |= {f"{who}_log_loss": score.log_loss, f"{who}_brier": score.brier}
        for of, (low, high) in trained.intervals.items():
            metrics |= {f"{of}_interval_low": low, f"{of}_interval_high": high}
        # All at once: each by itself is a transaction.
        client.log_batch(
            run_id,
            [Metric(key, value, run.info.start_time, 0) for key, value in metrics.items()],
            [Param(key, str(value)) for key, value in params.items()],
        )
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            trained.model.write(folder)
            trained.golden.write(folder)
            signature_file(folder, run_id)
            client.log_artifacts(run_id, scratch, "model")
        client.log_dict(run_id, trained.model.importances(), "importances.json")
        client.set_terminated(run_id)
        try:
            client.get_registered_model(name)
        except MlflowException:
            client.create_registered_model(name)
        version = client.create_model_version(name, f"{run.info.artifact_uri}/model", run_id=run_id)
        named = TargetModel(trained.model.text, card, str(version.version)).version
        client.set_model_version_tag(name, version.version, NAME, named)
        client.set_registered_model_alias(name, CHALLENGER, version.version)
        return _version(card.target, client.get_model_version(name, version.version))

    def find(self, target: Target, alias_or_number: str) -> Version | None:
        """None where there is no such version."""
        from mlflow.exceptions import MlflowException

        name = registered_name(target)
        with self._client() as client:
            try:
                if alias_or_number in ALIASES:
                    found = client.get_model_version_by_alias(name, alias_or_number)
                else:
                    found = client.get_model_version(name, alias_or_number)
            except MlflowException as bad:
                if bad.error_code not in _ABSENT:
                    raise
                return None
            return _version(target, found)

    def versions(self, target: Target) -> list[Version]:
        """All, the newest first."""
        with self._client() as client:
            found = client.search_model_versions(f"name = '{registered_name(target)}'")
            # A search leaves out the aliases.
            whole = [client.get_model_version(one.name, one.version) for one in found]
        return sorted((_version(target, one) for one in whole), key=lambda one: -int(one.number))

    def logged(self, version: Version, importances: bool = True) -> Logged:
        """importances: of features; they are a file of their own, and cost a download."""
        with self._client() as client:
            data = client.get_run(version.run_id).data
            if not importances:
                return Logged(data.params, data.metrics, {})
            with tempfile.TemporaryDirectory() as folder:
                gains = client.download_artifacts(version.run_id, "importances.json", folder)
                return Logged(data.params, data.metrics, json.loads(Path(gains).read_text()))

    def load(self, version: Version) -> TargetModel:
        """Raises ModelRefused where it is damaged, or does not say what it said when made."""
        with self._client() as client, tempfile.TemporaryDirectory() as folder:
            from mlflow.exceptions import MlflowException

            try:
                path = client.download_artifacts(version.run_id, "model", folder)
            except (MlflowException, OSError) as gone:
                # A registry that went away meanwhile says nothing about the model.
                self.require_answer()
                raise ModelRefused(
                    f"{version.target} model {version.number}: its files cannot be had: {gone}"
                ) from None
            return _open(Path(path), version.target, version.number, version.paper)

    def promote(self, version: Version, tags: Mapping[str, str]) -> None:
        """Make it the champion, and the champion before it the previous one."""
        name = registered_name(version.target)
        before = self.find(version.target, CHAMPION)
        challenger = self.find(version.target, CHALLENGER)
        with self._client() as client:
            for key, value in tags.items():
                client.set_model_version_tag(name, version.number, key, value)
            if before is not None and before.number != version.number:
                client.set_registered_model_alias(name, PREVIOUS, before.number)
            client.set_registered_model_alias(name, CHAMPION, version.number)
            if challenger is not None and challenger.number == version.number:
                client.delete_registered_model_alias(name, CHALLENGER)

    def note(self, version: Version, tags: Mapping[str, str], metrics: Mapping[str, float]) -> None:
        """Write down what a judgement found."""
        with self._client() as client:
            for key, value in tags.items():
                client.set_model_version_tag(
                    registered_name(version.target), version.number, key, value
                )
            for key, number in metrics.items():
                client.log_metric(version.run_id, key, number)

    def rollback(self, target: Target) -> Version:
        """The previous champion is the champion again, and the other way round.

        Raises ModelRefused where there was none.
        """
        previous = self.find(target, PREVIOUS)
        if previous is None:
            raise ModelRefused(f"{target}: there is no previous champion to go back to")
        self.promote(previous, {})
        return previous

    def champions(self) -> list[TargetModel]:
        """The current champion of every target, from the registry.

        Raises ModelRefused where one is missing or damaged.
        """
        return [self.load(self.champion(target)) for target in Target]

    def champion(self, target: Target) -> Version:
        """Raises ModelRefused where there is none."""
        found = self.find(target, CHAMPION)
        if found is None:
            raise ModelRefused(f"no champion for {target}: run `steamline model train`")
        return found

    def remember(self, models: Iterable[TargetModel], alias: str = CHAMPION) -> None:
        """Keep them for a start without the registry; a kill at any moment leaves a whole one."""
        for model in models:
            folder = self._kept(model.card.target, alias)
            folder.mkdir(parents=True, exist_ok=True)
            number = model.version.partition("-")[0]
            golden = model.golden
            assert golden is not None, "only what was loaded is remembered"
            fresh = Path(tempfile.mkdtemp(prefix=f"{model.version}.", dir=folder))
            model.write(fresh)
            golden.write(fresh)
            pointer = fresh / _POINTER
            pointer.write_text(
                json.dumps({"folder": fresh.name, "number": number, "paper": model.paper})
            )
            pointer.replace(folder / _POINTER)
            for old in folder.iterdir():
                if old.is_dir() and old != fresh:
                    shutil.rmtree(old, ignore_errors=True)

    def forget(self, target: Target, alias: str) -> None:
        """Keep none any longer."""
        folder = self._kept(target, alias)
        (folder / _POINTER).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    def _kept(self, target: Target, alias: str) -> Path:
        name = target.value if alias == CHAMPION else f"{target.value}.{alias}"
        return self._cache / name

    def nearest(self) -> list[TargetModel]:
        """What the worker here scores with, and without one what it would.

        Raises as `cached` and `champions`.
        """
        return self.cached() or self.champions()

    def cached(self) -> list[TargetModel]:
        """The champions as last taken, from disk; empty where a target was never loaded.

        Raises ModelRefused where one is damaged.
        """
        models = []
        for target in Target:
            model = self.kept(target)
            if model is None:
                return []
            models.append(model)
        return models

    def kept(self, target: Target, alias: str = CHAMPION) -> TargetModel | None:
        """One as last taken, from disk. Raises ModelRefused where it is damaged."""
        folder = self._kept(target, alias)
        try:
            current = json.loads((folder / _POINTER).read_text())
            path, number, paper = folder / current["folder"], current["number"], current["paper"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as bad:
            raise ModelRefused(f"model cache {folder} cannot be read: {bad}") from None
        # Fail closed: nothing but a plain no makes stakes real.
        return _open(path, target, number, paper is not False)

    def kept_name(self, target: Target, alias: str = CHAMPION) -> str | None:
        """Version of the one that `kept` would open, unopened; None where it cannot be told."""
        try:
            current = json.loads((self._kept(target, alias) / _POINTER).read_text())
            return str(current["folder"]).rpartition(".")[0]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def stamp(self) -> object:
        """Equal as long as the cache holds the same models."""
        found = set()
        for pointer in self._cache.glob(f"*/{_POINTER}"):
            with suppress(FileNotFoundError):
                about = pointer.stat()
                found.add((str(pointer), about.st_mtime_ns, about.st_ino))
        return found


def _open(folder: Path, target: Target, number: str, paper: bool) -> TargetModel:
    model = TargetModel.read(folder, number, paper)
    if model.card.target is not target:
        raise ModelRefused(f"{target} model {number} is one of {model.card.target}")
    model.golden = Golden.read(folder)
    model.golden.check(model)
    return model


def _version(target: Target, found: "ModelVersion") -> Version:
    return Version(
        target,
        str(found.version),
        str(found.run_id),
        int(found.creation_timestamp) * 1_000,
        tuple(sorted(found.aliases)),
        dict(found.tags),
    )
