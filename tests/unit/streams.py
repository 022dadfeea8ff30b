"""Random event streams of one game for hypothesis, built on `tests.samples`.

No two events of a stream share a time: how equal times break is a test of its own.
"""

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from models.features.catalogue import CONTEXT, SPLIT_SOURCES
from models.features.fold import FoldRules, GameState
from schemas.events import BettingSplits, Event, GameUpdate, LineMovement, QuoteStatus
from schemas.markets import Market
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE, US_PER_SECOND
from tests import samples

RULES = FoldRules.of(Settings())
CUTOFF = samples.START - RULES.cutoff_us
"""Five hours after `samples.OPEN`."""
BOOKS = ("pinnacle", "circa", "draftkings", "fanduel", "betmgm")
"""Two sharp ones, three soft."""

_PRICES = st.integers(20, 80).flatmap(
    lambda chance: st.integers(0, 8).map(
        lambda margin: (
            round(100 / (chance * (1 + margin / 100)), 2),
            round(100 / ((100 - chance) * (1 + margin / 100)), 2),
        )
    )
)
_LINES = {
    Market.MONEYLINE: st.none(),
    Market.RUN_LINE: st.sampled_from([-1.5, 1.5]),
    Market.TOTAL: st.sampled_from([7.5, 8.0, 8.5]),
}
_CONTEXTS = st.dictionaries(
    st.sampled_from(CONTEXT), st.integers(-500, 500).map(lambda tenth: tenth / 10), max_size=4
)


def seconds(micros: int) -> float:
    """`samples.at` of it gives `micros` back."""
    return (micros - samples.OPEN) / US_PER_SECOND


def splits(second: float = 0, tickets: float | None = 60.0, **over: Any) -> BettingSplits:
    fields: dict[str, Any] = {
        "game_id": samples.GAME,
        "source": "action_network",
        "occurred_at_us": samples.at(second),
        "book": "draftkings",
        "market": Market.MONEYLINE,
        "tickets_home_over_pct": tickets,
        "handle_home_over_pct": 55.0,
    } | over
    fields.setdefault(
        "event_id", f"s:{fields['book']}:{fields['market']}:{fields['occurred_at_us']}"
    )
    return BettingSplits(**fields)


def moments(first: int, last: int) -> st.SearchStrategy[int]:
    """Microseconds; many of them on or beside the bound of a tile."""
    minutes = st.integers(0, (last - first) // US_PER_MINUTE)
    beside = st.builds(
        lambda minute, by: first + minute * US_PER_MINUTE + by, minutes, st.sampled_from([-1, 0, 1])
    )
    return st.one_of(st.integers(first, last), beside).map(lambda us: min(max(us, first), last))


@st.composite
def quotes(draw: st.DrawFn, at_us: int) -> LineMovement:
    market = draw(st.sampled_from(Market))
    home, away = draw(_PRICES)
    fields: dict[str, Any] = {
        "occurred_at_us": at_us,
        "book": draw(st.sampled_from(BOOKS)),
        "market": market,
        "line": draw(_LINES[market]),
        "source": draw(st.sampled_from(["odds", "scraper"])),
    }
    if draw(st.integers(0, 9)) == 0:
        fields |= {"status": QuoteStatus.WITHDRAWN, "line": None}
        return samples.line(home=None, away=None, **fields)
    return samples.line(home=home, away=away, **fields)


@st.composite
def events_at(draw: st.DrawFn, at_us: int) -> Event:
    """A quote, mostly; else splits, team context, or word that quotes still stand."""
    kind = draw(st.integers(0, 9))
    if kind < 7:
        return draw(quotes(at_us))
    if kind < 9:
        share = st.one_of(st.none(), st.integers(0, 1000).map(lambda tenth: tenth / 10))
        handle = draw(share)
        return splits(
            occurred_at_us=at_us,
            tickets=draw(share if handle is not None else st.just(61.0)),
            handle_home_over_pct=handle,
            book=draw(st.sampled_from(BOOKS)),
            market=draw(st.sampled_from(Market)),
            source=draw(st.sampled_from(SPLIT_SOURCES)),
        )
    context = draw(st.one_of(st.none(), _CONTEXTS))
    return samples.game(
        occurred_at_us=at_us,
        source=draw(st.sampled_from(["odds", "scraper"])),
        quotes_stand=context is None or draw(st.booleans()),
        context=context,
        context_as_of_us=None if context is None else at_us - draw(st.integers(0, 10**12)),
    )


@st.composite
def streams(
    draw: st.DrawFn, first: int = samples.OPEN + 1, last: int = CUTOFF, most: int = 40
) -> list[Event]:
    """In the order of time: a schedule, then events of `first` .. `last`."""
    times = draw(st.lists(moments(first, last), max_size=most, unique=True))
    return [samples.game(0), *(draw(events_at(at_us)) for at_us in sorted(times))]


@st.composite
def updates(draw: st.DrawFn, at_us: int) -> GameUpdate:
    """The start moved, or another status."""
    context = draw(st.sampled_from([None, {}, {"home_form": 0.5}, {"park_factor": 1.25}]))
    moved = draw(st.sampled_from([0, 0, -90, -5, 5, 30, 60, 240])) * US_PER_MINUTE
    return samples.game(
        occurred_at_us=at_us,
        source=draw(st.sampled_from(["odds", "scraper", "schedule", "another"])),
        start_time_us=samples.START + moved,
        status=draw(st.sampled_from(["scheduled"] * 4 + ["live", "postponed"])),
        quotes_stand=draw(st.booleans()),
        context=context,
        context_as_of_us=None if context is None else at_us - 5,
    )


@st.composite
def disorder(draw: st.DrawFn, most: int = 30) -> list[Event]:
    """Late, repeated, at equal times, of two games, from too many sources, past the cutoff.

    Over more time than the lateness horizon.
    """
    hour = 60 * US_PER_MINUTE
    first, last = samples.OPEN - 2 * hour, samples.START + 2 * hour
    found: list[Event] = []
    for at_us in draw(st.lists(moments(first, last), min_size=1, max_size=most)):
        event = draw(st.one_of(events_at(at_us), events_at(at_us), updates(at_us)))
        changed: dict[str, object] = {"settles": draw(st.integers(0, 3)) > 0}
        if draw(st.integers(0, 5)) == 0:
            changed["game_id"] = samples.OTHER
        if draw(st.integers(0, 3)) == 0:
            changed["source"] = f"source {draw(st.integers(0, 6))}"
        if draw(st.integers(0, 9)) == 0 and found:
            changed["event_id"] = draw(st.sampled_from(found)).event_id
        if draw(st.integers(0, 15)) == 0 and not isinstance(event, GameUpdate):
            changed["book"] = "corner bookie"
        found.append(event.model_copy(update=changed))
    for _ in range(draw(st.integers(0, 4))):
        found.append(draw(st.sampled_from(found)))
    late = draw(st.lists(st.sampled_from(found), max_size=6))
    return late + sorted(found, key=lambda event: event.occurred_at_us) + late


def fold_all(events: Iterable[Event], rules: FoldRules = RULES) -> GameState:
    state = GameState(rules)
    for event in events:
        state.fold(event)
    return state
