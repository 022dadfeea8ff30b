"""The cutoff in the database: the last layer of `tests/unit/test_cutoff.py`, on a real Postgres.

A row made on an event one microsecond too late is refused by the table itself, whoever writes it,
and also where the start has been moved before.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest
from psycopg.errors import CheckViolation

from schemas.time import US_PER_MINUTE, from_us
from tests import samples
from tests.unit.streams import CUTOFF

MOVES = pytest.mark.parametrize("moved", [0, 45, -45], ids=["as announced", "later", "earlier"])

Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def db(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO games (game_id, source, event_id, topic)"
            " VALUES (%s, 'schedule', 'g', 'games')",
            (samples.GAME,),
        )
        connection.execute("INSERT INTO feature_sets VALUES ('f00d', ARRAY['one'])")
        yield connection


def announce(db: Connection, second: int, start_us: int) -> None:
    db.execute(
        "INSERT INTO game_updates (event_id, game_id, source, occurred_at, simulated, settles,"
        " home, away, start_time, status, quotes_stand, topic)"
        " VALUES (%s, %s, 'schedule', %s, false, true, 'H', 'A', %s, 'scheduled', false, 'games')",
        (f"g{second}", samples.GAME, from_us(samples.at(second)), from_us(start_us)),
    )


def feature(db: Connection, as_of_us: int, cutoff_us: int, start_us: int) -> None:
    db.execute(
        "INSERT INTO features VALUES (%s, 1, 'f00d', %s, %s, false, 1, 1.0, '{}', '{}',"
        " ARRAY[0.5]::real[], 'score')",
        (samples.GAME, from_us(as_of_us), from_us(cutoff_us)),
    )


def prediction(db: Connection, as_of_us: int, cutoff_us: int, start_us: int) -> None:
    db.execute(
        "INSERT INTO predictions (prediction_id, game_id, position, as_of, cutoff, start_time,"
        " simulated, target, model_version, feature_set, probability, market_probability,"
        " fair_price, best, odds_age_ms, books, completeness, read_to, source, topic)"
        " VALUES ('p', %s, 1, %s, %s, %s, false, 'moneyline', '1', 'f00d', 0.5, 0.5, 2.0, '[]',"
        " 0, 1, 1.0, '{}', 'score', 'predictions')",
        (samples.GAME, from_us(as_of_us), from_us(cutoff_us), from_us(start_us)),
    )


ROWS = pytest.mark.parametrize("insert", [feature, prediction])
Insert = Callable[[Connection, int, int, int], None]


@MOVES
@ROWS
def test_the_table(db: Connection, insert: Insert, moved: int) -> None:
    announce(db, 0, samples.START)
    start, cutoff = samples.START + moved * US_PER_MINUTE, CUTOFF + moved * US_PER_MINUTE
    if moved:
        announce(db, 3700, start)
    with pytest.raises(CheckViolation, match="before_cutoff"):
        insert(db, cutoff + 1, cutoff, start)
    insert(db, cutoff, cutoff, start)
    table = insert.__name__ + "s"
    row = db.execute(f"SELECT as_of, cutoff - as_of FROM {table}").fetchone()
    assert row == (from_us(cutoff), timedelta(0))


@ROWS
def test_a_row_that_is_in_cannot_be_moved_past_it(db: Connection, insert: Insert) -> None:
    insert(db, CUTOFF, CUTOFF, samples.START)
    table = insert.__name__ + "s"
    for change in ("as_of = as_of + '1 us'", "cutoff = cutoff - interval '1 us'"):
        with pytest.raises(CheckViolation, match="before_cutoff"):
            db.execute(f"UPDATE {table} SET {change}")


def test_no_cutoff_of_its_own_lets_a_prediction_past_the_start(db: Connection) -> None:
    """Whatever cutoff a row claims, it is a minute before the start that it claims at least."""
    latest = samples.START - US_PER_MINUTE
    with pytest.raises(CheckViolation, match="cutoff_before_start"):
        prediction(db, latest + 1, latest + 1, samples.START)
    with pytest.raises(CheckViolation, match="before_cutoff"):
        prediction(db, samples.START, latest, samples.START)
    prediction(db, latest, latest, samples.START)
