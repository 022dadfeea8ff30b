"""The schema's migrations on a real Postgres: once, whole or not at all, by many at a time."""

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from deploy.stack.postgres import PostgresServer
from flows.connectors.migrations import (
    MIGRATIONS,
    MigrationFailed,
    migrate,
    require_current,
    status,
)
from schemas.errors import ConfigError, DependencyDown
from schemas.sections.servers import PostgresSettings
from tests.system import ROOT, clean_env

FILES = sorted(path.stem for path in MIGRATIONS.glob("*.sql"))


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[str]:
    """DSN of an empty database."""
    name = f"empty_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield postgres.dsn(name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def of(dsn: str) -> PostgresSettings:
    return PostgresSettings(dsn=SecretStr(dsn))


def tables(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as db:
        rows = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {name for (name,) in rows}


def test_all_are_applied_once_and_in_order(empty: str) -> None:
    assert status(of(empty)).pending == FILES
    with pytest.raises(MigrationFailed, match="steamline db migrate"):
        require_current(of(empty))
    assert migrate(of(empty)) == FILES
    require_current(of(empty))
    assert migrate(of(empty)) == []
    assert status(of(empty)) == (FILES, [], [])
    assert {"games", "books", "quotes", "splits", "features", "predictions", "stakes", "alerts"} | {
        "results",
        "settlements",
        "ledger_entries",
        "model_runs",
        "data_quality",
        "dead_letters",
    } <= tables(empty)


def test_several_processes_at_once(empty: str) -> None:
    env = clean_env() | {"STEAMLINE_POSTGRES_DSN": empty}
    command = [sys.executable, "-m", "cli.main", "db", "migrate", "--json"]
    many = [
        subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [one.communicate(timeout=60)[0] for one in many]
    assert [one.returncode for one in many] == [0] * 4
    assert sum('"applied": []' not in text for text in said) == 1, said
    assert status(of(empty)).applied == FILES


def test_a_refused_migration_leaves_nothing_and_can_be_mended(empty: str, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    bad = folder / "9999.more.sql"
    bad.write_text("CREATE TABLE more (a integer);\nCREATE TABLE more (a integer);\n")
    with pytest.raises(MigrationFailed, match=r"9999\.more: .*already exists"):
        migrate(of(empty), folder)
    assert "more" not in tables(empty)
    assert status(of(empty), folder) == (FILES, ["9999.more"], [])
    bad.write_text("CREATE TABLE more (a integer);\n")
    assert migrate(of(empty), folder) == ["9999.more"]
    # An older version must not work on a newer database.
    with pytest.raises(MigrationFailed, match=r"9999\.more.*newer version"):
        migrate(of(empty))
    with pytest.raises(MigrationFailed, match="1 unknown"):
        require_current(of(empty))


def test_the_lock_row_of_a_killed_yoyo_does_not_stop_it(empty: str) -> None:
    migrate(of(empty))
    with psycopg.connect(empty, autocommit=True) as db:
        db.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1)")
    assert migrate(of(empty)) == []


def test_function_bodies_stay_whole(empty: str) -> None:
    """yoyo splits files at semicolons; those inside $$ must not count."""
    migrate(of(empty))
    with psycopg.connect(empty) as db:
        made = db.execute(
            "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        ).fetchall()
    assert {name for name, _ in made} == {
        "make_quote_partitions",
        "move_balance",
        "entries_balance",
        "append_only",
    }
    assert all(body.strip().endswith("END") for _, body in made)


def test_a_wrong_address_is_one_line_without_the_password() -> None:
    with pytest.raises(DependencyDown, match="Postgres does not answer") as down:
        migrate(of("postgresql://u:hush@127.0.0.1:1/x"))
    assert "hush" not in str(down.value)
    with pytest.raises(ConfigError, match="STEAMLINE_POSTGRES_DSN") as wrong:
        migrate(of("postgresql://u:hush@[::1/x"))
    assert "hush" not in str(wrong.value)
    with pytest.raises(ConfigError, match="no Postgres is configured"):
        migrate(PostgresSettings())
