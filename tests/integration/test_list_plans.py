"""Lists and queries of the API on some volume: each goes by an index, and none sorts a table."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from api import bets, dead_letters, decisions, history
from api.database import query
from api.paging import Cursor, Listing
from deploy.stack.postgres import PostgresServer
from schemas.time import to_us

LARGE = 2_000
"""A table of fewer rows may be read through: that is cheaper than its index."""
ALL_OF_IT = {"bankrolls": {"fills", "settlements"}}
"""It counts every bet without a grading: some thousands a year."""
SINCE, UNTIL = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 7, 2, tzinfo=UTC)
AFTER = Cursor(to_us(datetime(2026, 7, 1, 12, tzinfo=UTC)), "m")
VOLUME = """
INSERT INTO books VALUES ('pinnacle');
SELECT make_quote_partitions('2026-06-25', '2026-07-20');
INSERT INTO games (game_id, source, event_id, topic)
    SELECT 'mlb-2026-07-' || lpad((n % 28 + 1)::text, 2, '0') || '-BOS-NYY-' || n / 28,
    's', 'e', 't' FROM generate_series(0, 139) n;
CREATE TEMP TABLE spread AS SELECT n, 'mlb-2026-07-' || lpad((n % 28 + 1)::text, 2, '0')
    || '-BOS-NYY-' || (n / 28) % 5 AS game,
    '2026-06-26'::timestamptz + n * interval '1 minute' AS at FROM generate_series(1, 20000) n;
INSERT INTO quotes SELECT 'q' || n, game, 's', at, false, true, 'pinnacle', 'moneyline', 'open',
    1.9, 2.0, NULL, 't', NULL, NULL FROM spread;
INSERT INTO splits SELECT 'q' || n, game, 's', at, false, true, 'pinnacle', 'moneyline', 50, 50,
    't', NULL, NULL FROM spread;
INSERT INTO predictions (prediction_id, game_id, position, as_of, cutoff, start_time, simulated,
    target, model_version, feature_set, probability, market_probability, fair_price, best,
    odds_age_ms, books, completeness, read_to, source, topic, experiment)
    SELECT 'p' || n, game, n, at, at + interval '1 hour', at + interval '5 hours', false,
    (ARRAY['moneyline', 'total', 'runs', 'margin'])[n % 4 + 1], '1', 'f', 0.5, 0.5, 2, '[]', 0, 1,
    1, '{}', 's', 't', CASE WHEN n % 50 = 0 THEN 'spring' END FROM spread;
INSERT INTO stakes (stake_id, game_id, position, as_of, simulated, market, model_version, bankroll,
    fraction, amount, refusals, paper, source, topic)
    SELECT 's' || n, game, n, at, false, 'moneyline', '1', 'main', 0, 0, '{locked}', false, 's', 't'
    FROM spread;
INSERT INTO alerts SELECT 'a' || n, game, n, at, false,
    (ARRAY['steam', 'arbitrage', 'locked', 'unlocked'])[n % 4 + 1], 'd', NULL, NULL, '{}', 's', 't',
    NULL, NULL FROM spread;
INSERT INTO alerts SELECT 'd' || n, game, n, at, false, 'model_drift', 'moneyline: x', NULL, NULL,
    '{}', 's', 't', NULL, NULL FROM spread WHERE n % 2000 = 0;
INSERT INTO fills SELECT 'f' || n, game, CASE n % 20 WHEN 0 THEN 'main' ELSE 'other' END,
    'moneyline', 'home', 'pinnacle', NULL, 1.9, 10, false, false, NULL, at, 'action', NULL, NULL,
    's', 't', NULL, NULL FROM spread;
INSERT INTO settlements SELECT fill_id || ':1', fill_id, game_id, bankroll, market, side, book,
    line, price, amount, paper, simulated, NULL, 'loss', 0, 'rule', 'detail', 'r',
    filled_at + interval '1 hour', NULL, NULL, 'stale', 's', 't', NULL, NULL FROM fills;
INSERT INTO dead_letters SELECT 'l' || n, 'reason ' || n % 7, 'd', 's', 't', 0, n, at, NULL, ''
    FROM spread;
INSERT INTO bankrolls (bankroll, currency) SELECT 'main', 'USD' UNION ALL
    SELECT 'other ' || n, 'USD' FROM generate_series(0, 19) n;
INSERT INTO ledger_accounts (bankroll, account)
    SELECT bankroll, a FROM bankrolls, unnest(ARRAY['free', 'open', 'outside']) a;
INSERT INTO ledger_transactions (transaction_id, kind, at, source)
    SELECT 't' || n, 'deposit', '2026-06-01'::timestamptz + n * interval '1 minute', 's'
    FROM generate_series(1, 60) n;
INSERT INTO ledger_entries
    SELECT 't' || n, CASE WHEN n % 20 = 0 THEN 'main' ELSE 'other ' || n % 20 END, account, amount
    FROM generate_series(1, 60) n, (VALUES ('free', 1), ('outside', -1)) e (account, amount)
"""


@pytest.fixture(scope="module")
def volume(postgres: PostgresServer, _schema: str) -> Iterator[psycopg.Connection[Any]]:
    name = f"volume_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {_schema}")
        with psycopg.connect(postgres.dsn(name), autocommit=True, prepare_threshold=None) as db:
            # Rows of one sort, so that nothing has to be in order for a foreign key.
            db.execute("SET session_replication_role = replica")
            for statement in VOLUME.split(";\n"):
                db.execute(statement)
            db.execute("VACUUM (ANALYZE)")
            yield db
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def lists() -> dict[str, tuple[str, list[object]]]:
    """Each as a first page, as a later one, of one game, and by its rarest filter."""
    found = {}
    game = "mlb-2026-07-06-BOS-NYY-1"
    tables = {
        "predictions": (decisions.PREDICTIONS, "as_of", "prediction_id", ("target = $", "runs")),
        "stakes": (decisions.STAKES, "as_of", "stake_id", None),
        "alerts": (decisions.ALERTS, "as_of", "alert_id", ("kind = $", "model_drift")),
        "fills": (bets.FILLS, "filled_at", "fill_id", ("bankroll = $", "main")),
        "settlements": (bets.SETTLEMENTS, "settled_at", "settlement_id", ("bankroll = $", "main")),
        "letters": (
            dead_letters.LETTERS.format(10),
            "recorded_at",
            "letter_id",
            ("reason = $", "reason 3"),
        ),
    }
    for name, (select, time, id, rare) in tables.items():
        found[name] = Listing(select, time, id).text(None, 50)
        found[f"{name} later"] = Listing(select, time, id).text(AFTER, 50)
        if name != "letters":
            one = Listing(select, time, id).only("game_id = $", game)
            found[f"{name} of a game"] = one.text(AFTER, 50)
        if rare is not None:
            found[f"{name} rare"] = Listing(select, time, id).only(*rare).text(AFTER, 50)
    for name, select in (("odds", history.ODDS), ("splits", history.SPLITS)):
        one = Listing(select, "occurred_at", "event_id", newest_first=False)
        found[name] = one.only("game_id = $", game).text(AFTER, 50)
    found["bankrolls"] = query("bankrolls"), ["main"]
    found["bankroll_history"] = query("bankroll_history"), ["main", SINCE, UNTIL, 2**62, 50]
    found["said_of_target"] = (
        query("said_of_target"),
        ["runs", datetime(2026, 7, 9, tzinfo=UTC), [60]],
    )
    found["said_of_experiments"] = query("said_of_experiments"), [SINCE, [60, 180]]
    return found


def scanned(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from scanned(part)


@pytest.mark.parametrize("name", sorted(lists()))
def test_it_goes_by_an_index(volume: psycopg.Connection[Any], name: str) -> None:
    text, values = lists()[name]
    size = dict(
        volume.execute("SELECT relname, reltuples FROM pg_class WHERE relkind = 'r'").fetchall()
    )
    volume.execute(f"PREPARE q AS {text}")
    try:
        literals = ", ".join(psycopg.sql.quote(one) for one in values)
        call = f"EXECUTE q({literals})" if values else "EXECUTE q"
        for mode in ("force_custom_plan", "force_generic_plan"):
            volume.execute(f"SET plan_cache_mode = {mode}")
            ((plan,),) = volume.execute(f"EXPLAIN (FORMAT JSON) {call}").fetchall()
            through = {table for table in scanned(plan[0]["Plan"]) if size[table] > LARGE}
            assert through <= ALL_OF_IT.get(name, set()), mode
    finally:
        volume.execute("DEALLOCATE q")
