"""The queries of `sql/queries` on real volume: they run, and none reads a large table through."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from deploy.demo.slate import choose_slate
from deploy.stack.postgres import PostgresServer
from schemas.topics import Topic
from tests.curated import TABLE_OF, rows
from tests.system import ROOT, Site, clean_env, content, steamline

QUERIES = {path.stem: path.read_text() for path in (ROOT / "sql" / "queries").glob("*.sql")}
OF_THE_API = {"bankrolls", "bankroll_history", "said_of_target", "said_of_experiments"}
"""tests/integration/test_list_plans.py has them."""
_BET = "fill_id, game_id, bankroll, market, side, book, line, price, amount, paper, simulated, NULL"
SETTLED = (
    f"INSERT INTO settlements SELECT fill_id || ':1', {_BET}, 'loss', 0, 'rule', 'detail',"
    " 'result', filled_at + interval '1 day', NULL, NULL, 'stale', 'settle', 'settlements',"
    " NULL, NULL"
)
AGAIN = (
    f"INSERT INTO settlements SELECT fill_id || ':2', {_BET}, 'win', 19, 'rule', 'detail',"
    """ 'result 2', settled_at, settlement_id, '{"reference": "consensus", "price_part": 0.02}',"""
    " NULL, 'settle', 'settlements', NULL, NULL"
)
PART = "mod(abs(hashtext(fill_id)), 3)"
"""0: not settled; 1: settled; 2: settled and corrected."""
LARGE = 2_000
"""A table of fewer rows may be read through: that is cheaper than its index."""


@pytest.fixture(scope="module")
def season(
    postgres: PostgresServer,
    _schema: str,
    real_slate: Site,
    real_archive: Path,
    tmp_path_factory: Any,
) -> Iterator[str]:
    """The real season, and one day's decisions about it, with splits and dead letters made up to
    a volume that the real data has not got."""
    name = f"season_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {_schema}")
    dsn = postgres.dsn(name)
    env = clean_env() | {"STEAMLINE_POSTGRES_DSN": dsn}
    steamline(env, tmp_path_factory.mktemp("season"), "db", "load", str(real_archive))
    child = real_slate.start("run", "curate", "--once", STEAMLINE_POSTGRES_DSN=dsn)
    assert child.wait(120) == 0
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(
            "INSERT INTO splits SELECT event_id || ':s', game_id, 'made up', occurred_at, true,"
            " true, book, market, 55.0, 60.0, 'splits', NULL, NULL FROM quotes"
            " WHERE status = 'open'"
        )
        db.execute(
            "INSERT INTO dead_letters SELECT 'lines-0-' || n, 'reason ' || n % 7, 'd', 's',"
            " 'lines', 0, n, '2026-07-01'::timestamptz + n * interval '1 minute', NULL, ''"
            " FROM generate_series(1, 50000) n"
        )
        db.execute(
            "INSERT INTO fills SELECT event_id || ':f', game_id, 'main', market, 'home', book,"
            " NULL, price_home_over, 10, false, true, NULL, occurred_at, 'action', NULL, NULL,"
            " 'made up', 'fills', NULL, NULL FROM quotes"
            " WHERE status = 'open' AND market = 'moneyline'"
        )
        db.execute(f"{SETTLED} FROM fills WHERE {PART} > 0")
        db.execute(f"{AGAIN} FROM settlements WHERE {PART} = 2")
        # One day asked for must not be all that there is: that is rightly read through.
        db.execute(
            "INSERT INTO stakes SELECT later.* FROM stakes s, generate_series(1, 9) n,"
            " jsonb_populate_record(s, jsonb_build_object('stake_id', stake_id || ':' || n,"
            " 'as_of', as_of + n * interval '7 days')) later"
        )
        # As autovacuum does it after so many rows.
        db.execute("VACUUM (ANALYZE)")
    yield dsn
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def values(season: str, real_archive: Path) -> dict[str, tuple[object, ...]]:
    slate = choose_slate(real_archive)
    game, day = min(slate.games), slate.day
    since = moment(f"{date.fromordinal(day.toordinal() - 2)}")
    until = moment(f"{date.fromordinal(day.toordinal() + 2)}")
    return {
        "lines_of_game": (game, "moneyline", since, until),
        "closing_quotes": (game, since),
        "splits_against_line": (game, "moneyline", since),
        "decisions_of_day": (day,),
        "closing_line_value": (since, until),
        "dead_letters_by_reason": (since, until),
        "coverage_of_day": (day, since),
    }


def test_every_query_is_tried_here(values: dict[str, tuple[object, ...]]) -> None:
    assert set(QUERIES) == set(values) | OF_THE_API


def scanned(plan: dict[str, Any]) -> Iterator[str]:
    """Tables that a plan reads through."""
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from scanned(part)


@pytest.mark.parametrize("name", sorted(set(QUERIES) - OF_THE_API))
def test_it_uses_the_indexes(season: str, values: dict[str, tuple[object, ...]], name: str) -> None:
    with psycopg.connect(season) as db:
        size = {
            table: count
            for table, count in db.execute(
                "SELECT relname, reltuples FROM pg_class WHERE relkind = 'r'"
            )
        }
        assert max(size.values()) > LARGE * 4
        db.execute(f"PREPARE q AS {QUERIES[name]}")
        literals = ", ".join(psycopg.sql.quote(one) for one in values[name])
        found = db.execute(f"EXECUTE q({literals})").fetchall()
        assert found, "it must find something, or its plan says nothing"
        for mode in ("force_custom_plan", "force_generic_plan"):
            db.execute(f"SET plan_cache_mode = {mode}")
            ((plan,),) = db.execute(f"EXPLAIN (FORMAT JSON) EXECUTE q({literals})").fetchall()
            through = [table for table in scanned(plan[0]["Plan"]) if size[table] > LARGE]
            assert not through, (mode, through)


def test_closing_quotes_by_hand(
    season: str, values: dict[str, tuple[object, ...]], real_slate: Site
) -> None:
    """The same from the topic, by a loop."""
    game, since = values["closing_quotes"]
    ((start,),) = rows(season, "SELECT start_time FROM games WHERE game_id = %s", game)
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    lines = [json.loads(content(message)) for message in real_slate.read(Topic.LINES)]
    for line in sorted(lines, key=lambda one: (one["occurred_at_us"], one["event_id"])):
        if line["game_id"] == game and line["occurred_at_us"] < start.timestamp() * 1_000_000:
            newest[line["market"], line["book"]] = line
    expected = [
        (book, market, one["price_home_over"], one["event_id"])
        for (market, book), one in sorted(newest.items())
        if one["status"] == "open"
    ]
    with psycopg.connect(season) as db:
        db.execute(f"PREPARE q AS {QUERIES['closing_quotes']}")
        literals = ", ".join(psycopg.sql.quote(one) for one in (game, since))
        found = db.execute(f"EXECUTE q({literals})").fetchall()
    assert [(row[0], row[1], row[3], row[7]) for row in found] == expected
    assert all(row[6] > 0 for row in found)
    assert set(TABLE_OF) == set(Topic)


def test_closing_line_value_by_hand(season: str, values: dict[str, tuple[object, ...]]) -> None:
    since, until = values["closing_line_value"]
    with psycopg.connect(season, row_factory=psycopg.rows.dict_row) as db:
        db.execute(f"PREPARE q AS {QUERIES['closing_line_value']}")
        literals = ", ".join(psycopg.sql.quote(one) for one in (since, until))
        found = db.execute(f"EXECUTE q({literals})").fetchall()
        bets = db.execute(
            f"SELECT fill_id, {PART} AS part FROM fills WHERE filled_at >= %s AND filled_at < %s",
            (since, until),
        ).fetchall()
    part_of = {row["fill_id"]: row["part"] for row in bets}
    assert set(part_of.values()) == {0, 1, 2}
    # Every bet once: a corrected one by its correction, one that waits too.
    assert sorted(row["fill_id"] for row in found) == sorted(part_of)
    expected = [(None, None, "not_settled"), ("loss", None, "stale"), ("win", 0.02, None)]
    for row in found:
        said = (row["outcome"], row["price_part"], row["closing_missing"])
        assert said == expected[part_of[row["fill_id"]]]
