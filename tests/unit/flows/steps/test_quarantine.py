"""What has no game yet waits, bounded, and is never lost without a word."""

from flows.sources.payload import Meeting
from flows.sources.schedule import Resolved
from flows.steps.quarantine import Quarantine
from schemas.time import US_PER_SECOND
from tests import samples
from tests.unit.facts import payload, priced

OTHER = Meeting("SFG", "LAD", samples.START)


def resolve(meeting: Meeting) -> Resolved:
    return Resolved(samples.GAME if meeting.home == "NYY" else None, "not yet")


def test_facts_are_tried_again_in_the_order_in_which_they_came() -> None:
    waiting = Quarantine(100 * US_PER_SECOND, 10)
    waiting.put(payload(20), priced(1.8), "not yet")
    waiting.put(payload(30), priced(1.8), "not yet")  # stands already
    waiting.put(payload(10), priced(meeting=OTHER), "not yet")
    waiting.put(payload(40), priced(1.9), "not yet")
    waiting.put(payload(50), priced(1.8), "not yet")  # back again: that is news
    assert len(waiting) == 4
    found = waiting.retry(resolve)
    assert [
        (game, one.payload.fetched_at_us, one.fact.fields["price_home_over"]) for game, one in found
    ] == [(samples.GAME, samples.at(at), price) for at, price in ((20, 1.8), (40, 1.9), (50, 1.8))]
    assert len(waiting) == 1
    assert dict(waiting.reasons()) == {("oddsapi", "not yet"): 1}
    assert waiting.retry(resolve) == []


def test_what_waits_too_long_by_event_time_goes_once() -> None:
    waiting = Quarantine(100 * US_PER_SECOND, 10)
    waiting.put(payload(0), priced(), "not yet")
    waiting.put(payload(100), priced(book="circa"), "not yet")
    assert waiting.expire() == [], "as long as is allowed"
    waiting.put(payload(101), priced(book="circa"), "not yet")
    gone = waiting.expire()
    assert [(one.fact.about, one.detail) for one in gone] == [
        (("pinnacle", "moneyline"), "not yet")
    ]
    waiting.put(payload(102), priced(), "not yet")
    assert len(waiting) == 1, "told once, it is not taken again"
    waiting.put(payload(103), priced(1.7), "not yet")
    assert len(waiting) == 2, "another price is another fact"


def test_beyond_the_limit_the_oldest_go() -> None:
    waiting = Quarantine(100 * US_PER_SECOND, 2)
    for second, book in enumerate(("pinnacle", "circa", "draftkings")):
        waiting.put(payload(second), priced(book=book), "not yet")
    assert [one.fact.about[0] for one in waiting.expire()] == ["pinnacle"]
    assert [one.fact.about[0] for one in waiting.close()] == ["circa", "draftkings"]
    assert len(waiting) == 0


def test_bodies_are_not_kept() -> None:
    waiting = Quarantine(100 * US_PER_SECOND, 2)
    waiting.put(payload(0, body=b"x" * 1_000_000), priced(), "not yet")
    assert waiting.close()[0].payload.body == b""
