"""What may come in, and how the rest is refused: by field and value."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from schemas.bets import BankrollUpdate, ClosingValue, Fill, Outcome, Settlement, Terms
from schemas.decisions import (
    Alert,
    DeadLetter,
    FeatureHeader,
    Prediction,
    Refusal,
    SideQuote,
    Stake,
)
from schemas.events import (
    BettingSplits,
    Ending,
    GameResult,
    GameUpdate,
    LineMovement,
    QuoteStatus,
)
from schemas.markets import GameStatus, Market
from schemas.time import from_us, to_us
from schemas.topics import CONTRACTS, INPUTS, Topic
from tests import samples
from tests.unit.streams import splits

LINE = samples.line().model_dump(mode="json")
SPLITS = splits().model_dump(mode="json")
UPDATE = samples.game().model_dump(mode="json")
RESULT = samples.result().model_dump(mode="json")
AMERICAN = LINE | {"odds_format": "american", "price_home_over": -110, "price_away_under": -110}
TOTAL = LINE | {"market": "total", "line": 8.5}


@pytest.mark.parametrize(
    ("model", "fields", "change", "told"),
    [
        (
            LineMovement,
            AMERICAN,
            {"price_home_over": 50},
            ["price_home_over", "50", "-100 and 100"],
        ),
        (LineMovement, AMERICAN, {"price_away_under": -99.5}, ["price_away_under", "-99.5"]),
        (LineMovement, AMERICAN, {"price_away_under": 0}, ["price_away_under", "0"]),
        (LineMovement, AMERICAN, {"price_away_under": "50"}, ["price_away_under", "50"]),
        (LineMovement, AMERICAN, {"price_home_over": "1.9"}, ["price_home_over", "1.9"]),
        (LineMovement, AMERICAN, {"price_home_over": 10**400}, ["price_home_over"]),
        (LineMovement, AMERICAN, {"price_home_over": float("nan")}, ["price_home_over", "nan"]),
        (LineMovement, AMERICAN, {"price_home_over": float("inf")}, ["price_home_over", "inf"]),
        (LineMovement, AMERICAN, {"price_home_over": True}, ["price_home_over"]),
        (LineMovement, LINE, {"price_home_over": None}, ["price_home_over", "both prices"]),
        (LineMovement, LINE, {"price_away_under": None}, ["price_away_under", "both prices"]),
        (LineMovement, LINE, {"price_home_over": float("nan")}, ["price_home_over", "nan"]),
        (LineMovement, LINE, {"price_home_over": float("inf")}, ["price_home_over", "inf"]),
        (LineMovement, LINE, {"price_home_over": 1.0}, ["price_home_over", "1"]),
        (LineMovement, LINE, {"price_home_over": -110}, ["price_home_over", "-110"]),
        (LineMovement, LINE, {"price_away_under": 1001.5}, ["price_away_under", "1001.5"]),
        # 1/1.2 + 1/1.4 = 1.548, 1/2.3 + 1/2.3 = 0.870
        (
            LineMovement,
            LINE,
            {"price_home_over": 1.2, "price_away_under": 1.4},
            ["1.5476", "1.2/1.4"],
        ),
        (
            LineMovement,
            LINE,
            {"price_home_over": 2.3, "price_away_under": 2.3},
            ["0.8696", "2.3/2.3"],
        ),
        (LineMovement, LINE, {"line": 8.5}, ["line", "8.5", "moneyline"]),
        (LineMovement, TOTAL, {"line": None}, ["line", "None", "total"]),
        (LineMovement, TOTAL, {"line": 0.0}, ["line", "0", "total"]),
        (LineMovement, TOTAL, {"line": -8.5}, ["line", "-8.5", "total"]),
        (LineMovement, TOTAL, {"line": 100.5}, ["line", "100.5"]),
        (LineMovement, TOTAL, {"line": float("nan")}, ["line", "nan"]),
        (LineMovement, LINE, {"market": "run_line"}, ["line", "None", "run_line"]),
        (LineMovement, LINE, {"market": "props"}, ["market", "props"]),
        (LineMovement, LINE, {"status": "withdrawn"}, ["price_home_over", "withdrawn"]),
        (LineMovement, LINE, {"odds_format": "fractional"}, ["odds_format", "fractional"]),
        (LineMovement, LINE, {"book": ""}, ["book"]),
        (LineMovement, LINE, {"book": "b" * 65}, ["book"]),
        (LineMovement, LINE, {"event_id": ""}, ["event_id"]),
        (
            LineMovement,
            LINE,
            {"occurred_at_us": "2026-07-20T17:05:00"},
            ["occurred_at_us", "naive"],
        ),
        (LineMovement, LINE, {"occurred_at_us": "2026-07-20"}, ["occurred_at_us", "naive"]),
        (LineMovement, LINE, {"occurred_at_us": "yesterday"}, ["occurred_at_us", "yesterday"]),
        (LineMovement, LINE, {"occurred_at_us": 1_784_567_100}, ["occurred_at_us", "1784567100"]),
        (LineMovement, LINE, {"occurred_at_us": 1_784_567_100_000}, ["occurred_at_us"]),
        (LineMovement, LINE, {"occurred_at_us": 1.7845671e15}, ["occurred_at_us"]),
        (LineMovement, LINE, {"occurred_at_us": True}, ["occurred_at_us", "True"]),
        (LineMovement, LINE, {"game_id": "BOS@NYY"}, ["game_id", "BOS@NYY"]),
        (LineMovement, LINE, {"game_id": samples.GAME + "\n"}, ["game_id"]),
        (LineMovement, LINE, {"juice": 5}, ["juice", "5"]),
        (BettingSplits, SPLITS, {"tickets_home_over_pct": -0.1}, ["tickets_home_over_pct", "-0.1"]),
        (
            BettingSplits,
            SPLITS,
            {"tickets_home_over_pct": 100.1},
            ["tickets_home_over_pct", "100.1"],
        ),
        (BettingSplits, SPLITS, {"handle_home_over_pct": 101}, ["handle_home_over_pct", "101"]),
        (BettingSplits, SPLITS, {"handle_home_over_pct": float("nan")}, ["handle_home_over_pct"]),
        (
            BettingSplits,
            SPLITS,
            {"tickets_home_over_pct": None, "handle_home_over_pct": None},
            ["tickets_home_over_pct", "handle_home_over_pct", "missing"],
        ),
        (BettingSplits, SPLITS, {"line": 8.5}, ["line", "8.5"]),
        (GameUpdate, UPDATE, {"start_time_us": "2026-07-20T23:05:00"}, ["start_time_us", "naive"]),
        (GameUpdate, UPDATE, {"status": "abandoned"}, ["status", "abandoned"]),
        (GameUpdate, UPDATE, {"mlb_game_pk": 0}, ["mlb_game_pk", "0"]),
        (GameUpdate, UPDATE, {"home": ""}, ["home"]),
        (GameUpdate, UPDATE, {"weather": "rain"}, ["weather", "rain"]),
        (GameResult, RESULT, {"home_score": -1}, ["home_score", "-1"]),
        (GameResult, RESULT, {"away_score": 61}, ["away_score", "61"]),
        (GameResult, RESULT, {"away_score": 2.5}, ["away_score", "2.5"]),
        (GameResult, RESULT, {"innings": 9}, ["innings", "9"]),
    ],
)
def test_the_impossible_is_refused_by_field_and_value(
    model: type[BaseModel], fields: dict[str, Any], change: dict[str, Any], told: list[str]
) -> None:
    model.model_validate(fields)
    with pytest.raises(ValidationError) as refused:
        model.model_validate(fields | change)
    for word in told:
        assert word in str(refused.value)


@pytest.mark.parametrize(
    ("model", "fields"),
    [(LineMovement, LINE), (BettingSplits, SPLITS), (GameUpdate, UPDATE), (GameResult, RESULT)],
)
@pytest.mark.parametrize("name", ["event_id", "game_id", "source", "occurred_at_us"])
def test_what_every_event_carries_is_required(
    model: type[BaseModel], fields: dict[str, Any], name: str
) -> None:
    with pytest.raises(ValidationError, match=name):
        model.model_validate({key: value for key, value in fields.items() if key != name})


def test_the_bounds_themselves_are_possible() -> None:
    # 1/1.25 + 1/(10/7) = 1.5; 1/2.2222.. twice = 0.9
    for home, away in ((1.25, 10 / 7 + 1e-12), (20 / 9 - 1e-12, 20 / 9 - 1e-12), (1001.0, 1.001)):
        assert samples.line(home=home, away=away).price_home_over == home
    assert splits(tickets=0.0, handle_home_over_pct=100.0).tickets_home_over_pct == 0.0
    assert samples.line(odds_format="american", home=100, away=-100).price_home_over == 2.0
    assert samples.line(market=Market.RUN_LINE, line=-1.5).line == -1.5


def test_american_prices_may_be_text() -> None:
    event = LineMovement.model_validate(
        AMERICAN | {"price_home_over": "+150", "price_away_under": "-170"}
    )
    assert event.price_home_over == 2.5
    assert event.price_away_under == pytest.approx(1 + 100 / 170)


def test_a_withdrawn_quote_needs_no_price_and_no_line() -> None:
    gone = samples.line(
        home=None, away=None, status=QuoteStatus.WITHDRAWN, market=Market.TOTAL, line=None
    )
    assert gone.price_home_over is None
    assert gone.line is None


@pytest.mark.parametrize(
    "written",
    [
        1_784_588_700_000_000,
        "2026-07-20T23:05:00Z",
        "2026-07-20T23:05:00+00:00",
        "2026-07-20T19:05:00-04:00",
        "2026-07-20 23:05:00.000000Z",
        datetime(2026, 7, 20, 19, 5, tzinfo=timezone(timedelta(hours=-4))),
    ],
)
def test_aware_times_and_whole_microseconds_are_one_moment(written: object) -> None:
    assert (
        GameUpdate.model_validate(UPDATE | {"start_time_us": written}).start_time_us
        == samples.START
    )


@given(
    st.datetimes(
        min_value=datetime(2000, 1, 1),  # noqa: DTZ001
        max_value=datetime(2099, 12, 31),  # noqa: DTZ001
        timezones=st.just(UTC),
    )
)
def test_times_there_and_back(moment: datetime) -> None:
    assert from_us(to_us(moment)) == moment
    iso = GameUpdate.model_validate(UPDATE | {"start_time_us": moment.isoformat()})
    assert iso.start_time_us == to_us(moment)


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
GAME_IDS = st.builds(
    lambda day, away, home, number: f"mlb-{day}-{away}-{home}-{number}",
    st.dates(min_value=datetime(2020, 1, 1).date()).map(str),  # noqa: DTZ001
    st.sampled_from(["BOS", "LAD", "CHC"]),
    st.sampled_from(["NYY", "SF", "SD"]),
    st.integers(1, 2),
)
TIMES = st.integers(946_684_800_000_000, 4_102_444_800_000_000)
SHARES = st.floats(0.0, 1.0)
COMMON = {"game_id": GAME_IDS, "simulated": st.booleans()}
EVENT = COMMON | {
    "event_id": NAMES,
    "source": NAMES,
    "occurred_at_us": TIMES,
    "settles": st.booleans(),
}
MESSAGE = COMMON | {"position": st.integers(1, 10**6), "as_of_us": TIMES}
_MIDDLE = 2_524_608_000_000_000
DECIDED = MESSAGE | {
    "as_of_us": st.integers(946_684_800_000_000, _MIDDLE),
    "cutoff_us": st.integers(_MIDDLE, 4_102_444_800_000_000),
}
"""As-of not after the cutoff."""
QUOTES = st.builds(
    SideQuote,
    side=st.sampled_from(["home", "away"]),
    book=NAMES,
    price=st.floats(1.001, 1000),
    age_ms=st.integers(0, 10**9),
    edge=st.one_of(st.none(), st.floats(-1, 10)),
)
BET = COMMON | {
    "fill_id": NAMES,
    "bankroll": NAMES,
    "market": st.just(Market.TOTAL),
    "side": st.sampled_from(["over", "under"]),
    "book": NAMES,
    "line": st.floats(0.5, 30),
    "price": st.floats(1.001, 1000),
    "amount": st.decimals("0.01", 1_000_000, places=2),
    "paper": st.booleans(),
}
BY_TOPIC: dict[Topic, st.SearchStrategy[BaseModel]] = {
    Topic.LINES: st.builds(
        LineMovement,
        **EVENT,
        book=NAMES,
        market=st.just(Market.TOTAL),
        price_home_over=st.floats(1.7, 2.1),
        price_away_under=st.floats(1.7, 2.1),
        line=st.floats(0.5, 30),
    ),
    Topic.SPLITS: st.builds(
        BettingSplits,
        **EVENT,
        book=NAMES,
        market=st.sampled_from(Market),
        tickets_home_over_pct=st.floats(0, 100),
        handle_home_over_pct=st.one_of(st.none(), st.floats(0, 100)),
    ),
    Topic.GAMES: st.builds(
        GameUpdate,
        **EVENT,
        home=NAMES,
        away=NAMES,
        start_time_us=TIMES,
        status=st.sampled_from(GameStatus),
        mlb_game_pk=st.one_of(st.none(), st.integers(1, 10**7)),
        home_starter=st.one_of(st.none(), NAMES),
        quotes_stand=st.booleans(),
    ),
    Topic.RESULTS: st.builds(
        GameResult,
        **EVENT,
        home_score=st.integers(0, 60),
        away_score=st.integers(0, 60),
        half_innings=st.one_of(st.none(), st.integers(0, 100)),
        ending=st.one_of(st.none(), st.sampled_from(Ending)),
        played_on=st.one_of(st.none(), st.dates().map(str)),
        resumed_at_us=st.one_of(st.none(), TIMES),
        home_starter=st.one_of(st.none(), NAMES),
        venue_changed=st.one_of(st.none(), st.booleans()),
    ),
    Topic.PREDICTIONS: st.builds(
        Prediction,
        **DECIDED,
        prediction_id=NAMES,
        target=st.sampled_from(["moneyline", "total", "runs"]),
        model_version=NAMES,
        feature_set=NAMES,
        start_time_us=TIMES,
        line=st.one_of(st.none(), st.floats(0.5, 30)),
        probability=SHARES,
        market_probability=SHARES,
        mean_runs=st.one_of(st.none(), st.floats(0, 30)),
        fair_price=st.floats(1.001, 1e6),
        best=st.lists(QUOTES, max_size=2),
        odds_age_ms=st.integers(0, 10**9),
        books=st.integers(1, 16),
        completeness=SHARES,
    ),
    Topic.STAKES: st.builds(
        Stake,
        **MESSAGE,
        stake_id=NAMES,
        market=st.sampled_from(Market),
        model_version=NAMES,
        bankroll=NAMES,
        price=st.one_of(st.none(), st.floats(1.001, 1000)),
        probability=st.one_of(st.none(), SHARES),
        edge=st.one_of(st.none(), st.floats(-1, 10)),
        kelly_full=st.one_of(st.none(), SHARES),
        fraction=SHARES,
        amount=st.floats(0, 1e9),
        refusals=st.lists(st.sampled_from(Refusal)),
    ),
    Topic.ALERTS: st.builds(
        Alert, **MESSAGE, alert_id=NAMES, kind=st.sampled_from(["locked", "unlocked"]), detail=NAMES
    ),
    Topic.FILLS: st.builds(
        Fill,
        **BET,
        filled_at_us=TIMES,
        stake_id=st.one_of(st.none(), NAMES),
        terms=st.sampled_from(Terms),
        home_starter=st.one_of(st.none(), NAMES),
        source=NAMES,
    ),
    Topic.SETTLEMENTS: st.builds(
        Settlement,
        **BET,
        settlement_id=NAMES,
        outcome=st.just(Outcome.WIN),
        payout=st.decimals(1_000_000, 2_000_000, places=2),
        rule=NAMES,
        detail=NAMES,
        result_id=NAMES,
        settled_at_us=TIMES,
        supersedes=st.one_of(st.none(), NAMES),
        closing=st.builds(
            ClosingValue,
            reference=NAMES,
            quoted_at_us=TIMES,
            seconds_before_start=st.floats(0, 1e6),
            line=st.one_of(st.none(), st.floats(-3, 30)),
            probability=SHARES,
            probability_points=SHARES,
            price_part=SHARES,
            line_part=SHARES,
            expected_value=SHARES,
        ),
    ),
    Topic.BANKROLLS: st.builds(
        BankrollUpdate,
        update_id=NAMES,
        bankroll=NAMES,
        occurred_at_us=TIMES,
        balance=st.decimals(0, 1_000_000, places=2),
        stopped=st.one_of(st.none(), st.just(False)),
        source=NAMES,
    ),
    Topic.DEAD_LETTERS: st.builds(
        DeadLetter,
        letter_id=NAMES,
        reason=NAMES,
        detail=NAMES,
        source=NAMES,
        topic=NAMES,
        partition=st.integers(0, 4096),
        offset=st.integers(0, 2**60),
        timestamp_us=st.integers(-1, 2**60),
        key_base64=st.one_of(st.none(), NAMES),
        value_base64=NAMES,
    ),
}


@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("topic", Topic)
@given(data=st.data())
def test_json_there_and_back(topic: Topic, data: st.DataObject) -> None:
    message = data.draw(BY_TOPIC[topic])
    assert type(message) is CONTRACTS[topic].model
    again = CONTRACTS[topic].model.model_validate_json(message.model_dump_json())
    assert again == message
    assert again.model_dump_json() == message.model_dump_json()


@pytest.mark.parametrize("topic", Topic)
def test_every_model_is_frozen_and_takes_nothing_extra(topic: Topic) -> None:
    model = CONTRACTS[topic].model
    assert model.model_config.get("frozen") is True
    assert model.model_config.get("extra") == "forbid"


def test_a_message_cannot_be_changed() -> None:
    for message, name in (
        (samples.line(), "price_home_over"),
        (samples.prediction(), "probability"),
        (samples.stake(), "fraction"),
    ):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(message, name, 0.5)


@pytest.mark.parametrize(
    ("model", "message", "change"),
    [
        (Prediction, samples.prediction(), {"probability": 1.1}),
        (Prediction, samples.prediction(), {"probability": float("nan")}),
        (Prediction, samples.prediction(), {"position": 0}),
        (Prediction, samples.prediction(), {"fair_price": 1.0}),
        (Prediction, samples.prediction(), {"books": 0}),
        (Stake, samples.stake(), {"fraction": -0.01}),
        (Stake, samples.stake(), {"fraction": 1.01}),
        (Stake, samples.stake(), {"refusals": ["because"]}),
        (Alert, samples.alert(), {"kind": "shouted"}),
    ],
)
def test_an_impossible_message_is_refused(
    model: type[BaseModel], message: BaseModel, change: dict[str, Any]
) -> None:
    [name] = change
    with pytest.raises(ValidationError, match=name):
        model.model_validate(message.model_dump() | change)


@settings(deadline=None, max_examples=60)
@given(
    st.builds(
        FeatureHeader,
        **DECIDED,
        feature_set=NAMES,
        count=st.integers(1, 10**4),
        completeness=SHARES,
        completeness_by=st.dictionaries(NAMES, SHARES, max_size=4),
        source_age_ms=st.dictionaries(NAMES, st.integers(0, 10**9), max_size=3),
    )
)
def test_a_feature_header_there_and_back(header: FeatureHeader) -> None:
    """Redis keeps it as plain values; a vector has at least one of them."""
    fields = header.model_dump(mode="json")
    assert FeatureHeader.model_validate(fields) == header
    with pytest.raises(ValidationError, match="count"):
        FeatureHeader.model_validate(fields | {"count": 0})


def test_context_comes_before_prices_at_equal_times() -> None:
    assert INPUTS == (Topic.GAMES, Topic.SPLITS, Topic.LINES)
    assert Topic.DEAD_LETTERS.full("x.") == "x.dead-letters"
