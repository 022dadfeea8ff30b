"""Records to events; every reason for a dead letter, and nothing but dead letters."""

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from flows.steps.decode import Decoded, DecodeRules, dead_letter, decode, decode_batch
from flows.steps.records import Outgoing, Record
from schemas.decisions import DeadLetter
from schemas.errors import RejectedEvent
from schemas.sections.scoring import ScoreSettings
from schemas.settings import Settings
from schemas.topics import INPUTS, Topic
from tests import samples
from tests.unit.streams import splits

RULES = DecodeRules.of(Settings())
LINE = samples.line(60)
DAY = 86_400_000_000


def record(
    event: BaseModel | dict[str, Any] | bytes,
    topic: Topic = Topic.LINES,
    key: bytes | None = samples.GAME.encode(),
    timestamp_us: int = samples.at(60),
    version: bytes | None = b"1",
) -> Record:
    if isinstance(event, BaseModel):
        value = event.model_dump_json().encode()
    else:
        value = event if isinstance(event, bytes) else json.dumps(event).encode()
    return Record(topic, 3, 1_234, timestamp_us, key, value, version)


def changed(**change: object) -> dict[str, Any]:
    return LINE.model_dump(mode="json") | change


@pytest.mark.parametrize(
    ("topic", "event"),
    [
        (Topic.LINES, LINE),
        (Topic.SPLITS, splits(60)),
        (Topic.GAMES, samples.game(60)),
        (Topic.RESULTS, samples.result(60)),
    ],
)
@pytest.mark.parametrize("version", [b"1", None])
def test_a_good_record_is_its_event(topic: Topic, event: BaseModel, version: bytes | None) -> None:
    assert decode(record(event, topic, version=version), RULES) == event


BAD: list[tuple[str, Record, str]] = [
    ("malformed_json", record(b"{"), "JSON"),
    ("malformed_json", record(b""), "JSON"),
    ("malformed_json", record(b"\xff\xfe\x00"), "JSON"),
    ("malformed_json", record(b"[" * 5_000), "JSON"),
    ("invalid", record(b"null"), "object"),
    ("invalid", record(changed(price_home_over=0.5)), "price_home_over: decimal odds 0.5"),
    ("invalid", record(changed(market="props")), "market: .* got 'props'"),
    ("invalid", record(changed(price_home_over=1.2, price_away_under=1.2)), "overround: 1.6667"),
    ("invalid", record(changed(extra=1)), "extra: .* got 1"),
    ("invalid", record(changed(occurred_at_us="2026-07-20T17:05:00")), "occurred_at_us: naive"),
    ("invalid", record(changed(odds_format="american", price_home_over=10**400)), "price_home"),
    ("invalid", record(changed(odds_format="american", price_home_over=50)), "American odds 50"),
    (
        "invalid",
        record(changed(game_id="mlb-2026-02-31-BOS-NYY-1"), key=b"mlb-2026-02-31-BOS-NYY-1"),
        "mlb-2026-02-31",
    ),
    ("invalid", record(splits(60), Topic.LINES), "tickets_home_over_pct: Extra"),
    ("oversized", record(b" " * 65_537), "65537 bytes, at most 65536"),
    ("wrong_schema", record(LINE, version=b"2"), "b'2'"),
    ("wrong_schema", record(LINE, version=b""), "b''"),
    ("wrong_key", record(LINE, key=b"mlb-2026-07-20-LAD-SFG-1"), "LAD-SFG"),
    ("wrong_key", record(LINE, key=None), "None"),
    ("unknown_book", record(changed(book="corner bookie")), "corner bookie"),
    ("unknown_book", record(splits(60, book="corner bookie"), Topic.SPLITS), "corner bookie"),
    ("future", record(LINE, timestamp_us=samples.at(60) - 300_000_001), "dated 300 s after"),
    (
        "implausible_time",
        record(changed(occurred_at_us=samples.START - 402 * DAY)),
        "-402 days from the day",
    ),
    (
        "implausible_time",
        record(
            changed(occurred_at_us=samples.START + 4 * DAY), timestamp_us=samples.START + 4 * DAY
        ),
        "4 days from the day",
    ),
]


@pytest.mark.parametrize(("reason", "bad", "told"), BAD)
def test_every_reason(reason: str, bad: Record, told: str) -> None:
    with pytest.raises(RejectedEvent, match=told) as refused:
        decode(bad, RULES)
    assert refused.value.reason == reason
    assert len(refused.value.detail) <= 500


@pytest.mark.parametrize(("reason", "bad"), [(reason, bad) for reason, bad, _ in BAD])
def test_a_dead_letter_holds_the_original_whole(reason: str, bad: Record) -> None:
    [out] = decode_batch([bad], RULES)
    assert isinstance(out, Outgoing)
    letter = DeadLetter.model_validate_json(out.value)
    assert letter.reason == reason
    assert b64decode(letter.value_base64) == bad.value
    assert (None if letter.key_base64 is None else b64decode(letter.key_base64)) == bad.key
    assert (letter.topic, letter.partition, letter.offset) == (bad.topic, 3, 1_234)
    assert letter.timestamp_us == bad.timestamp_us == out.timestamp_us
    assert out.topic is Topic.DEAD_LETTERS
    # Deterministic: the same record read again gives the same id.
    assert out.message_id == letter.letter_id == f"{bad.topic.value}-3-1234"
    assert out == dead_letter(bad, RejectedEvent(reason, letter.detail))


def test_the_bounds_themselves_are_let_in() -> None:
    decode(record(LINE, timestamp_us=samples.at(60) - 300_000_000), RULES)
    decode(record(b" " * (65_536 - len(record(LINE).value)) + record(LINE).value), RULES)
    # The day of the game is 20 July: 400 days before it, and three after.
    for days in (-400, 3):
        moment = samples.START + days * DAY
        decode(record(changed(occurred_at_us=moment), timestamp_us=moment), RULES)


def test_the_rules_are_those_of_the_settings() -> None:
    score = ScoreSettings(future_seconds=2, max_event_bytes=2_000)
    assert DecodeRules.of(Settings(books=("circa",), score=score)) == DecodeRules(
        books=frozenset({"circa"}), future_us=2_000_000, max_bytes=2_000
    )


def test_a_batch_keeps_its_order() -> None:
    bad = record(b"{")
    first, letter, last = decode_batch([record(LINE), bad, record(LINE)], RULES)
    assert first == (samples.GAME, Decoded(LINE, record(LINE), 0))
    assert last == (samples.GAME, Decoded(LINE, record(LINE), 2))
    assert isinstance(letter, Outgoing)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([10**400, -(10**309), 1e308, "american", "total", "+150", "2026-07-20"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    sorted(
        {
            name
            for event in (LINE, splits(60), samples.game(60), samples.result(60))
            for name in type(event).model_fields
        }
    )
)
NEARLY_GOOD = st.builds(
    lambda base, change: json.dumps(base.model_dump(mode="json") | change).encode(),
    st.sampled_from([LINE, splits(60), samples.game(60), samples.result(60)]),
    st.dictionaries(FIELDS, JSON, max_size=3),
)


def only_rejects(topic: Topic, key: bytes | None, value: bytes, version: bytes | None) -> None:
    fed = Record(topic, 0, 0, samples.at(60), key, value, version)
    try:
        decode(fed, RULES)
    except RejectedEvent as rejected:
        letter = DeadLetter.model_validate_json(dead_letter(fed, rejected).value)
        assert b64decode(letter.value_base64) == value


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([*INPUTS, Topic.RESULTS]),
    st.one_of(st.none(), st.binary(max_size=40)),
    st.binary(max_size=200),
    st.sampled_from([None, b"1", b"\xff"]),
)
def test_any_bytes_at_all(
    topic: Topic, key: bytes | None, value: bytes, version: bytes | None
) -> None:
    only_rejects(topic, key, value, version)


@settings(deadline=None, max_examples=500)
@given(st.sampled_from([*INPUTS, Topic.RESULTS]), NEARLY_GOOD)
@example(Topic.LINES, json.dumps(changed(book="\ud800")).encode())
@example(Topic.LINES, record(LINE).value.replace(b'"line":null', b'"line":' + b"9" * 5_000))
def test_nearly_good_events(topic: Topic, value: bytes) -> None:
    only_rejects(topic, samples.GAME.encode(), value, b"1")


def test_splits_of_a_pool_count_and_a_price_under_its_name_does_not() -> None:
    told = splits(60, book="sbd", source="sbd")
    assert decode(record(told, Topic.SPLITS), RULES) == told
    with pytest.raises(RejectedEvent, match="'sbd' is not in STEAMLINE_BOOKS"):
        decode(record(samples.line(60, book="sbd")), RULES)
