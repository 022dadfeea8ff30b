"""The database's schema: numbered SQL files, applied once each, one process at a time.

yoyo reads and splits the files and keeps the list of those applied. What is done here instead of
by its own `apply_migrations`:
- A Postgres advisory lock: yoyo's is a row in a table, which a killed process leaves behind.
- A migration and the mark that it was applied are one transaction: yoyo uses two, and a crash
  between them would apply it twice.
- A file that cannot be loaded is an error: yoyo passes over it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg
from yoyo import get_backend, read_migrations  # type: ignore[import-untyped]
from yoyo.exceptions import BadMigration  # type: ignore[import-untyped]
from yoyo.migrations import topological_sort  # type: ignore[import-untyped]

from schemas.errors import ConfigError, DependencyDown, SteamlineError, first_line
from schemas.sections.servers import PostgresSettings

MIGRATIONS = Path(__file__).parents[2] / "sql" / "migrations"
KEY = "STEAMLINE_POSTGRES_DSN"
LOCK = 0x57EA_311E
"""Of all advisory locks in the database, the one of migrations."""
PATIENCE_SECONDS = 60.0


class MigrationFailed(SteamlineError):
    """A migration was refused by the database; nothing of it is left."""


class Status(NamedTuple):
    applied: list[str]
    pending: list[str]
    unknown: list[str]
    """Applied, and not among the files: the database is of a newer version."""


def dsn_of(settings: PostgresSettings) -> str:
    """Raises ConfigError where no Postgres is configured."""
    if settings.dsn is None:
        raise ConfigError(
            KEY,
            "no Postgres is configured and no local stack is running",
            "Set it to postgresql://user:password@host:port/database, or run `steamline stack up`",
        )
    return settings.dsn.get_secret_value()


def no_dsn() -> ConfigError:
    """Instead of a client's own words: these may repeat the DSN with the password."""
    return ConfigError(
        KEY, "is no DSN of a Postgres", "Use postgresql://user:password@host:port/database"
    )


def migrate(settings: PostgresSettings, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is pending; the names of those applied. Safe from several processes at once.

    Raises DependencyDown without an answer, MigrationFailed when a migration is refused or the
    database is of a newer version.
    """
    done: list[str] = []
    with _backend(settings) as (backend, known):
        migrations = _read(folder)
        newer = _unknown(known, migrations)
        if newer:
            raise MigrationFailed(
                f"the database has migrations that this version does not know ({newer[-1]}): "
                "run the newer version of Steamline"
            )
        for migration in topological_sort(migrations):
            if migration.id in known:
                continue
            try:
                with backend.transaction():
                    migration.process_steps(backend, "apply")
                    # yoyo's own log wants a user name, which a container need not have.
                    backend.mark_one(migration, log=False)
            except psycopg.OperationalError as down:
                raise DependencyDown(f"Postgres went away: {first_line(down)}") from None
            except psycopg.Error as refused:
                raise MigrationFailed(f"{migration.id}: {first_line(refused)}") from refused
            done.append(migration.id)
    return done


def status(settings: PostgresSettings, folder: Path = MIGRATIONS) -> Status:
    """What is applied and what is not. Raises DependencyDown without an answer."""
    with _backend(settings) as (_, known):
        migrations = _read(folder)
        pending = [one.id for one in topological_sort(migrations) if one.id not in known]
        return Status(known, pending, _unknown(known, migrations))


def require_current(settings: PostgresSettings) -> None:
    """Raises MigrationFailed naming the command where the schema is behind or ahead."""
    found = status(settings)
    if found.pending or found.unknown:
        raise MigrationFailed(
            f"the database's schema is not this version's ({len(found.pending)} migrations "
            f"pending, {len(found.unknown)} unknown): run `steamline db migrate`"
        )


def _unknown(known: list[str], migrations: Any) -> list[str]:
    names = {one.id for one in migrations}
    return [name for name in known if name not in names]


def _read(folder: Path) -> Any:
    migrations = read_migrations(str(folder))
    for migration in migrations:
        try:
            migration.load()
        except BadMigration as bad:
            raise MigrationFailed(f"{migration.id}: {bad}") from None
    if not migrations:
        raise MigrationFailed(f"{folder}: no migrations there")
    return migrations


@contextmanager
def _backend(settings: PostgresSettings) -> Iterator[tuple[Any, list[str]]]:
    """yoyo's backend and the names of applied migrations, alone in the database."""
    dsn = dsn_of(settings)
    try:
        guard = psycopg.connect(dsn, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as down:
        raise DependencyDown(f"Postgres does not answer: {first_line(down)}") from None
    except psycopg.Error:
        raise no_dsn() from None
    with guard:
        _lock(guard)
        backend = get_backend(_yoyo_uri(dsn))
        with backend:
            # Ours is held, so a row in yoyo's own lock table is a dead process's.
            backend.break_lock()
            backend.ensure_internal_schema_updated()
            rows = backend.execute(
                f"SELECT migration_id FROM {backend.migration_table_quoted} ORDER BY migration_id"
            )
            yield backend, [row[0] for row in rows.fetchall()]


def _lock(guard: psycopg.Connection[Any]) -> None:
    """Waited for by asking: a session that waits inside Postgres cannot be given up."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        row = guard.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
        if row is not None and row[0]:
            return
        if time.monotonic() > deadline:
            raise DependencyDown("another process has been migrating the database for a minute")
        time.sleep(0.1)


def _yoyo_uri(dsn: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(("postgresql+psycopg", *parts[1:]))
