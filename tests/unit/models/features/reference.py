"""What every feature is in words, computed from the raw events in plain Python.

Slow and direct on purpose, with nothing of the fold, the tiles or the kernel in it. Only one
thing is taken over from the layout: past probabilities are kept as float32.
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


def root_mean_square(path: Sequence[float]) -> float:
    steps = [b - a for a, b in itertools.pairwise(path) if not math.isnan(b - a)]
    return math.sqrt(fmean(step * step for step in steps)) if steps else NAN


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


class Reference:
    def __init__(
        self, events: Sequence[Event], books: Sequence[str], sharp: Sequence[str], stale_us: int
    ) -> None:
        """events: all at or before the cutoff, one schedule, no two at one time."""
        self.books, self.sharp, self.stale_us = books, sharp, stale_us
        events = sorted(events, key=lambda event: event.occurred_at_us)
        self.as_of = max(event.occurred_at_us for event in events)
        self.start = NAN
        self.confirmed: dict[str, int] = {}
        self.moves: dict[Market, list[int]] = {market: [] for market in Market}
        self.history: dict[tuple[Market, str], list[tuple[int, Quote | None]]] = {}
        self.shares: dict[tuple[Market, str], list[BettingSplits]] = {}
        self._consensus: dict[Market, Consensus] = {}
        for event in events:
            at = event.occurred_at_us
            if isinstance(event, GameUpdate):
                self.start = event.start_time_us
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

    def age(self, quote: Quote) -> int:
        return self.as_of - max(quote.at, self.confirmed.get(quote.source, 0))

    def consensus(self, market: Market) -> Consensus:
        if market not in self._consensus:
            self._consensus[market] = self._view(market)
        return self._consensus[market]

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

    def change(self, market: Market, books: dict[str, Quote], bound: int) -> list[float]:
        """Per book with the same line then: fair probability now less then."""
        return [
            now.fair - single(then.fair)
            for book, now in books.items()
            if (then := self.before(market, book, bound)) is not None and then.line == now.line
        ]

    def path(self, market: Market, width: int, tiles: int) -> list[list[Quote]]:
        """At the end of each tile, oldest first: the quotes of the books that are used now."""
        return [
            [
                quote
                for book in self.consensus(market).used
                if (quote := self.before(market, book, self.bound(back * width, width))) is not None
            ]
            for back in range(tiles - 1, -1, -1)
        ]

    def features(self) -> dict[str, float]:
        out: dict[str, float] = {}
        for market in Market:
            self._movement(market, out)
            self._state(market, out)
        self._moneyline(out)
        self._total_line(out)
        for market in (Market.MONEYLINE, Market.TOTAL):
            self._steam(market, out)
            self._splits(market, out)
        newest = max(
            (s.occurred_at_us for all_of in self.shares.values() for s in all_of), default=0
        )
        out["splits_age"] = (self.as_of - newest) / MINUTE if newest else NAN
        out["minutes_to_start"] = (self.start - self.as_of) / MINUTE
        return out

    def _movement(self, market: Market, out: dict[str, float]) -> None:
        seen = self.consensus(market)
        opened = {book: self.opening(market, book) for book in seen.fresh}
        out[f"{market}_change_open"] = middle(
            [
                now.fair - then.fair
                for book, now in seen.used.items()
                if (then := opened[book]) is not None and then.line == now.line
            ]
        )
        for minutes, width in ((5, 1), (15, 1), (60, 15), (180, 15)):
            bound = self.bound(minutes, width)
            out[f"{market}_change_{minutes}m"] = middle(self.change(market, seen.used, bound))
        if market is not Market.MONEYLINE:
            out[f"{market}_line_change_open"] = middle(
                [q.line - then.line for b, q in seen.fresh.items() if (then := opened[b])]
            )
            for minutes in (60, 180):
                bound = self.bound(minutes, 15)
                out[f"{market}_line_change_{minutes}m"] = middle(
                    [
                        q.line - then.line
                        for book, q in seen.fresh.items()
                        if (then := self.before(market, book, bound)) is not None
                    ]
                )
        for minutes, width in ((15, 1), (180, 15)):
            begin = self.bound(minutes, width)
            out[f"{market}_moves_{minutes}m"] = sum(at >= begin for at in self.moves[market])

    def _state(self, market: Market, out: dict[str, float]) -> None:
        seen = self.consensus(market)
        used = seen.used
        out[f"{market}_consensus"] = seen.fair
        out[f"{market}_sharp_less_soft"] = middle(
            [q.fair for book, q in used.items() if book in self.sharp]
        ) - middle([q.fair for book, q in used.items() if book not in self.sharp])
        out[f"{market}_dispersion"] = deviation([q.fair for q in used.values()])
        out[f"{market}_books"] = len(used)
        out[f"{market}_stale_books"] = len(seen.quoted) - len(seen.fresh)
        out[f"{market}_overround"] = mean([1 / q.first + 1 / q.second for q in used.values()]) - 1
        first, second = seen.best_first[1], seen.best_second[1]
        out[f"{market}_best_first_value"] = first * seen.fair - 1
        out[f"{market}_best_second_value"] = second * (1 - seen.fair) - 1
        out[f"{market}_arbitrage_margin"] = 1 / first + 1 / second - 1
        if market is not Market.MONEYLINE:
            out[f"{market}_line"] = seen.line
            out[f"{market}_line_dispersion"] = deviation([q.line for q in seen.fresh.values()])

    def _moneyline(self, out: dict[str, float]) -> None:
        market = Market.MONEYLINE
        out["moneyline_acceleration"] = (
            out["moneyline_change_15m"] / 15 - out["moneyline_change_60m"] / 60
        )
        fine, coarse = (
            [middle([single(q.fair) for q in tile]) for tile in self.path(market, width, tiles)]
            for width, tiles in ((1, 16), (15, 13))
        )
        out["moneyline_volatility_15m"] = root_mean_square(fine)
        out["moneyline_volatility_180m"] = root_mean_square(coarse)
        steps = [b - a for a, b in itertools.pairwise(coarse) if not math.isnan(b - a)]
        travelled = sum(abs(step) for step in steps)
        out["moneyline_consistency_180m"] = sum(steps) / travelled if travelled else NAN
        bound = self.bound(15, 1)
        used = self.consensus(market).used

        def moved(sharp: bool) -> float:
            chosen = {book: q for book, q in used.items() if (book in self.sharp) is sharp}
            return middle(self.change(market, chosen, bound))

        out["moneyline_sharp_lead_15m"] = moved(True) - moved(False)
        opened = [
            quote.at for book in self.books if (quote := self.opening(market, book)) is not None
        ]
        out["minutes_since_open"] = (self.as_of - min(opened)) / MINUTE if opened else NAN

    def _total_line(self, out: dict[str, float]) -> None:
        fresh = self.consensus(Market.TOTAL).fresh
        out["total_line_volatility_180m"] = root_mean_square(
            [
                mean(
                    [
                        quote.line
                        for book in fresh
                        if (quote := self.before(Market.TOTAL, book, self.bound(back * 15, 15)))
                    ]
                )
                for back in range(12, -1, -1)
            ]
        )

    def _steam(self, market: Market, out: dict[str, float]) -> None:
        used = self.consensus(market).used
        for minutes in (5, 15):
            bound = self.bound(minutes, 1)
            signs = [
                (single(now.fair) > single(then.fair)) - (single(now.fair) < single(then.fair))
                for book, now in used.items()
                if (then := self.before(market, book, bound)) is not None and then.line == now.line
            ]
            out[f"{market}_steam_{minutes}m"] = sum(signs) if signs else NAN

    def _splits(self, market: Market, out: dict[str, float]) -> None:
        shares = [all_of for (where, _), all_of in self.shares.items() if where is market]
        last, first = [all_of[-1] for all_of in shares], [all_of[0] for all_of in shares]
        tickets = [s.tickets_home_over_pct for s in last if s.tickets_home_over_pct is not None]
        handle = [s.handle_home_over_pct for s in last if s.handle_home_over_pct is not None]
        out[f"{market}_tickets"] = mean(tickets)
        out[f"{market}_handle"] = mean(handle)
        out[f"{market}_divergence"] = mean(handle) - mean(tickets)
        for name, field in (
            ("tickets_shift", "tickets_home_over_pct"),
            ("handle_shift", "handle_home_over_pct"),
        ):
            pairs = [
                (getattr(now, field), getattr(then, field))
                for now, then in zip(last, first, strict=True)
            ]
            out[f"{market}_{name}"] = mean([a - b for a, b in pairs if None not in (a, b)])
        out[f"{market}_tickets_dispersion"] = deviation(tickets)
        out[f"{market}_split_books"] = len(tickets)
        used = self.consensus(market).used
        change = middle(self.change(market, used, self.bound(180, 15)))
        majority = mean(tickets) - 50
        if math.isnan(change) or math.isnan(majority):
            out[f"{market}_reverse_movement"] = NAN
        else:
            out[f"{market}_reverse_movement"] = change if change * majority < 0 else 0.0


def _price(quote: tuple[str, float]) -> float:
    return quote[1]
