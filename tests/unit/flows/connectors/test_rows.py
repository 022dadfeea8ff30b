"""Records to rows: in bulk as by the model, one after the other; what is no row is kept whole."""

import json
import random
from base64 import b64encode
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from flows.connectors import rows as rows_module
from flows.connectors.parquet import frame_of, live_schema, row_of, topic_schema
from flows.connectors.proof import allowed
from flows.connectors.rows import APART, rows_of
from flows.steps.decode import DecodeRules, decode
from flows.steps.records import Record
from schemas.errors import RejectedEvent
from schemas.events import BettingSplits, Event
from schemas.settings import Settings
from schemas.topics import CONTRACTS, Topic
from tests.chaos.hostile import SPOILS, VERY_HUGE
from tests.samples import (
    alert,
    at,
    bankroll_update,
    fill,
    game,
    line,
    prediction,
    result,
    settlement,
    stake,
)
from tests.system import Sent

RULES = replace(DecodeRules.of(Settings()), books=None)
IN_BULK = {Topic.LINES, Topic.SPLITS, Topic.RESULTS, Topic.DEAD_LETTERS}


def record(topic: Topic, value: bytes, offset: int = 0, **over: object) -> Record:
    fields: dict[str, object] = {
        "topic": topic,
        "partition": 3,
        "offset": offset,
        "timestamp_us": at(0),
        "key": b"mlb-2026-07-20-BOS-NYY-1",
        "value": value,
        "version": b"1",
    }
    return Record(**(fields | over))  # type: ignore[arg-type]


def of(topic: Topic, event: Event, offset: int = 0, **over: object) -> Record:
    fields = {"key": event.game_id.encode(), "timestamp_us": event.occurred_at_us} | over
    return record(topic, event.model_dump_json().encode(), offset, **fields)


def split(second: float = 0, **over: object) -> BettingSplits:
    fields: dict[str, object] = {
        "event_id": f"s{second}",
        "game_id": game().game_id,
        "source": "splits",
        "occurred_at_us": at(second),
        "book": "circa",
        "market": "total",
        "tickets_home_over_pct": 61.5,
    }
    return BettingSplits.model_validate(fields | over)


def passed_in_bulk(topic: Topic, records: list[Record]) -> list[bool]:
    rows, rest = rows_module._in_bulk(topic, records, RULES)  # noqa: SLF001
    passed = [all(one is not other for other in rest) for one in records]
    assert sum(passed) == rows.height
    return passed


def test_topics_of_plain_fields_are_read_in_bulk() -> None:
    assert {topic for topic in Topic if allowed(topic) is not None} == IN_BULK


@pytest.mark.parametrize(
    ("topic", "event"),
    [
        (Topic.LINES, line()),
        (Topic.LINES, line(market="total")),
        (Topic.LINES, line(market="run_line", settles=False, simulated=True)),
        (Topic.LINES, line(status="withdrawn", home=None, away=None)),
        (Topic.LINES, line(book='Peñarol "B" \\ 東京')),
        (Topic.SPLITS, split()),
        (Topic.SPLITS, split(tickets_home_over_pct=None, handle_home_over_pct=0.0)),
        (Topic.RESULTS, result()),
    ],
)
def test_what_our_producers_write_passes_in_bulk(topic: Topic, event: Event) -> None:
    one = of(topic, event, 7)
    assert passed_in_bulk(topic, [one]) == [True]
    found = rows_of(topic, [one], RULES)
    assert found.apart.is_empty()
    assert found.rows.schema == live_schema(topic)
    by_model = frame_of(topic, [row_of(topic)(event)])
    assert found.rows.select(topic_schema(topic).names()).equals(by_model)
    assert found.rows.select("kafka_partition", "kafka_offset").row(0) == (3, 7)


def test_every_topic_has_rows() -> None:
    letter = json.dumps(
        {
            "letter_id": "lines-0-1",
            "reason": "invalid",
            "detail": "",
            "source": "lines-0-1",
            "topic": "lines",
            "partition": 0,
            "offset": 1,
            "timestamp_us": -1000,
            "key_base64": None,
            "value_base64": b64encode(b"x").decode(),
        },
        separators=(",", ":"),
    )
    values = {
        Topic.LINES: line().model_dump_json(),
        Topic.SPLITS: split().model_dump_json(),
        Topic.GAMES: game(context={"home_form": 0.5}, context_as_of_us=at(0)).model_dump_json(),
        Topic.RESULTS: result().model_dump_json(),
        Topic.PREDICTIONS: prediction().model_dump_json(),
        Topic.STAKES: stake().model_dump_json(),
        Topic.ALERTS: alert().model_dump_json(),
        Topic.FILLS: fill().model_dump_json(),
        Topic.SETTLEMENTS: settlement().model_dump_json(),
        Topic.BANKROLLS: bankroll_update().model_dump_json(),
        Topic.DEAD_LETTERS: letter,
    }
    assert values.keys() == set(Topic)
    for topic, value in values.items():
        found = rows_of(topic, [record(topic, value.encode())], RULES)
        assert (found.rows.height, found.apart.height) == (1, 0), (topic, found.apart)


@pytest.mark.parametrize("place", range(len(SPOILS)))
def test_hostile_records_are_refused_as_the_score_flow_does(place: int) -> None:
    """All that depends on the record alone; its book and its being late do not."""
    honest = line(5)
    value = honest.model_dump_json().encode()
    model = Sent(Topic.LINES, honest.game_id.encode(), value, honest.occurred_at_us // 1000)
    bad = SPOILS[place](model, 0)
    sent = bad.record
    spoilt = record(
        sent.topic,
        sent.value or b"",
        timestamp_us=sent.timestamp_ms * 1000,
        key=sent.key,
        version=dict(sent.headers).get("version", b"1"),
    )
    # Between good ones, which must not suffer.
    records = [of(sent.topic, line(n, event_id=f"good{n}"), n) for n in range(100)]
    if sent.topic is not Topic.LINES:
        records = []
    records.insert(50, spoilt._replace(offset=1_000))
    found = rows_of(sent.topic, records, RULES)
    if bad.reason in ("unknown_book", "too_late"):
        assert found.apart.is_empty()
        assert found.rows.height == len(records)
        return
    assert found.rows.height == len(records) - 1
    kept = found.apart.row(0, named=True)
    assert (kept["reason"], kept["kafka_offset"]) == (bad.reason, 1_000)
    assert (kept["value"], kept["key"]) == (sent.value or b"", sent.key)


def test_the_longest_are_refused_too() -> None:
    value = line().model_dump_json().encode()
    bad = VERY_HUGE(Sent(Topic.LINES, b"k", value, at(0) // 1000), 5)
    found = rows_of(Topic.LINES, [record(Topic.LINES, bad.record.value or b"")], RULES)
    assert found.apart["reason"].to_list() == ["oversized"]


def test_a_number_that_no_column_holds_is_set_apart_alone() -> None:
    """The model's integers have no end."""
    fine = game(1)
    huge = json.loads(game(2).model_dump_json()) | {"mlb_game_pk": 10**40}
    records = [
        of(Topic.GAMES, fine, 1),
        record(Topic.GAMES, json.dumps(huge).encode(), 2, timestamp_us=at(2)),
        of(Topic.GAMES, game(3), 3),
    ]
    found = rows_of(Topic.GAMES, records, RULES)
    assert found.rows["kafka_offset"].to_list() == [1, 3]
    assert found.apart.select("kafka_offset", "reason").rows() == [(2, "unstorable")]


def test_a_timestamp_that_no_column_holds_is_kept_as_near_as_it_goes() -> None:
    found = rows_of(
        Topic.LINES, [record(Topic.LINES, b"x", timestamp_us=(2**63 - 1) * 1000)], RULES
    )
    assert found.apart["timestamp_us"].to_list() == [2**63 - 1]
    assert found.apart.schema == APART


# What a value of one field may be replaced by: the edges of every rule of the models, and beyond.
STRANGE: st.SearchStrategy[object] = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        1.0,
        0.5,
        1.01,
        50.0,
        60,
        61,
        99.99,
        100.0,
        100.01,
        1001.0,
        1001.5,
        -50.0,
        -50.5,
        1e-7,
        1e16,
        1e400,
        2**63,
        2**62,
        946_684_800_000_000,
        946_684_799_999_999,
        4_102_444_800_000_000,
        4_102_444_800_000_001,
        at(0),
        at(9),
        "",
        "x",
        "x" * 64,
        "x" * 65,
        "x" * 128,
        "x" * 129,
        "decimal",
        "american",
        "open",
        "withdrawn",
        "moneyline",
        "total",
        "run_line",
        "1.9",
        "mlb-2026-07-20-BOS-NYY-1",
        "mlb-2026-02-30-BOS-NYY-1",
        "mlb-2026-07-20-BOS-NYY-1\n",
        "é\x00",
        "\u2028",
        [],
        {},
    ]
)
BASES: dict[Topic, list[Event]] = {
    Topic.LINES: [
        line(),
        line(market="total"),
        line(market="run_line"),
        line(status="withdrawn", home=None, away=None),
    ],
    Topic.SPLITS: [split()],
    Topic.RESULTS: [result()],
}


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_what_passes_in_bulk_is_what_the_model_makes_of_it(data: st.DataObject) -> None:
    """Never taken where the model refuses, and never another value than the model's."""
    topic = data.draw(st.sampled_from(sorted(BASES)))
    fields = json.loads(data.draw(st.sampled_from(BASES[topic])).model_dump_json())
    for name in data.draw(st.lists(st.sampled_from(sorted(fields)), max_size=3)):
        fields[name] = data.draw(STRANGE)
    if data.draw(st.integers(0, 9)) == 0:
        fields.pop(data.draw(st.sampled_from(sorted(fields))))
    value = json.dumps(fields, separators=(",", ":"), ensure_ascii=data.draw(st.booleans()))
    one = record(topic, value.encode(errors="surrogatepass"))
    found = rows_of(topic, [one], RULES)
    try:
        event = decode(one, RULES)
        rows, reasons = frame_of(topic, [row_of(topic)(event)]), []
    except RejectedEvent as rejected:
        rows, reasons = pl.DataFrame(schema=topic_schema(topic)), [rejected.reason]
    assert found.rows.select(topic_schema(topic).names()).equals(rows, null_equal=True)
    assert found.apart["reason"].to_list() == reasons


@settings(max_examples=200, deadline=None)
@given(st.floats(1.0, 1.2), st.floats(1.0, 1100.0), st.floats(-51.0, 101.0) | st.none())
def test_prices_and_lines_are_allowed_as_the_model_allows_them(
    first: float, second: float, point: float | None
) -> None:
    fields = json.loads(line(market="total").model_dump_json())
    fields |= {"price_home_over": first, "price_away_under": second, "line": point}
    value = json.dumps(fields, separators=(",", ":")).encode()
    try:
        CONTRACTS[Topic.LINES].model.model_validate_json(value)
        valid = True
    except ValidationError:
        valid = False
    assert rows_of(Topic.LINES, [record(Topic.LINES, value)], RULES).rows.height == valid


def test_rows_of_both_ways_stand_in_the_order_of_offsets() -> None:
    dice = random.Random(5)
    records = []
    for n in range(200):
        event = line(n, event_id=f"e{n}")
        one = of(Topic.LINES, event, n)
        if dice.random() < 0.3:  # as another producer writes it: not canonical, but valid
            spaced = json.dumps(json.loads(event.model_dump_json()), indent=1).encode()
            one = one._replace(value=spaced)
        records.append(one)
    found = rows_of(Topic.LINES, records, RULES)
    assert found.rows["kafka_offset"].to_list() == list(range(200))
    assert found.rows["event_id"].to_list() == [f"e{n}" for n in range(200)]
    assert isinstance(found.rows.schema["occurred_at_us"], pl.Datetime)


@pytest.mark.parametrize("portion", [1, 2, 3, 7, 100])
def test_nothing_is_lost_between_portions(monkeypatch: pytest.MonkeyPatch, portion: int) -> None:
    """Proven rows, asked rows and refused records in every place of a portion."""
    monkeypatch.setattr(rows_module, "_PORTION", portion)
    spaced = json.dumps(line(5, event_id="e5").model_dump(mode="json"), indent=1).encode()
    records = [of(Topic.LINES, line(n, event_id=f"e{n}"), n) for n in range(12)]
    records[5] = record(Topic.LINES, spaced, 5, timestamp_us=at(5))
    records[8] = record(Topic.LINES, b"no event", 8)
    found = rows_of(Topic.LINES, records, RULES)
    good = [n for n in range(12) if n != 8]
    assert found.rows["event_id"].to_list() == [f"e{n}" for n in good]
    assert found.rows["kafka_offset"].to_list() == good
    assert found.apart.select("kafka_offset", "value").rows() == [(8, b"no event")]


def test_a_stamp_beyond_64_bits_is_no_reason_to_refuse_an_event() -> None:
    """A broker takes any; as microseconds it may be too long for a column. It is not `future`."""
    late = of(Topic.LINES, line(1), timestamp_us=(2**63 - 1) * 1000)
    found = rows_of(Topic.LINES, [late, of(Topic.LINES, line(2), 1)], RULES)
    assert (found.rows.height, found.apart.height) == (2, 0)
    assert decode(late, RULES) == line(1)
