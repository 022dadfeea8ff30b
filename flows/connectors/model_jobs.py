"""Training jobs in Postgres: one at a time, and what became of each."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import psycopg

from flows.connectors.migrations import dsn_of, no_dsn, require_current
from flows.steps.watch import Job
from models.boosters.training import Trained
from schemas.errors import DependencyDown, SteamlineError
from schemas.sections.servers import PostgresSettings
from schemas.time import from_us, to_us

LOCK = 0x57EA_3120
"""Of all advisory locks in the database, the one of whoever trains models."""
CONNECT_SECONDS = 10


class OtherTrains(SteamlineError):
    """Another process holds the lock; it may end."""


class ModelJobs:
    """One session, which holds the lock while it lives."""

    def __init__(self, db: "psycopg.Connection[tuple[Any, ...]]") -> None:
        self._db = db

    def require_alone(self) -> None:
        """Raises DependencyDown where the session, and with it the lock, is gone."""
        with _answered():
            self._db.execute("SELECT 1")

    def last_trained_us(self) -> int | None:
        """When the newest job ended that made models."""
        with _answered():
            found = self._db.execute(
                "SELECT max(ended_at) FROM model_jobs WHERE outcome = 'trained'"
            ).fetchone()
        return to_us(found[0]) if found is not None and found[0] is not None else None

    def record(
        self, job: Job, trained: Sequence[Trained], versions: Sequence[str], source: str
    ) -> None:
        """The job and its models, all or nothing. trained, versions: in one order; source: who
        trained."""
        with _answered(), self._db.transaction():
            self._db.execute(
                "INSERT INTO model_jobs (job_id, cause, outcome, detail, began_at, ended_at)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                (
                    job.job_id,
                    job.cause,
                    job.outcome,
                    job.detail,
                    from_us(job.began_us),
                    from_us(job.ended_us),
                ),
            )
            for one, version in zip(trained, versions, strict=True):
                card = one.model.card
                # The same data and seed in a registry that was made anew: the same model.
                self._db.execute(
                    "INSERT INTO model_runs (run_id, job_id, target, model_version, feature_set,"
                    " data_fingerprint, trained_at, trained_until, games, params, metrics,"
                    " simulated, source)"
                    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
                    " ON CONFLICT (target, model_version) DO NOTHING",
                    (
                        f"{job.job_id}:{card.target}",
                        job.job_id,
                        card.target.value,
                        version,
                        card.feature_set,
                        card.data_fingerprint,
                        from_us(job.ended_us),
                        from_us(card.trained_until_us),
                        one.games,
                        json.dumps(asdict(one.parameters)),
                        json.dumps(
                            {who: asdict(score) for who, score in one.held_out.items()}
                            | {"intervals": one.intervals, "trees": one.trees}
                        ),
                        card.simulated,
                        source,
                    ),
                )


@contextmanager
def alone(settings: PostgresSettings) -> Iterator[ModelJobs]:
    """Raises OtherTrains while another process trains, DependencyDown without an answer or
    MigrationFailed where the schema is older."""
    require_current(settings)
    with _answered():
        try:
            db = psycopg.connect(
                dsn_of(settings),
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                application_name="steamline model watch",
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=3,
            )
        except psycopg.ProgrammingError:
            raise no_dsn() from None
    try:
        with _answered():
            held = db.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
        if held != (True,):
            raise OtherTrains("another process trains models with this database")
        yield ModelJobs(db)
    finally:
        db.close()


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except psycopg.OperationalError as down:
        said = str(down).partition("\n")[0]
        raise DependencyDown(f"Postgres does not answer: {said}") from None
