"""Records to rows and dead letters, without a server."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from pydantic import BaseModel

from flows.steps.curate import Load, prepare
from flows.steps.decode import DecodeRules
from flows.steps.records import Record
from flows.steps.rows import TABLES
from schemas.decisions import DeadLetter
from schemas.events import QuoteStatus
from schemas.settings import Settings
from schemas.topics import CONTRACTS, Topic
from tests import samples

RULES = replace(DecodeRules.of(Settings()), books=None)
TOPIC_OF = {CONTRACTS[topic].model: topic for topic in Topic}


def record(message: BaseModel, offset: int = 7, **over: object) -> Record:
    value = json.dumps(message.model_dump(mode="json") | over).encode()
    time_us = getattr(message, "occurred_at_us", samples.at(0))
    return Record(TOPIC_OF[type(message)], 3, offset, time_us, samples.GAME.encode(), value, b"1")


def only_row(load: Load, topic: Topic) -> dict[str, object]:
    ((_, row),) = load.entries[topic]
    return dict(zip(TABLES[topic].columns, row, strict=True))


def letter(**over: object) -> DeadLetter:
    fields: dict[str, object] = {
        "letter_id": "lines-0-1",
        "reason": "invalid",
        "detail": "d",
        "source": "lines-0-1",
        "topic": "lines",
        "partition": 0,
        "offset": 1,
        "timestamp_us": 1_784_567_100_123_000,
        "key_base64": None,
        "value_base64": "/wA=",
    }
    return DeadLetter.model_validate(fields | over)


def test_a_quote_by_hand() -> None:
    """2026-07-20 17:05:01.5 UTC is six hours less 1.5 s before the start of the sample game."""
    load, letters = prepare([record(samples.line(1.5, book="nobody's"))], RULES)
    assert letters == []
    assert only_row(load, Topic.LINES) == {
        "event_id": "l:mlb-2026-07-20-BOS-NYY-1:nobody's:moneyline:1784567101500000",
        "game_id": "mlb-2026-07-20-BOS-NYY-1",
        "source": "odds",
        "occurred_at": datetime(2026, 7, 20, 17, 5, 1, 500_000, tzinfo=UTC),
        "simulated": False,
        "settles": True,
        "book": "nobody's",
        "market": "moneyline",
        "status": QuoteStatus.OPEN,
        "price_home_over": 1.9,
        "price_away_under": 2.0,
        "line": None,
        "topic": "lines",
        "partition": 3,
        "offset": 7,
    }
    assert (load.books, load.days) == ({"nobody's"}, {date(2026, 7, 20)})
    assert load.games[samples.GAME].event_id.startswith("l:")


def test_out_of_an_archive_there_is_no_place() -> None:
    load, _ = prepare([record(samples.line())], RULES, placed=False)
    row = only_row(load, Topic.LINES)
    assert (row["topic"], row["partition"], row["offset"]) == ("lines", None, None)


def test_free_keys_and_nested_models_are_json() -> None:
    load, _ = prepare([record(samples.prediction())], RULES)
    row = only_row(load, Topic.PREDICTIONS)
    assert json.loads(str(row["read_to"])) == {"lines": 1}
    (best,) = json.loads(str(row["best"]))
    assert (best["book"], best["price"], best["side"]) == ("pinnacle", 1.9, "home")
    assert (row["source"], row["prediction_id"]) == ("score", load.games[samples.GAME].event_id)


def test_a_letter_is_its_bytes_again() -> None:
    key = b64encode(b"k").decode()
    row = only_row(prepare([record(letter(key_base64=key))], RULES).load, Topic.DEAD_LETTERS)
    assert (row["key"], row["value"]) == (b"k", b"\xff\x00")
    assert row["recorded_at"] == datetime(2026, 7, 20, 17, 5, 0, 123_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("bad", "reason", "says"),
    [
        (record(samples.line(), price_home_over=0.5), "invalid", "price_home_over"),
        (record(samples.line(), source="a\0b"), "invalid", "NUL"),
        (record(samples.prediction(), game_id="mlb-2026-02-30-BOS-NYY-1"), "invalid", "game_id"),
        (record(letter(value_base64="*")), "invalid", "base64"),
        (record(letter(timestamp_us=10**18)), "invalid", "is no time"),
        (record(samples.line())._replace(version=b"9"), "wrong_schema", "b'9'"),
        (record(samples.line())._replace(value=b"{"), "malformed_json", "EOF"),
    ],
)
def test_what_cannot_be_used_is_a_letter(bad: Record, reason: str, says: str) -> None:
    load, (told,) = prepare([bad], RULES)
    assert not any(load.entries.values())
    assert load.games == {}
    made = DeadLetter.model_validate_json(told.value)
    assert (made.reason, made.offset) == (reason, 7)
    assert says in made.detail
    assert made.value_base64 == b64encode(bad.value).decode()


def test_letters_do_not_breed() -> None:
    """Of a letter that cannot be kept there is one letter; of that one there is none."""
    bad = record(letter(value_base64="*"))
    (first,) = prepare([bad], RULES).letters
    again = bad._replace(value=first.value.replace(b'"value_base64":"', b'"value_base64":"*'))
    assert prepare([again], RULES).letters == []
    long = bad._replace(value=b"x" * 3_000_000)
    assert prepare([long], RULES).letters == []


def test_without_leaves_the_rest() -> None:
    load, _ = prepare([record(samples.line(n), n) for n in range(3)], RULES)
    assert [one.number for one in load.without({1: "why"}).entries[Topic.LINES]] == [0, 2]
