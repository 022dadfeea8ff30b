"""Signals: what the features of a market say is worth a word, by thresholds from settings.

Each rule is a mask over rows of vectors; `NaN` meets no condition, so what cannot be known gives
no signal. Where the thresholds come from: `schemas.sections.scoring.AlertSettings`.
"""

import math
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from models.features.arrays import Array
from models.features.catalogue import LINED, NAMES, PRICED, SPLIT
from models.features.layout import MARKET_INDEX
from models.features.market import MarketView
from schemas.decisions import AlertKind
from schemas.markets import SIDES, Market, Side
from schemas.sections.scoring import AlertSettings

_AT = {name: column for column, name in enumerate(NAMES)}
_DIGITS = 6
"""A float32 has no more."""


class Signal(NamedTuple):
    """A condition that holds at one position of one game.

    Most hold on from the position before and are told to nobody, so words come when asked for.
    """

    kind: AlertKind
    market: Market
    side: Side | None
    """What it speaks for; none for an arbitrage."""
    features: tuple[str, ...]
    """Those it rests on, by catalogue name; what the rule cannot do without comes first."""
    numbers: tuple[float, ...]
    """Their values; NaN where not known."""
    prices: tuple[tuple[float, str], ...] = ()
    """Of an arbitrage: best price and book of either side."""
    line: float = 0.0
    """Of an arbitrage: what the prices are for."""

    @property
    def condition(self) -> tuple[AlertKind, Market, Side | None]:
        """What begins, lasts and ends; the numbers may change meanwhile."""
        return self.kind, self.market, self.side

    @property
    def values(self) -> dict[str, float]:
        return {
            name: round(number, _DIGITS) + 0.0  # no -0.0
            for name, number in zip(self.features, self.numbers, strict=True)
            if math.isfinite(number)
        }

    @property
    def detail(self) -> str:
        """In words."""
        first, second = SIDES[self.market]
        told = self.numbers
        if self.side is None:
            sides = " and ".join(
                f"{side} {price:.2f} at {book}"
                for side, (price, book) in zip((first, second), self.prices, strict=True)
            )
            line = f" on {self.line:g}" if self.market.value in LINED else ""
            return f"{sides}{line} pay {1 / (1 + told[0]) - 1:.1%} whoever wins"
        if self.kind is AlertKind.STEAM:
            minutes = self.features[0].rpartition("_")[2].removesuffix("m")
            return (
                f"net {abs(told[0]):.0f} books to {self.side} in {minutes} min, "
                f"consensus by {abs(told[1]):.1%}"
            )
        if self.kind is AlertKind.LEADER_MOVE:
            return (
                f"sharp books {abs(told[0]):.1%} ahead to {self.side} in 15 min, "
                "the market has not moved"
            )
        other = second if self.side is first else first
        public = f"{max(told[0], 100 - told[0]):.0f}% of tickets on {other}"
        if self.kind is AlertKind.REVERSE_LINE:
            return f"{public}, price by {abs(told[1]):.1%} to {self.side} in 3 h"
        return f"{public}, and the price has not moved in 3 h"


class _Held(NamedTuple):
    """One rule over all rows."""

    kind: AlertKind
    markets: tuple[str, ...]
    sign: Array
    """(n, markets) above 0 speaks for the first side, below 0 for the second, 0 is silent."""
    features: dict[str, Array]
    """Name without the market's prefix -> (n, markets)."""


class Signals:
    """The rules with their thresholds."""

    def __init__(self, settings: AlertSettings, books: tuple[str, ...]) -> None:
        """books: names of the view's columns."""
        self._settings, self._books = settings, books

    def holding(self, vectors: Array, view: MarketView) -> list[list[Signal]]:
        """The signals that hold in each row, in a fixed order.

        vectors: (n, features) in catalogue order; view: the market they were made from.
        """
        found: list[list[Signal]] = [[] for _ in vectors]
        with np.errstate(invalid="ignore"):
            rules = list(self._rules(vectors))
        for held in rules:
            for row, column in np.argwhere(held.sign).tolist():
                found[row].append(self._signal(held, row, column, view))
        return found

    def _rules(self, vectors: Array) -> Iterator[_Held]:
        wanted = self._settings
        window = f"{wanted.steam_minutes}m"
        steam, change = (_each(vectors, SPLIT, f"{what}_{window}") for what in ("steam", "change"))
        yield _Held(
            AlertKind.STEAM,
            SPLIT,
            np.where(
                (np.abs(steam) >= wanted.steam_books)
                & (change * np.sign(steam) >= wanted.steam_change),
                np.sign(steam),
                0,
            ),
            {f"steam_{window}": steam, f"change_{window}": change},
        )
        tickets, handle, reverse, change, frozen = (
            _each(vectors, SPLIT, what)
            for what in ("tickets", "handle", "reverse_movement", "change_180m", "line_freeze")
        )
        yield _Held(
            AlertKind.REVERSE_LINE,
            SPLIT,
            np.where(
                (np.abs(tickets - 50) >= wanted.reverse_tickets - 50)
                & (np.abs(reverse) >= wanted.reverse_change),
                np.sign(reverse),
                0,
            ),
            {"tickets": tickets, "reverse_movement": reverse, "handle": handle},
        )
        yield _Held(
            AlertKind.LINE_FREEZE,
            SPLIT,
            # 0 where the price moves: only a frozen one has a lean here.
            np.where(np.abs(frozen) >= wanted.freeze_tickets - 50, -np.sign(frozen), 0),
            {"tickets": tickets, "change_180m": change, "handle": handle},
        )
        margin, minutes = (
            _each(vectors, PRICED, f"arbitrage_{what}") for what in ("margin", "minutes")
        )
        yield _Held(
            AlertKind.ARBITRAGE,
            PRICED,
            # Paid per unit staked: 1 / (1 + margin) - 1.
            np.where(margin < -wanted.arbitrage_profit / (1 + wanted.arbitrage_profit), 1, 0),
            {"arbitrage_margin": margin, "arbitrage_minutes": minutes},
        )
        lead, moved, ahead = (
            _each(vectors, PRICED[:1], what)
            for what in ("sharp_lead_15m", "change_15m", "sharp_less_soft")
        )
        yield _Held(
            AlertKind.LEADER_MOVE,
            PRICED[:1],
            # The middle of all books has made less than half of the way, and the gap is open.
            np.where(
                (np.abs(lead) >= wanted.leader_change)
                & (np.abs(moved) < wanted.leader_change / 2)
                & (np.sign(ahead) == np.sign(lead)),
                np.sign(lead),
                0,
            ),
            {"sharp_lead_15m": lead, "change_15m": moved, "sharp_less_soft": ahead},
        )

    def _signal(self, held: _Held, row: int, column: int, view: MarketView) -> Signal:
        market = Market(held.markets[column])
        first, second = SIDES[market]
        side: Side | None = first if held.sign[row, column] > 0 else second
        prices: tuple[tuple[float, str], ...] = ()
        line = 0.0
        if held.kind is AlertKind.ARBITRAGE:
            at = row, MARKET_INDEX[market]
            best = zip(view.best_price[at].tolist(), view.best_book[at].tolist(), strict=True)
            side, line = None, float(view.line[at])
            prices = tuple((price, self._books[book]) for price, book in best)
        return Signal(
            held.kind,
            market,
            side,
            _names(market, tuple(held.features)),
            tuple(float(values[row, column]) for values in held.features.values()),
            prices,
            line,
        )


@cache
def _names(market: Market, features: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{market.value}_{what}" for what in features)


def _each(vectors: Array, markets: tuple[str, ...], what: str) -> Array:
    """(n, markets) of one feature; float32 as stored, so that a threshold met exactly counts."""
    taken: Array = vectors[:, [_AT[f"{market}_{what}"] for market in markets]]
    return taken
