"""A training as a job: published only by who is alone, and kept whatever becomes of it."""

import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

from flows.connectors.migrations import migrate
from flows.connectors.model_jobs import alone
from flows.steps.watch import Cause, Job
from models.boosters.training import Trained
from models.registry import Version
from schemas.errors import SteamlineError
from schemas.sections.servers import PostgresSettings

SOURCE = "train"
"""Who made a model, as `model_runs` has it."""

Publish = Callable[[list[Trained]], list[tuple[Version, str]]]
"""Registers what was trained, and says of each what became of it."""


class Jobs(Protocol):
    """Where jobs are kept: `flows.connectors.model_jobs.ModelJobs`."""

    def require_alone(self) -> None: ...

    def record(
        self, job: Job, trained: Sequence[Trained], versions: Sequence[str], source: str
    ) -> None: ...


def run_job(
    jobs: Jobs,
    source: str,
    cause: Cause,
    clock: Callable[[], int],
    train: Callable[[], list[Trained]],
    publish: Publish,
) -> tuple[Job, list[Trained]]:
    """A training that fails is a job that says so, without models. clock: now, microseconds UTC."""
    began_us, job_id = clock(), uuid.uuid4().hex
    trained: list[Trained] = []
    made: list[tuple[Version, str]] = []
    try:
        trained = train()
        jobs.require_alone()
        made = publish(trained)
        detail = "; ".join(f"{one.target} {one.name}: {became}" for one, became in made)
        job = Job(job_id, cause, "trained", detail, began_us, clock())
    except SteamlineError as bad:
        job = Job(job_id, cause, "failed", str(bad), began_us, clock())
        trained = []
    jobs.record(job, trained, [version.name for version, _ in made], source)
    return job, trained


def by_hand(
    settings: PostgresSettings,
    clock: Callable[[], int],
    train: Callable[[], list[Trained]],
    publish: Publish,
) -> tuple[Job, list[Trained]]:
    """As `run_job`, of `steamline model train`. Without a Postgres nothing is kept, and nobody is
    kept from training too.

    Raises OtherTrains while another process trains, DependencyDown where Postgres is away.
    """
    if settings.dsn is None:
        return run_job(_Unkept(), SOURCE, "asked", clock, train, publish)
    migrate(settings)
    with alone(settings) as jobs:
        return run_job(jobs, SOURCE, "asked", clock, train, publish)


class _Unkept:
    def require_alone(self) -> None: ...

    def record(
        self, job: Job, trained: Sequence[Trained], versions: Sequence[str], source: str
    ) -> None: ...
