"""The database takes what the pydantic models take, and refuses what they refuse.

Each rule is tried at its edge on both sides: the model by making it, the table by inserting the
same fields. So a limit that is changed in one place alone fails here.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from math import inf, nan, nextafter
from typing import Any

import psycopg
import pytest
from psycopg.errors import CheckViolation, DataError, IntegrityError
from pydantic import BaseModel, ValidationError

from flows.steps.rows import TABLES, Place
from schemas.bets import Outcome, Terms
from schemas.decisions import AlertKind, Refusal, Role, Stake
from schemas.events import (
    MAX_DECIMAL_ODDS,
    BettingSplits,
    Ending,
    GameResult,
    GameUpdate,
    LineMovement,
    QuoteStatus,
)
from schemas.markets import GameStatus, Market, Side, Target
from schemas.sections.scoring import ScoreSettings
from schemas.topics import CONTRACTS, Topic
from tests import samples
from tests.unit.streams import splits

Connection = psycopg.Connection[tuple[object, ...]]
TOP = MAX_DECIMAL_ODDS
EARLIEST = 946_684_800_000_000
LATEST = 4_102_444_800_000_000


@pytest.fixture
def db(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO games (game_id, source, event_id, topic) VALUES (%s, 's', 'g', 'games')",
            (samples.GAME,),
        )
        connection.execute("INSERT INTO books SELECT unnest(ARRAY['pinnacle', 'draftkings'])")
        yield connection


def model_takes(model: type[BaseModel], fields: dict[str, Any]) -> bool:
    try:
        model(**fields)
    except ValidationError:
        return False
    return True


def table_takes(db: Connection, topic: Topic, fields: dict[str, Any]) -> bool:
    """The row of a message that nobody has validated."""
    table = TABLES[topic]
    row = table.row(CONTRACTS[topic].model.model_construct(**fields), Place(topic.value, 0, 1))
    if topic is Topic.LINES:
        day = row[table.columns.index("occurred_at")].date()
        db.execute("SELECT make_quote_partitions(%s, %s)", (day, day))
    columns = ", ".join(f'"{name}"' for name in table.columns)
    marks = ", ".join(["%s"] * len(row))
    try:
        with db.transaction(force_rollback=True):
            db.execute(f"INSERT INTO {table.name} ({columns}) VALUES ({marks})", row)
    except (IntegrityError, DataError):
        return False
    return True


def fields_of(message: BaseModel, **over: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in type(message).model_fields} | over


QUOTE, TOTAL, RUN_LINE = (
    samples.line(1),
    samples.line(1, market=Market.TOTAL),
    samples.line(1, market=Market.RUN_LINE),
)
WITHDRAWN = samples.line(1, None, None, status=QuoteStatus.WITHDRAWN)
CASES: list[tuple[bool, BaseModel, dict[str, Any]]] = [
    (True, QUOTE, {}),
    # Prices: above 1, at most MAX_DECIMAL_ODDS; the other side keeps the overround possible.
    (True, QUOTE, {"price_home_over": TOP, "price_away_under": 1.01}),
    (False, QUOTE, {"price_home_over": nextafter(TOP, inf), "price_away_under": 1.01}),
    (False, QUOTE, {"price_home_over": 1.0, "price_away_under": 5.0}),
    (True, QUOTE, {"price_home_over": nextafter(1.0, 2.0), "price_away_under": 5.0}),
    (False, QUOTE, {"price_home_over": nan}),
    (False, QUOTE, {"price_home_over": -inf}),
    # Overround: 0.9 to 1.5.
    (True, QUOTE, {"price_home_over": 2.2222, "price_away_under": 2.2222}),
    (False, QUOTE, {"price_home_over": 2.2223, "price_away_under": 2.2223}),
    (True, QUOTE, {"price_home_over": 1.3334, "price_away_under": 1.3334}),
    (False, QUOTE, {"price_home_over": 1.3333, "price_away_under": 1.3333}),
    # Open quotes have both prices, withdrawn ones none.
    (False, QUOTE, {"price_home_over": None}),
    (False, QUOTE, {"price_home_over": None, "price_away_under": None}),
    (True, WITHDRAWN, {}),
    (False, WITHDRAWN, {"price_away_under": 2.0}),
    (True, WITHDRAWN, {"line": 8.5}),
    # Lines.
    (False, QUOTE, {"line": 8.5}),
    (True, TOTAL, {"line": 100.0}),
    (False, TOTAL, {"line": nextafter(100.0, inf)}),
    (False, TOTAL, {"line": 0.0}),
    (False, TOTAL, {"line": None}),
    (True, RUN_LINE, {"line": -50.0}),
    (False, RUN_LINE, {"line": nextafter(-50.0, -inf)}),
    # Times: microseconds of this century.
    (True, samples.result(1), {"occurred_at_us": EARLIEST}),
    (False, samples.result(1), {"occurred_at_us": EARLIEST - 1}),
    (True, samples.result(1), {"occurred_at_us": LATEST}),
    (False, samples.result(1), {"occurred_at_us": LATEST + 1}),
    # Names and ids.
    (True, QUOTE, {"event_id": "x" * 128}),
    (False, QUOTE, {"event_id": "x" * 129}),
    (False, QUOTE, {"event_id": ""}),
    (True, QUOTE, {"source": "é" * 64}),
    (False, QUOTE, {"source": "é" * 65}),
    # Splits.
    (True, splits(1), {"tickets_home_over_pct": 0.0, "handle_home_over_pct": 100.0}),
    (False, splits(1), {"tickets_home_over_pct": nextafter(100.0, inf)}),
    (False, splits(1), {"handle_home_over_pct": nextafter(0.0, -1.0)}),
    (False, splits(1), {"tickets_home_over_pct": None, "handle_home_over_pct": None}),
    (True, splits(1), {"tickets_home_over_pct": None, "handle_home_over_pct": 50.0}),
    # Schedules.
    (True, samples.game(1), {"mlb_game_pk": 1}),
    (False, samples.game(1), {"mlb_game_pk": 0}),
    (True, samples.game(1), {"context": {"a": 1.0}, "context_as_of_us": samples.at(1)}),
    (False, samples.game(1), {"context": {"a": 1.0}, "context_as_of_us": samples.at(1) + 1}),
    (False, samples.game(1), {"context": {"a": 1.0}}),
    (False, samples.game(1), {"home": ""}),
    # Results.
    (True, samples.result(1), {"home_score": 60, "away_score": 0}),
    (False, samples.result(1), {"home_score": 61}),
    (False, samples.result(1), {"away_score": -1}),
    (True, samples.result(1), {"half_innings": 17, "scheduled_innings": 9, "postseason": True}),
    (True, samples.result(1), {"half_innings": 100, "scheduled_innings": 1}),
    (False, samples.result(1), {"half_innings": 101}),
    (False, samples.result(1), {"half_innings": -1}),
    (False, samples.result(1), {"scheduled_innings": 10}),
    (False, samples.result(1), {"scheduled_innings": 0}),
    (True, samples.result(1), {"full_home_score": 60, "full_away_score": 0}),
    (False, samples.result(1), {"full_home_score": 61}),
    (True, samples.result(1), {"played_on": "2026-07-21", "started_at_us": EARLIEST}),
    (False, samples.result(1), {"played_on": "21 July 2026"}),
    (False, samples.result(1), {"started_at_us": EARLIEST - 1}),
    (False, samples.result(1), {"resumed_at_us": LATEST + 1}),
    (True, samples.result(1), {"home_starter": "x" * 64, "venue_changed": True}),
    (False, samples.result(1), {"away_starter": "x" * 65}),
    (True, samples.game(1), {"home_score": 2, "away_score": 0, "half_innings": 8}),
    (False, samples.game(1), {"home_score": 61}),
    (False, samples.game(1), {"half_innings": 101}),
    # Predictions.
    (True, samples.prediction(), {"probability": 1.0, "fair_price": 1e6}),
    (False, samples.prediction(), {"probability": nextafter(1.0, 2.0)}),
    (False, samples.prediction(), {"probability": nan}),
    (False, samples.prediction(), {"fair_price": 1.0}),
    (False, samples.prediction(), {"position": 0}),
    (False, samples.prediction(), {"books": 0}),
    (False, samples.prediction(), {"odds_age_ms": -1}),
    (False, samples.prediction(), {"completeness": nextafter(0.0, -1.0)}),
    (False, samples.prediction(), {"line": inf}),
    (True, samples.prediction(), {"as_of_us": samples.prediction().cutoff_us}),
    (False, samples.prediction(), {"as_of_us": samples.prediction().cutoff_us + 1}),
    # Experiments.
    *(
        (takes, message, over)
        for message in (samples.prediction(), samples.stake())
        for takes, over in (
            (True, {"experiment": "x" * 64, "share": 0.01}),
            (False, {"experiment": "x" * 65}),
            (False, {"experiment": ""}),
            (False, {"experiment": "a:b"}),
            (False, {"experiment": "a\n"}),
            (True, {"experiment": "a", "role": Role.CHALLENGER, "share": nextafter(1.0, 0.0)}),
            (False, {"experiment": "a", "share": 1.0}),
            (False, {"experiment": "a", "share": 0.0}),
            (False, {"role": Role.CHALLENGER}),
            (False, {"share": 0.5}),
            (False, {"experiment": "a", "role": "previous"}),
        )
    ),
    (True, samples.prediction(), {"experiment": "a", "role": Role.CHALLENGER}),
    (False, samples.stake(), {"experiment": "a", "role": Role.CHALLENGER}),
    # Stakes.
    (True, samples.stake(), {"fraction": 1.0, "kelly_full": 1.0}),
    (False, samples.stake(), {"fraction": nextafter(1.0, 2.0)}),
    (False, samples.stake(), {"kelly_full": nextafter(0.0, -1.0)}),
    (False, samples.stake(), {"amount": -0.01}),
    (False, samples.stake(), {"price": 1.0}),
    (False, samples.stake(), {"edge": nan}),
    (False, samples.stake(), {"bankroll": "x" * 65}),
    # Bets.
    (True, samples.fill(), {"amount": Decimal("0.00000001"), "price": TOP}),
    (False, samples.fill(), {"amount": Decimal(0)}),
    (False, samples.fill(), {"amount": Decimal("-1.00")}),
    (False, samples.fill(), {"price": 1.0}),
    (False, samples.fill(), {"price": nextafter(TOP, inf)}),
    (False, samples.fill(), {"side": Side.OVER}),
    (False, samples.fill(), {"line": 8.5}),
    (True, samples.fill(), {"market": Market.TOTAL, "side": Side.UNDER, "line": 8.5}),
    (False, samples.fill(), {"market": Market.TOTAL, "side": Side.UNDER}),
    (False, samples.fill(), {"market": Market.RUN_LINE, "side": Side.UNDER, "line": -1.5}),
    (True, samples.fill(), {"stake_id": None, "home_starter": "x" * 64}),
    (False, samples.fill(), {"home_starter": "x" * 65}),
    (False, samples.fill(), {"fill_id": ""}),
    # Settlements: what comes back is that of the outcome.
    (True, samples.settlement(), {}),
    (False, samples.settlement(), {"payout": Decimal("9.99")}),
    (False, samples.settlement(), {"outcome": Outcome.LOSS}),
    (True, samples.settlement(), {"outcome": Outcome.LOSS, "payout": Decimal(0)}),
    (True, samples.settlement(), {"outcome": Outcome.HALF_LOSS, "payout": Decimal(5)}),
    (False, samples.settlement(), {"outcome": Outcome.HALF_LOSS, "payout": Decimal(10)}),
    (True, samples.settlement(), {"outcome": Outcome.VOID, "payout": Decimal(10)}),
    (False, samples.settlement(), {"outcome": Outcome.PUSH}),
    (False, samples.settlement(), {"result_id": None}),
    (
        True,
        samples.settlement(),
        {"result_id": None, "outcome": Outcome.VOID, "payout": Decimal(10)},
    ),
    (False, samples.settlement(), {"closing_missing": None}),
    # Bankrolls.
    (True, samples.bankroll_update(), {"balance": Decimal(0)}),
    (False, samples.bankroll_update(), {"balance": Decimal("-0.01")}),
    (False, samples.bankroll_update(), {"balance": None}),
    (False, samples.bankroll_update(), {"bankroll": "*"}),
    (False, samples.bankroll_update(), {"stopped": True}),
    (True, samples.bankroll_update(), {"stopped": True, "reason": "x" * 500}),
    (False, samples.bankroll_update(), {"stopped": True, "reason": "x" * 501}),
    (True, samples.bankroll_update(), {"bankroll": "*", "balance": None, "stopped": False}),
    (True, samples.stake(), {"slate": {"other": 3}, "held": {}, "balance": 0.0, "growth": -0.1}),
    (False, samples.stake(), {"balance": -0.01}),
    (False, samples.stake(), {"push": nextafter(1.0, 2.0)}),
    (False, samples.stake(), {"growth": nan}),
    (False, samples.stake(), {"kkt_residual": -1e-9}),
    (False, samples.stake(), {"decided_us": EARLIEST - 1}),
]
TOPIC_OF = {CONTRACTS[topic].model: topic for topic in TABLES}


@pytest.mark.parametrize(
    ("takes", "message", "over"),
    CASES,
    ids=[f"{type(m).__name__} {o} {t}"[:90] for t, m, o in CASES],
)
def test_the_same_is_taken(
    db: Connection, takes: bool, message: BaseModel, over: dict[str, Any]
) -> None:
    fields = fields_of(message, **over)
    assert model_takes(type(message), fields) is takes
    assert table_takes(db, TOPIC_OF[type(message)], fields) is takes


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ("market", Market),
        ("side", Side),
        ("target", Target),
        ("quote_status", QuoteStatus),
        ("game_status", GameStatus),
        ("ending", Ending),
        ("alert_kind", AlertKind),
        ("outcome", Outcome),
        ("terms", Terms),
        ("role", Role),
    ],
)
def test_the_same_words(db: Connection, domain: str, words: type[StrEnum]) -> None:
    """What the domain names, and nothing else."""
    ((text,),) = db.execute(
        "SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c JOIN pg_type t"
        " ON t.oid = c.contypid WHERE t.typname = %s",
        (domain,),
    ).fetchall()
    assert set(str(text).split("'")[1::2]) == {word.value for word in words}
    for word in words:
        db.execute(f"SELECT %s::{domain}", (word.value,))
    with pytest.raises(CheckViolation):
        db.execute(f"SELECT 'x'::{domain}")


def test_the_same_refusals(db: Connection) -> None:
    db.execute("SELECT %s::refusals", ([one.value for one in Refusal],))
    for bad in (["x"], [None]):
        with pytest.raises(CheckViolation):
            db.execute("SELECT %s::text[]::refusals", (bad,))


@pytest.mark.parametrize(
    ("game_id", "good"),
    [
        ("mlb-2026-07-20-BOS-NYY-1", True),
        ("abcdefgh-2026-07-20-AB-WXYZ-9", True),
        ("a-2026-07-20-BOS-NYY-1", False),
        ("mlb-2026-07-20-B-NYY-1", False),
        ("mlb-2026-07-20-BOS-NYY-12", False),
        ("mlb-2026-07-20-BOS-NYY-1\n", False),
        ("MLB-2026-07-20-BOS-NYY-1", False),
    ],
)
def test_the_same_game_ids(db: Connection, game_id: str, good: bool) -> None:
    assert model_takes(LineMovement, fields_of(QUOTE, game_id=game_id)) is good
    if good:
        db.execute("SELECT %s::game_ref", (game_id,))
    else:
        with pytest.raises(CheckViolation):
            db.execute("SELECT %s::game_ref", (game_id,))


def test_stricter_on_purpose(db: Connection) -> None:
    """What the models leave to the settings and the scorer, a table holds itself."""
    (at_least,) = (
        one.ge
        for one in ScoreSettings.model_fields["cutoff_minutes"].metadata
        if hasattr(one, "ge")
    )
    assert timedelta(minutes=at_least) == timedelta(minutes=1)
    start = samples.prediction().start_time_us
    minute = 60_000_000
    for late, takes in ((0, True), (1, False)):
        fields = fields_of(samples.prediction(), cutoff_us=start - minute + late)
        assert table_takes(db, Topic.PREDICTIONS, fields) is takes
    for over in (
        {"refusals": [Refusal.LOCKED]},
        {"fraction": 0.0},
        {"book": None},
        {"price": None},
    ):
        assert table_takes(db, Topic.STAKES, fields_of(samples.stake(), **over)) is False
    refused = fields_of(samples.stake(fraction=0.0))
    assert table_takes(db, Topic.STAKES, refused) is True


def test_every_field_has_its_column(db: Connection) -> None:
    """A field that is added to a model and not to its table would be lost without a word."""
    for table in TABLES.values():
        found = db.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s",
            (table.name,),
        ).fetchall()
        # The database numbers events itself, as they come.
        assert {name for (name,) in found} - {"arrival"} == set(table.columns), table.name
    assert {type(m) for _, m, _ in CASES} >= {
        LineMovement,
        GameUpdate,
        GameResult,
        BettingSplits,
        Stake,
    }


def test_microseconds_survive(db: Connection) -> None:
    odd = datetime(2026, 7, 20, 17, 5, 0, 123_457, tzinfo=UTC)
    ((there,),) = db.execute("SELECT %s::moment", (odd,)).fetchall()
    assert there == odd
