"""`steamline model watch`: looks at the models now and then, and trains them when it is time."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from flows.connectors.model_jobs import ModelJobs, alone
from flows.predicted import predicted
from flows.steps.watch import Cause, Job, cause_to_train
from flows.training import train_from_archives
from flows.training_job import Publish, run_job
from models.evaluation.drift import DriftRules, degraded, rolling
from models.evaluation.rows import decided
from models.registry import Registry
from schemas.errors import DataMissing, ModelRefused
from schemas.settings import Settings

log = logging.getLogger(__name__)

SOURCE = "watch"
"""Who made a model, as `model_runs` has it."""


@dataclass
class Health:
    """Of the jobs of this process."""

    looks: int = 0
    done: dict[str, int] = field(default_factory=lambda: {"trained": 0, "failed": 0})
    looked_us: int | None = None
    """When it last looked to the end, whatever it found."""
    trained_us: int | None = None
    running: bool = False


class Watch:
    """One look at a time."""

    def __init__(
        self,
        archives: Sequence[Path],
        settings: Settings,
        registry: Registry,
        publish: Publish,
        clock: Callable[[], int],
        seed: int,
    ) -> None:
        """clock: now, microseconds UTC."""
        self._archives, self._settings, self._registry = archives, settings, registry
        self._publish, self._clock, self._seed = publish, clock, seed
        self.health = Health()

    def look(self, asked: bool = False) -> Job | None:
        """Train if it is time; none where it is not.

        asked: whatever the models' age. A training that fails is a job that says so. Raises
        OtherTrains while another process trains, DependencyDown where Postgres does not answer.
        """
        self.health.looks += 1
        with alone(self._settings.postgres) as jobs:
            self.health.trained_us = jobs.last_trained_us()
            worse = self._degraded(self.health.trained_us)
            cause = cause_to_train(
                self._clock(),
                self.health.trained_us,
                worse,
                self._settings.watch.refresh_days,
                asked,
            )
            job = None if cause is None else self._train(jobs, cause, worse)
        self.health.looked_us = self._clock()
        return job

    def _degraded(self, trained_us: int | None) -> list[str]:
        """Targets whose present models did worse than the price, by more than chance.

        Of predictions by these models alone: those of models before them are no reason. Nor are
        models that were worse when last trained and whose challengers the gate refused, until
        there are enough games to learn more from.
        """
        try:
            models = self._registry.champions()
            rows = predicted(self._archives)
        except (ModelRefused, DataMissing) as nothing:
            log.info("no log-loss to go by: %s", nothing)
            return []
        rules, days = DriftRules.of(self._settings.drift), self._settings.drift.days
        found = []
        for model in models:
            said = decided(rows, model.card.target.value).filter(model_version=model.version)
            if said.is_empty() or not degraded(rolling(said, days), rules):
                continue
            target, needed = model.card.target.value, self._settings.watch.retry_games
            since = said.filter(pl.col("start_us") > (trained_us or 0))["game_id"].n_unique()
            if since >= needed:
                found.append(target)
            else:
                log.warning(
                    "%s %s is worse than the market; trained again %d games after the last "
                    "training, %d so far",
                    target,
                    model.version,
                    needed,
                    since,
                )
        return found

    def _train(self, jobs: ModelJobs, cause: Cause, worse: Sequence[str]) -> Job:
        log.info("training: %s", f"{cause} ({', '.join(worse)})" if worse else cause)
        self.health.running = True
        try:
            job, _ = run_job(
                jobs,
                SOURCE,
                cause,
                self._clock,
                lambda: train_from_archives(
                    self._archives,
                    None,
                    self._settings,
                    self._seed,
                    lambda stage: log.info("%s", stage),
                    self._settings.watch.window_days,
                ),
                self._publish,
            )
        finally:
            self.health.running = False
        trained = job.outcome == "trained"
        if trained:
            self.health.trained_us = job.ended_us
        self.health.done[job.outcome] += 1
        log.log(logging.INFO if trained else logging.ERROR, "%s: %s", job.outcome, job.detail)
        return job
