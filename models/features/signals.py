"""Signals: what the features of a market say is worth a word, by thresholds from settings.

Each rule is a mask over rows of vectors; `NaN` meets no condition, so what cannot be known gives
no signal. Where the thresholds come from: `schemas.settings.AlertSettings`.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from models.features.arrays import Array
from models.features.catalogue import LINED, NAMES, PRICED, SPLIT
from models.features.layout import MARKET_INDEX
from models.features.market import MarketView
from schemas.decisions import AlertKind
from schemas.markets import SIDES, Market, Side
from schemas.settings import AlertSettings

_AT = {name: column for column, name in enumerate(NAMES)}
_DIGITS = 6
"""A float32 has no more."""


class Signal(NamedTuple):
    """A condition that holds at one position of one game."""

    kind: AlertKind
    market: Market
    side: Side | None
    """What it speaks for; none for an arbitrage."""
    detail: str
    values: dict[str, float]
    """The features that it rests on, by catalogue name."""

    @property
    def condition(self) -> tuple[AlertKind, Market, Side | None]:
        """What begins, lasts and ends; the numbers may change meanwhile."""
        return self.kind, self.market, self.side


class _Held(NamedTuple):
    """One rule over all rows."""

    kind: AlertKind
    markets: tuple[Market, ...]
    sign: Array
    """(n, markets) above 0 speaks for the first side, below 0 for the second, 0 is silent."""
    features: tuple[str, ...]
    """Without the market's prefix; those that must be known for the rule to hold come first."""


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
            for row, column in np.argwhere(held.sign):
                market = held.markets[column]
                sign = float(held.sign[row, column])
                found[row].append(self._signal(held, market, sign, vectors[row], view, row))
        return found

    def _rules(self, vectors: Array) -> Iterator[_Held]:
        wanted = self._settings
        window = wanted.steam_minutes
        steam, change = (_each(vectors, SPLIT, f"{what}_{window}m") for what in ("steam", "change"))
        yield _Held(
            AlertKind.STEAM,
            _markets(SPLIT),
            np.where(
                (np.abs(steam) >= wanted.steam_books)
                & (change * np.sign(steam) >= wanted.steam_change),
                np.sign(steam),
                0,
            ),
            (f"steam_{window}m", f"change_{window}m"),
        )
        lean = _each(vectors, SPLIT, "tickets") - 50
        reverse = _each(vectors, SPLIT, "reverse_movement")
        yield _Held(
            AlertKind.REVERSE_LINE,
            _markets(SPLIT),
            np.where(
                (np.abs(lean) >= wanted.reverse_tickets - 50)
                & (np.abs(reverse) >= wanted.reverse_change),
                np.sign(reverse),
                0,
            ),
            ("tickets", "reverse_movement", "handle"),
        )
        # 0 where the price moves, whatever the threshold: only a frozen one has a lean here.
        frozen = _each(vectors, SPLIT, "line_freeze")
        yield _Held(
            AlertKind.LINE_FREEZE,
            _markets(SPLIT),
            np.where(np.abs(frozen) >= wanted.freeze_tickets - 50, -np.sign(frozen), 0),
            ("tickets", "change_180m", "handle"),
        )
        margin = _each(vectors, PRICED, "arbitrage_margin")
        yield _Held(
            AlertKind.ARBITRAGE,
            _markets(PRICED),
            # Paid per unit staked: 1 / (1 + margin) - 1.
            np.where(margin < -wanted.arbitrage_profit / (1 + wanted.arbitrage_profit), 1, 0),
            ("arbitrage_margin", "arbitrage_minutes"),
        )
        lead, moved, ahead = (
            _each(vectors, ("moneyline",), what)
            for what in ("sharp_lead_15m", "change_15m", "sharp_less_soft")
        )
        yield _Held(
            AlertKind.LEADER_MOVE,
            (Market.MONEYLINE,),
            # The middle of all books has made less than half of the way, and the gap is open.
            np.where(
                (np.abs(lead) >= wanted.leader_change)
                & (np.abs(moved) < wanted.leader_change / 2)
                & (np.sign(ahead) == np.sign(lead)),
                np.sign(lead),
                0,
            ),
            ("sharp_lead_15m", "change_15m", "sharp_less_soft"),
        )

    def _signal(
        self, held: _Held, market: Market, sign: float, vector: Array, view: MarketView, row: int
    ) -> Signal:
        paid = held.kind is AlertKind.ARBITRAGE
        sides = SIDES[market] if sign > 0 else SIDES[market][::-1]
        names = [f"{market.value}_{what}" for what in held.features]
        values = {
            name: round(value, _DIGITS)
            for name in names
            if np.isfinite(value := float(vector[_AT[name]]))
        }
        told = [values[name] for name in names if name in values]
        if paid:
            detail = self._arbitrage(market, told[0], view, row)
        else:
            detail = _detail(held.kind, sides, told, self._settings)
        return Signal(held.kind, market, None if paid else sides[0], detail, values)

    def _arbitrage(self, market: Market, margin: float, view: MarketView, row: int) -> str:
        column = MARKET_INDEX[market]
        sides = " and ".join(
            f"{side.value} {view.best_price[row, column, place]:.2f} at "
            f"{self._books[view.best_book[row, column, place]]}"
            for place, side in enumerate(SIDES[market])
        )
        line = f" on {view.line[row, column]:g}" if market.value in LINED else ""
        return f"{sides}{line} pay {1 / (1 + margin) - 1:.1%} whoever wins"


def _detail(
    kind: AlertKind, sides: tuple[Side, Side], told: list[float], settings: AlertSettings
) -> str:
    """sides: the one it speaks for, then the other; told: the rule's features in its order."""
    side, other = (one.value for one in sides)
    if kind is AlertKind.STEAM:
        books, change = told
        return (
            f"net {abs(books):.0f} books to {side} in {settings.steam_minutes} min, "
            f"consensus by {abs(change):.1%}"
        )
    if kind is AlertKind.LEADER_MOVE:
        return f"sharp books {abs(told[0]):.1%} ahead to {side} in 15 min, the market has not moved"
    public = f"{max(told[0], 100 - told[0]):.0f}% of tickets on {other}"
    if kind is AlertKind.REVERSE_LINE:
        return f"{public}, price by {abs(told[1]):.1%} to {side} in 3 h"
    return f"{public}, and the price has not moved in 3 h"


def _markets(names: Iterable[str]) -> tuple[Market, ...]:
    return tuple(Market(name) for name in names)


def _each(vectors: Array, markets: tuple[str, ...], what: str) -> Array:
    """(n, markets) of one feature; float32 as stored, so that a threshold met exactly counts."""
    taken: Array = vectors[:, [_AT[f"{market}_{what}"] for market in markets]]
    return taken
