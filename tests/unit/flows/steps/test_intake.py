"""From answers to messages, with a producer that can refuse."""

import json
from base64 import b64decode
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from flows.sources.payload import Fact, Payload, Refusal
from flows.sources.schedule import Schedule
from flows.steps.intake import LETTER_BYTES, Intake
from flows.steps.news import Memory
from flows.steps.quarantine import Quarantine
from flows.steps.records import Outgoing
from schemas.decisions import DeadLetter
from schemas.errors import DeliveryFailed
from schemas.markets import GameStatus
from schemas.time import US_PER_MINUTE
from schemas.topics import CONTRACTS, Topic
from tests import samples
from tests.unit.facts import BOS_NYY, PK, parse, payload

HOUR = 60 * US_PER_MINUTE
LISTED = ["game", "BOS", "NYY", PK, "2026-07-20", 1, samples.START, "scheduled"]


def line(price: float = 1.9, book: str = "pinnacle", start: int = samples.START) -> list[Any]:
    return ["line", "BOS", "NYY", start, book, price, 2.0, None]


class Room:
    """An intake, and what it put on the topics."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.refuse = False
        self.intake = Intake(
            self._say,
            Schedule(),
            Memory(),
            Quarantine(HOUR, 100),
            frozenset({"pinnacle", "circa"}),
            timedelta(hours=96),
        )

    def _say(self, messages: Sequence[Outgoing]) -> None:
        if self.refuse and messages:
            raise DeliveryFailed("no")
        self.sent += messages

    def odds(self, second: float, *rows: list[Any], full: bool = True) -> list[Outgoing]:
        return self.take(payload(second, body=json.dumps(rows).encode()), full)

    def schedule(self, second: float, *rows: list[Any]) -> list[Outgoing]:
        return self.take(payload(second, "mlb_stats", body=json.dumps(rows).encode()), False)

    def take(self, heard: Payload, full: bool = True) -> list[Outgoing]:
        before = len(self.sent)
        self.intake.take(heard, parse, full)
        return self.sent[before:]

    def letters(self) -> list[DeadLetter]:
        return [
            DeadLetter.model_validate_json(one.value)
            for one in self.sent
            if one.topic is Topic.DEAD_LETTERS
        ]


def topics(messages: Sequence[Outgoing]) -> list[str]:
    return [one.topic.value for one in messages]


def test_events_go_out_as_their_topics_ask() -> None:
    room = Room()
    room.schedule(0, LISTED)
    said = room.odds(10, line())
    assert topics(said) == ["games", "lines"]
    for one in (*room.sent,):
        event = CONTRACTS[one.topic].model.model_validate_json(one.value)
        assert one.key == samples.GAME
        assert one.message_id == event.event_id  # type: ignore[attr-defined]
        assert one.timestamp_us == event.occurred_at_us  # type: ignore[attr-defined]


def test_prices_that_come_before_their_schedule_wait_for_it() -> None:
    room = Room()
    assert room.odds(10, line(1.9)) == []
    assert room.odds(70, line(1.8)) == []
    said = room.schedule(80, LISTED)
    assert topics(said) == ["games", "lines", "lines"]
    prices = [json.loads(one.value) for one in said[1:]]
    assert [one["price_home_over"] for one in prices] == [1.9, 1.8]
    assert [one["occurred_at_us"] for one in prices] == [samples.at(10), samples.at(70)]
    assert room.letters() == []
    assert topics(room.odds(130, line(1.8))) == ["games"], "known, so only confirmed"


def test_what_never_finds_its_game_is_a_dead_letter_once() -> None:
    room = Room()
    room.schedule(0, LISTED)
    far = samples.START + 9 * HOUR
    for second in (10, 20, 4_000, 4_060):
        room.odds(second, line(start=far))
    (letter,) = room.letters()
    assert (letter.reason, letter.source, letter.topic) == ("unresolved", "oddsapi/odds", None)
    assert "nearest is mlb-2026-07-20-BOS-NYY-1, 540 min off" in letter.detail
    assert json.loads(b64decode(letter.value_base64))["fields"]["price_home_over"] == 1.9
    assert letter.timestamp_us == samples.at(10)
    room.odds(4_100, line(1.7, start=far))
    room.intake.close()
    assert len(room.letters()) == 2
    assert len(room.intake.quarantine) == 0
    assert room.intake.counts.letters["oddsapi", "unresolved"] == 2


def test_a_changed_payload_is_a_dead_letter_whole_and_told() -> None:
    room = Room()
    outcome = room.intake.take(payload(10, body=b"<html>"), parse, True)
    (letter,) = room.letters()
    assert (letter.reason, b64decode(letter.value_base64)) == ("payload_changed", b"<html>")
    assert outcome.details("payload_changed").startswith("JSONDecodeError")
    # The same again is counted, not written again.
    room.intake.take(payload(70, body=b"<html>"), parse, True)
    assert len(room.letters()) == 1
    assert room.intake.counts.refused["oddsapi", "payload_changed"] == 2


def test_large_payloads_that_change_all_day_give_one_letter_an_hour() -> None:
    room = Room()
    for second in range(0, 3 * 3_600, 60):
        room.take(payload(second, body=b"x" * 70_000 + str(second).encode()))
    # From 17:05 to 20:04 by the hour of the clock: 17, 18, 19 and 20.
    assert len(room.letters()) == 4


def test_a_letter_fits_its_topic() -> None:
    room = Room()
    room.take(payload(0, body=b"x" * 5_000_000))
    (sent,) = room.sent
    assert len(sent.value) < CONTRACTS[Topic.DEAD_LETTERS].max_message_bytes
    (letter,) = room.letters()
    assert f"the first {LETTER_BYTES:,} of 5,000,000 bytes" in letter.detail


def test_a_parser_that_fails_is_a_changed_payload() -> None:
    def broken(_: Payload) -> list[Fact | Refusal]:
        raise ZeroDivisionError("1 / 0")

    room = Room()
    outcome = room.intake.take(payload(10, body=b"[1]"), broken, True)
    assert outcome.details("payload_changed") == "the parser failed: ZeroDivisionError: 1 / 0"
    assert b64decode(room.letters()[0].value_base64) == b"[1]"


def test_what_is_not_confirmed_is_not_known() -> None:
    room = Room()
    room.schedule(0, LISTED)
    room.refuse = True
    with pytest.raises(DeliveryFailed):
        room.odds(10, line())
    room.refuse = False
    assert topics(room.odds(10, line())) == ["games", "lines"]


def test_an_unchanged_answer_confirms_what_its_payload_showed() -> None:
    room = Room()
    room.schedule(0, LISTED)
    room.odds(10, line())
    before = len(room.sent)
    room.intake.unchanged(payload(70, said=69))
    room.intake.unchanged(payload(70, said=69))
    room.intake.unchanged(payload(130, url="http://127.0.0.1/another", said=129))
    said = room.sent[before:]
    assert topics(said) == ["games"]
    assert json.loads(said[0].value)["quotes_stand"] is True
    # The book goes, nothing stands any more.
    room.odds(190, ["game", "BOS", "NYY", PK, "2026-07-20", 1, samples.START, "scheduled"])
    before = len(room.sent)
    room.intake.unchanged(payload(250, said=249))
    assert room.sent[before:] == []


def test_a_postponed_game_is_told_once_though_the_schedule_lists_it_twice() -> None:
    room = Room()
    room.schedule(0, LISTED)
    off = [*LISTED[:-1], "postponed"]
    tomorrow = ["game", "BOS", "NYY", PK, "2026-07-21", 2, samples.START + 20 * HOUR, "scheduled"]
    said = room.schedule(600, off, tomorrow)
    assert [json.loads(one.value)["start_time_us"] for one in said] == [samples.START + 20 * HOUR]
    assert said[0].key == samples.GAME
    for second in (1_200, 1_800):
        assert room.schedule(second, off, tomorrow) == []
    again = Room()
    again.intake.learn(
        CONTRACTS[one.topic].model.model_validate_json(one.value)  # type: ignore[misc]
        for one in room.sent
    )
    assert again.schedule(2_400, off, tomorrow) == [], "nor after a restart"


def test_a_result_goes_to_its_game() -> None:
    room = Room()
    room.schedule(0, LISTED)
    final = [*LISTED[:-1], GameStatus.FINAL.value]
    said = room.schedule(20_000, final, ["result", PK, 5, 3])
    assert topics(said) == ["games", "results"]
    assert (said[1].key, json.loads(said[1].value)["home_score"]) == (samples.GAME, 5)
    assert room.schedule(20_060, final, ["result", PK, 5, 3]) == []
    assert BOS_NYY.mlb_game_pk == PK
