"""Past answers beside what the topics hold already: what is new, once, in the order of time."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from flows.ingest import Ingest
from flows.past import Past
from flows.sources import mlb_stats, oddsapi
from flows.sources.feeds import sources
from flows.sources.past import Range, story
from flows.sources.payload import Fact, Payload
from flows.steps.news import Memory
from flows.steps.records import Outgoing
from schemas.events import Event, GameResult, GameUpdate, LineMovement
from schemas.markets import GameStatus
from schemas.settings import Settings
from schemas.time import US_PER_HOUR, US_PER_MINUTE, to_us
from schemas.topics import CONTRACTS, Topic
from tests import past as told
from tests.unit.facts import BOS_NYY, listed


def us(hour: int, minute: int = 0, second: int = 0) -> int:
    return to_us(datetime(2026, 7, 20, hour, minute, second, tzinfo=UTC))


LATER = to_us(datetime(2026, 8, 1, tzinfo=UTC))
ASKED = Range(us(17), us(23, 30), 2 * US_PER_HOUR)


class _Topics:
    """What a producer was given, as the topics would hold it."""

    def __init__(self, there: Iterable[Event] = ()) -> None:
        self.there = list(there)
        self.said: list[Event] = []
        self.letters: list[Outgoing] = []

    def send(self, message: Outgoing) -> None:
        if message.topic is Topic.DEAD_LETTERS:
            self.letters.append(message)
            return
        event = CONTRACTS[message.topic].model.model_validate_json(message.value)
        assert isinstance(event, Event), message
        self.said.append(event)

    def poll(self) -> None: ...
    def confirm(self) -> None: ...

    def all(self) -> list[Event]:
        return [*self.there, *self.said]


def settings() -> Settings:
    return Settings(_env_file=None)  # type: ignore[call-arg]


def answer(source: str, endpoint: str, document: object, at_us: int = LATER) -> Payload:
    url = f"http://127.0.0.1/{endpoint}?oddsFormat=american"
    return Payload(source, endpoint, url, at_us, None, json.dumps(document).encode())


def backfilled(
    there: Iterable[Event] = (), minutes: Iterable[int] = (0, 120), price: int | None = None
) -> _Topics:
    """Snapshots so long after 18:00."""
    topics = _Topics(there)
    past = Past(Ingest(settings(), sources(settings(), played=True), topics), ASKED, topics.there)
    past.schedule(answer("mlb_stats", "schedule", told.schedule()))
    for minute in minutes:
        at = datetime(2026, 7, 20, 18, tzinfo=UTC) + timedelta(minutes=minute)
        past.snapshot(answer("oddsapi", "historical", told.snapshot(at, price)), to_us(at))
    past.close()
    return topics


def live(heard_us: int, snapshot: dict[str, Any]) -> list[Event]:
    """What a poller said of the same board, heard then."""
    topics = _Topics()
    ingest = Ingest(settings(), sources(settings(), played=True), topics)
    schedule = json.loads(json.dumps(told.schedule()))
    schedule["dates"][0]["games"][0]["status"] = {"codedGameState": "S", "detailedState": "S"}
    take = ingest.intake.take
    take(answer("mlb_stats", "schedule", schedule, us(12)), mlb_stats.parse, False)
    odds = answer("oddsapi", "odds", snapshot["data"], heard_us)
    take(odds, oddsapi.parse, True)
    return topics.said


def lines(events: Iterable[Event]) -> list[tuple[int, Any]]:
    return [
        (one.occurred_at_us, one.price_home_over) for one in events if isinstance(one, LineMovement)
    ]


def test_everything_is_said_in_the_order_of_time_and_once() -> None:
    first = backfilled()
    assert [one.occurred_at_us for one in first.said] == sorted(
        one.occurred_at_us for one in first.said
    )
    assert len({one.event_id for one in first.said}) == len(first.said)
    assert lines(first.said) == [
        (us(17, 59, 38), pytest.approx(1 + 100 / 130)),
        (us(19, 59, 38), pytest.approx(1 + 100 / 145)),
    ]
    assert backfilled(first.all()).said == []


def test_what_a_poller_heard_of_the_same_look_is_not_said_again() -> None:
    board = told.snapshot(datetime(2026, 7, 20, 18, tzinfo=UTC))
    # The poller heard two seconds after the snapshot was made: both dated it alike.
    there = live(us(17, 59, 40), board)
    assert len(lines(there)) == 1
    more = backfilled(there)
    assert lines(more.said) == [(us(19, 59, 38), pytest.approx(1 + 100 / 145))]
    ids = [one.event_id for one in more.all()]
    assert len(set(ids)) == len(ids)
    # It polled the schedule too, so no story of the game is made up; but its score was missed.
    assert [one for one in more.said if isinstance(one, GameUpdate) and not one.quotes_stand] == []
    assert len([one for one in more.said if isinstance(one, GameResult)]) == 1


def test_what_is_said_later_does_not_hide_what_was_missed() -> None:
    late = live(us(22), told.snapshot(datetime(2026, 7, 20, 22, tzinfo=UTC)))
    more = backfilled(late)
    assert [at for at, _ in lines(more.said)] == [us(17, 59, 38), us(19, 59, 38)]
    assert backfilled(more.all()).said == []


def test_a_poller_that_reads_it_back_still_knows_the_newest() -> None:
    new = live(us(22), told.snapshot(datetime(2026, 7, 20, 22, tzinfo=UTC)))
    old = backfilled(new).said
    in_order, as_on_the_topic = Memory(), Memory()
    for event in sorted([*new, *old], key=lambda one: one.occurred_at_us):
        in_order.remember(event)
    for event in [*new, *old]:
        as_on_the_topic.remember(event)
    assert vars(in_order) == vars(as_on_the_topic)


def test_a_snapshot_of_after_the_time_asked_for_is_refused() -> None:
    topics = _Topics()
    past = Past(Ingest(settings(), sources(settings(), played=True), topics), ASKED, [])
    board = told.snapshot(datetime(2026, 7, 20, 18, tzinfo=UTC))
    past.snapshot(answer("oddsapi", "historical", board), us(17, 59))
    (letter,) = topics.letters
    assert json.loads(letter.value)["reason"] == "payload_changed"


def test_looks_are_the_same_for_ranges_that_overlap() -> None:
    ten = 10 * US_PER_MINUTE
    assert Range(us(17, 3), us(17, 31), ten).looks_us() == [us(17, 10), us(17, 20), us(17, 30)]
    assert Range(us(17, 10), us(17, 20), ten).looks_us() == [us(17, 10), us(17, 20)]
    # 09:00 UTC is still the day before, as the league counts.
    assert Range(us(9), us(12), ten).days(1) == [date(2026, 7, day) for day in (19, 20, 21)]


@pytest.mark.parametrize(
    ("status", "until_us", "told_of"),
    [
        (GameStatus.SCHEDULED, us(23), ["scheduled"]),
        (GameStatus.FINAL, us(16), ["scheduled"]),
        (GameStatus.LIVE, us(23), ["scheduled", "live"]),
        (GameStatus.SUSPENDED, us(23), ["scheduled", "live"]),
        (GameStatus.FINAL, us(23), ["scheduled", "live", "final"]),
        # That it would be called off was not known.
        (GameStatus.POSTPONED, us(23), []),
    ],
)
def test_a_schedule_of_now_tells_what_it_told_then(
    status: GameStatus, until_us: int, told_of: list[str]
) -> None:
    meeting = BOS_NYY._replace(start_us=us(17))
    said = partial(story, [listed(meeting, status)], until_us)
    assert [str(fact.fields["status"]) for _, fact in said(LATER)] == told_of
    # A game that ended early is not over four hours after its start, if that is still to come.
    before = list(said(us(20)))
    assert all(isinstance(fact, Fact) and at <= us(20) for at, fact in before)
