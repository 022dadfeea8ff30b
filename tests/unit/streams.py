"""Random event streams of one game for hypothesis, built on `tests.samples`.

No two events of a stream share a time: how equal times break is a test of its own.
"""

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from models.features.catalogue import CONTEXT, SPLIT_SOURCES
from models.features.fold import FoldRules, GameState
from schemas.events import BettingSplits, Event, LineMovement, QuoteStatus
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


def fold_all(events: Iterable[Event], rules: FoldRules = RULES) -> GameState:
    state = GameState(rules)
    for event in events:
        state.fold(event)
    return state
