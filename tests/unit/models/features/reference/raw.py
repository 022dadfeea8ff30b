"""The raw events of one game, in plain Python: who quoted what when, and the market now.

Nothing of the fold, the tiles or the kernel is in it. Only one thing is taken over from the
layout: past probabilities and prices are kept as float32.
"""

import itertools
import math
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, pstdev

from schemas.events import BettingSplits, Event, GameUpdate, LineMovement
from schemas.markets import Market

MINUTE = 60_000_000
NAN = math.nan
FINE, COARSE = (1, 16), (15, 13)
"""Width in minutes and number of the tiles."""
WIDTH = {5: 1, 15: 1, 60: 15, 180: 15}
"""Window -> width of its tiles, minutes."""


def fair_by_power(first: float, second: float) -> float:
    """Bisection on k in first**-k + second**-k = 1."""
    low, high = 0.01, 100.0
    for _ in range(100):
        middle = (low + high) / 2
        if first**-middle + second**-middle > 1.0:
            low = middle
        else:
            high = middle
    return float(first**-low / (first**-low + second**-low))


def single(value: float) -> float:
    """Rounded to float32."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


def middle(values: Sequence[float]) -> float:
    return median(values) if values else NAN


def mean(values: Sequence[float]) -> float:
    return fmean(values) if values else NAN


def deviation(values: Sequence[float]) -> float:
    return pstdev(values) if len(values) > 1 else NAN


def steps(path: Sequence[float]) -> list[float]:
    """From one to the next, where both are known."""
    return [b - a for a, b in itertools.pairwise(path) if not math.isnan(b - a)]


def root_mean_square(values: Sequence[float]) -> float:
    return math.sqrt(fmean(value * value for value in values)) if values else NAN


@dataclass(frozen=True)
class Quote:
    at: int
    source: str
    fair: float
    line: float
    first: float
    second: float


@dataclass(frozen=True)
class Consensus:
    """One market at one moment."""

    quoted: dict[str, Quote]
    fresh: dict[str, Quote]
    used: dict[str, Quote]
    line: float
    fair: float
    best_first: tuple[str, float]
    best_second: tuple[str, float]
    newest_age: int


class Raw:
    def __init__(
        self, events: Sequence[Event], books: Sequence[str], sharp: Sequence[str], stale_us: int
    ) -> None:
        """events: all at or before the cutoff, no two at one time."""
        self.books, self.sharp, self.stale_us = books, sharp, stale_us
        events = sorted(events, key=lambda event: event.occurred_at_us)
        self.as_of = max(event.occurred_at_us for event in events)
        self.start = NAN
        self.context: dict[str, float] = {}
        self.confirmed: dict[str, int] = {}
        self.moves: dict[Market, list[int]] = {market: [] for market in Market}
        self.history: dict[tuple[Market, str], list[tuple[int, Quote | None]]] = {}
        self.shares: dict[tuple[Market, str], list[BettingSplits]] = {}
        self._consensus: dict[Market, Consensus] = {}
        for event in events:
            at = event.occurred_at_us
            if isinstance(event, GameUpdate):
                self.start = event.start_time_us
                if event.context is not None:
                    self.context = event.context
                if event.quotes_stand:
                    self.confirmed[event.source] = at
            elif isinstance(event, BettingSplits):
                self.shares.setdefault((event.market, event.book), []).append(event)
            elif isinstance(event, LineMovement):
                first, second = event.price_home_over, event.price_away_under
                quote = None
                if first is not None and second is not None:
                    fair = fair_by_power(first, second)
                    quote = Quote(at, event.source, fair, event.line or 0.0, first, second)
                self.history.setdefault((event.market, event.book), []).append((at, quote))
                self.moves[event.market].append(at)

    def bound(self, minutes: int, width: int) -> int:
        """Where a window of so many minutes begins: the end of a tile."""
        width_us = width * MINUTE
        return (self.as_of // width_us - minutes // width + 1) * width_us

    def before(self, market: Market, book: str, bound: int) -> Quote | None:
        """The book's quote as of just before `bound`."""
        known = [quote for at, quote in self.history.get((market, book), []) if at < bound]
        return known[-1] if known else None

    def opening(self, market: Market, book: str) -> Quote | None:
        return next((q for _, q in self.history.get((market, book), []) if q is not None), None)

    def minutes_since_open(self, market: Market) -> float:
        opened = [quote.at for book in self.books if (quote := self.opening(market, book))]
        return (self.as_of - min(opened)) / MINUTE if opened else NAN

    def age(self, quote: Quote) -> int:
        return self.as_of - max(quote.at, self.confirmed.get(quote.source, 0))

    def consensus(self, market: Market) -> Consensus:
        if market not in self._consensus:
            self._consensus[market] = self._view(market)
        return self._consensus[market]

    def used(self, market: Market, *, sharp: bool) -> dict[str, Quote]:
        """The sharp ones of the used quotes, or the others."""
        used = self.consensus(market).used
        return {book: q for book, q in used.items() if (book in self.sharp) is sharp}

    def _view(self, market: Market) -> Consensus:
        quoted = {
            book: quote
            for book in self.books
            if (quote := self.before(market, book, self.as_of + 1)) is not None
        }
        fresh = {book: q for book, q in quoted.items() if self.age(q) <= self.stale_us}
        votes = Counter(q.line for q in fresh.values())
        most = max(votes.values(), default=0)
        line = next((q.line for q in fresh.values() if votes[q.line] == most), NAN)
        used = {book: q for book, q in fresh.items() if q.line == line}
        nothing = ("", NAN)
        return Consensus(
            quoted=quoted,
            fresh=fresh,
            used=used,
            line=line,
            fair=middle([q.fair for q in used.values()]),
            # max keeps the first of equals: the first book in the order of the settings.
            best_first=max(((b, q.first) for b, q in used.items()), key=_price, default=nothing),
            best_second=max(((b, q.second) for b, q in used.items()), key=_price, default=nothing),
            newest_age=min((self.age(q) for q in used.values()), default=-1),
        )

    def changes(self, market: Market, books: dict[str, Quote], minutes: int) -> list[float]:
        """Per book with the same line then: fair probability now less then."""
        bound = self.bound(minutes, WIDTH[minutes])
        return [
            now.fair - single(then.fair)
            for book, now in books.items()
            if (then := self.before(market, book, bound)) is not None and then.line == now.line
        ]

    def change(self, market: Market, minutes: int) -> float:
        return middle(self.changes(market, self.consensus(market).used, minutes))

    def ends(self, market: Market, tiles: tuple[int, int]) -> list[dict[str, Quote]]:
        """Quotes of the books used now, where at the line of now, at each tile's end: old first."""
        width, count = tiles
        seen = self.consensus(market)
        return [
            {
                book: quote
                for book in seen.used
                if (quote := self.before(market, book, self.bound(back * width, width)))
                and quote.line == seen.line
            }
            for back in range(count - 1, -1, -1)
        ]

    def path(self, market: Market, tiles: tuple[int, int]) -> list[float]:
        """The consensus at each tile's end."""
        return [middle([single(q.fair) for q in end.values()]) for end in self.ends(market, tiles)]


def _price(quote: tuple[str, float]) -> float:
    return quote[1]
