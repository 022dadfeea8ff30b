"""Closing line value: a bet against the no-vig close of its market.

Probability points are the chance that the close gives the bet, less the chance that the price taken
implies, margin included: against a close at the very price that was taken they are minus the margin
on that side. Where the line has moved since, they have two parts:

- price: the side's closing chance at the closing line, less the implied one of the price taken;
- line: the side's chance at the line that was taken, less that at the closing line, both from the
  law of total or margin (`models/boosters/laws.py`) whose tilt gives the closing chance at the
  closing line. So half a run is worth what it is at this game's level: between over 8.5 and over 9
  lies the chance of exactly 9.

The law has the typical dispersion of many seasons, not that of the champion: a ruler must
not change with the model that it measures. All chances are given no push; expected value counts
pushes, and quarter lines as their two halves.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from models.boosters.laws import TYPICAL, Kind, Law, mark
from models.evaluation.closing import Close, Missing
from schemas.bets import ClosingValue, Settlement
from schemas.markets import SIDES, Market, Side

KINDS: dict[Market, Kind] = {Market.TOTAL: "total", Market.RUN_LINE: "margin"}
RULERS: dict[Market, Law] = {market: Law(kind, *TYPICAL[kind]) for market, kind in KINDS.items()}

_REACHED = 1e-6
"""How closely the law must give the closing chance back; else the line is outside its support."""


class Bet(NamedTuple):
    """What was taken."""

    market: Market
    side: Side
    line: float | None
    """Total runs, or the home handicap whichever side was taken; none for the moneyline."""
    price: float


class Chances(NamedTuple):
    """Of one unit, in parts where the line is a quarter: they and the push sum to 1."""

    win: float
    lose: float

    @property
    def probability(self) -> float:
        """Of winning, given no push: one over the fair price."""
        return self.win / (self.win + self.lose)

    def expected_value(self, price: float) -> float:
        return self.win * (price - 1.0) - self.lose


def closing_value(bet: Bet, close: Close) -> ClosingValue | Missing:
    """The bet against a close of its market; missing where the close's line cannot be ruled."""
    first = bet.side is SIDES[bet.market][0]
    closing = close.probability if first else 1.0 - close.probability
    found = _at_the_line_taken(bet, close)
    if isinstance(found, Missing):
        return found
    ours = found if first else Chances(found.lose, found.win)
    price_part = closing - 1.0 / bet.price
    # Exactly nothing where the line has not moved, whatever the last bit of the law's chance is.
    line_part = 0.0 if bet.line == close.line else ours.probability - closing
    return ClosingValue(
        reference=close.reference,
        quoted_at_us=close.quoted_at_us,
        seconds_before_start=close.seconds_before_start,
        line=close.line,
        probability=closing,
        probability_points=price_part + line_part,
        price_part=price_part,
        line_part=line_part,
        expected_value=ours.expected_value(bet.price),
    )


class Coverage(NamedTuple):
    """How much of the betting the closing line value speaks of."""

    bets: int
    """All that were settled, voids too."""
    closed: int
    """Of which it is known."""
    missing: dict[str, int]
    """Reason -> bets of which it is not."""

    @property
    def share(self) -> float:
        return self.closed / self.bets if self.bets else 0.0


def coverage(settlements: Iterable[Settlement]) -> Coverage:
    """Of bets by their newest settlement; in any order, repeats among them."""
    told = {one.settlement_id: one for one in settlements}
    replaced = {one.supersedes for one in told.values()}
    newest = [one for name, one in told.items() if name not in replaced]
    missing = Counter(one.closing_missing for one in newest if one.closing_missing is not None)
    return Coverage(len(newest), len(newest) - missing.total(), dict(sorted(missing.items())))


def _at_the_line_taken(bet: Bet, close: Close) -> Chances | Missing:
    """Chances of the home or over side, at the line of the bet, if the close is right."""
    if bet.line is None or close.line is None:
        return Chances(close.probability, 1.0 - close.probability)
    if _halves(close.line) != [close.line]:
        return Missing("quarter_line")
    kind, law = KINDS[bet.market], RULERS[bet.market]
    at_close, chance = mark(kind, np.array([close.line])), np.array([close.probability])
    tilt = law.tilt(chance, at_close)
    if abs(float(law.over(tilt, at_close)[0]) - close.probability) > _REACHED:
        return Missing("line_out_of_range")
    win = lose = 0.0
    parts = _halves(bet.line)
    for part in parts:
        taken = mark(kind, np.array([part]))
        over, decided = float(law.over(tilt, taken)[0]), 1.0 - float(law.push(tilt, taken)[0])
        win += decided * over / len(parts)
        lose += decided * (1.0 - over) / len(parts)
    return Chances(win, lose)


def _halves(line: float) -> list[float]:
    """The lines that a bet at a quarter line is two halves on; else the line itself.

    >>> _halves(8.5), _halves(8.75)
    ([8.5], [8.5, 9.0])
    """
    return [line] if (line * 2.0).is_integer() else [line - 0.25, line + 0.25]
