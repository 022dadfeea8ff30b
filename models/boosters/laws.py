"""Total runs and margin as discrete distributions, one fitted object each.

Both are natural exponential families on whole numbers: P(k) is proportional to b(k) exp(tilt k),
with a base b that many games share and a tilt that is the game's own. Barndorff-Nielsen (1978),
"Information and Exponential Families", chapter 8. Hence, whatever the base:

- the chance of more than any line grows with the tilt, so a price at a line fixes the tilt;
- mean and variance are the first two derivatives of log sum b(k) exp(tilt k).

Base of the total: a negative binomial, in which odd totals are likelier by exp(bump), since no
game ends level. Base of the margin: the difference of two negative binomial scores of one mean,
without 0, in which home by one is likelier by exp(bump), since a home team stops batting once it
leads in its last inning. Tilting the difference of two Poisson scores of one mean gives Skellam's
law (1946, Journal of the Royal Statistical Society 109(3)); this is its overdispersed relative.
The others that were tried: docs/decisions/008-laws-of-runs-and-margin.md.

Rows are independent: `math.exp` a row, else only + - * / along an axis of fixed length, so a row
comes out the same alone or among a thousand (see models/features/arrays.py).
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from models.features.arrays import Array

Kind = Literal["total", "margin"]

MOST_RUNS, MOST_MARGIN = 60, 30
"""Ends of the supports; what lies beyond counts as the end. Records since 1901: 49 and 27."""
TEAM_RUNS = 4.45
"""Mean score in the margin's base, before the tilt."""
WIDEST = 4.0
"""Tilts lie in (-4, 4): at either end all is certain, and nothing overflows."""
NEWTON_STEPS = 12
"""At prices from .005 to .995 no row needs more than 8."""
_EXACT = 5e-16
_SURE = 1e-9
"""No chance of a side is nearer to 0 or 1."""

TYPICAL: dict[Kind, tuple[float, float]] = {"total": (7.4, 0.35), "margin": (4.9, 0.45)}
"""Dispersion and bump of 2014 to 2018, where a fit starts and what few games are drawn to."""
_PRIOR_SPREAD = 0.3
"""Of log dispersion and bump around the typical ones."""


@dataclass(frozen=True)
class Law:
    """What all games share; methods take one tilt a row, shape (n,)."""

    kind: Kind
    dispersion: float
    """r of the negative binomial: of the total, or of one team's score."""
    bump: float

    def __post_init__(self) -> None:
        """Raises ValueError for numbers that make no law."""
        fits = 0.0 < self.dispersion < math.inf and math.isfinite(self.bump)
        if self.kind not in TYPICAL or not fits:
            raise ValueError(f"{self.kind} law of {self.dispersion}, {self.bump} makes no sense")

    @cached_property
    def support(self) -> Array:
        """(K,) ascending: totals from 1, or margins home less away, without 0."""
        if self.kind == "total":
            return np.arange(1.0, MOST_RUNS + 1.0)
        sides = np.arange(1.0, MOST_MARGIN + 1.0)
        return np.concatenate((-sides[::-1], sides))

    @cached_property
    def base(self) -> Array:
        """(K,) probabilities at tilt 0, in plain floats and a fixed order: the same everywhere."""
        scores = _negative_binomial(self.dispersion, 2 * TEAM_RUNS, MOST_RUNS)
        if self.kind == "total":
            raw = [scores[k] * (math.exp(self.bump) if k % 2 else 1.0) for k in self._whole()]
        else:
            team = _negative_binomial(self.dispersion, TEAM_RUNS, MOST_RUNS)
            raw = [
                math.fsum(team[low] * team[low + abs(k)] for low in range(MOST_RUNS + 1 - abs(k)))
                * (math.exp(self.bump) if k == 1 else 1.0)
                for k in self._whole()
            ]
        total = math.fsum(raw)
        return np.array([one / total for one in raw])

    @cached_property
    def _gaps(self) -> Array:
        return np.diff(self.support, prepend=self.support[0])

    def _whole(self) -> list[int]:
        return [int(k) for k in self.support.tolist()]

    def pmf(self, tilt: Array) -> Array:
        """(n, K) P(k) of each k of the support."""
        weights = self._weights(tilt)
        normed: Array = weights / weights.sum(axis=1)[:, None]
        return normed

    def mean(self, tilt: Array) -> Array:
        """(n,) expected total, or expected margin."""
        weights = self._weights(tilt)
        found: Array = (weights * self.support).sum(axis=1) / weights.sum(axis=1)
        return found

    def over(self, tilt: Array, line: Array) -> Array:
        """(n,) P(the outcome is above the line | no push). Margins: P(margin > line)."""
        above, below = self._sides(line)
        weights = self._weights(tilt)
        up, down = (weights * above).sum(axis=1), (weights * below).sum(axis=1)
        chance: Array = np.minimum(np.maximum(up / (up + down), _SURE), 1.0 - _SURE)
        return chance

    def push(self, tilt: Array, line: Array) -> Array:
        """(n,) P(the outcome is the line itself): 0 at every half line."""
        weights = self._weights(tilt)
        level = weights * (self.support == line[:, None])
        found: Array = level.sum(axis=1) / weights.sum(axis=1)
        return found

    def tilt(self, chance: Array, line: Array) -> Array:
        """(n,) the tilt at which `over` the line is the chance.

        Newton on the log-odds, whose slope is the distance of the means on either side, kept
        inside a bracket. A line outside the support has no answer and gives an end of the range.
        """
        above, below = self._sides(line)
        low, high = np.full(len(line), -WIDEST), np.full(len(line), WIDEST)
        tilt = np.zeros(len(line))
        for _ in range(NEWTON_STEPS):
            weights = self._weights(tilt)
            up, down = weights * above, weights * below
            mass_up, mass_down = up.sum(axis=1), down.sum(axis=1)
            said = mass_up / (mass_up + mass_down)
            # A row that has arrived stays, so when the last one has, the others do not notice.
            arrived = np.abs(said - chance) <= _EXACT
            if arrived.all():
                break
            low, high = np.where(said < chance, tilt, low), np.where(said > chance, tilt, high)
            with np.errstate(invalid="ignore", divide="ignore"):
                apart = (up * self.support).sum(axis=1) / mass_up
                apart = apart - (down * self.support).sum(axis=1) / mass_down
                moved = tilt + (chance - said) / (said * (1.0 - said) * apart)
            inside = (moved > low) & (moved < high)
            moved = np.where(inside, moved, (low + high) * 0.5)
            tilt = np.where(arrived, tilt, moved)
        return tilt

    def _weights(self, tilt: Array) -> Array:
        """(n, K) proportional to P(k)."""
        clipped = np.minimum(np.maximum(tilt, -WIDEST), WIDEST)
        one = np.array([math.exp(value) for value in clipped.tolist()]).reshape(-1, 1)
        powers = np.where(self._gaps == 1.0, one, one * one)  # 2: from -1 to 1
        powers[:, 0] = 1.0
        weights: Array = np.cumprod(powers, axis=1) * self.base
        return weights

    def _sides(self, line: Array) -> tuple[Array, Array]:
        return self.support > line[:, None], self.support < line[:, None]


def mark(kind: Kind, line: Array) -> Array:
    """The outcome above which the first side wins: a total's line, minus a handicap."""
    return line if kind == "total" else -line


def _negative_binomial(dispersion: float, mean: float, most: int) -> list[float]:
    """P(0..most). Cameron, Trivedi (2013), "Regression Analysis of Count Data", section 3.3."""
    share = mean / (mean + dispersion)
    masses = [math.exp(-dispersion * math.log1p(mean / dispersion))]
    for k in range(most):
        masses.append(masses[-1] * (k + dispersion) / (k + 1.0) * share)
    return masses


def fit_law(kind: Kind, chance: Array, line: Array, outcome: Array, weight: Array) -> Law:
    """The law under which games that were priced `chance` above `line` ended as they did.

    All shapes (n,). Posterior mode of log dispersion and bump, each normal around the typical
    value; each game's tilt is the one of its price. Prices are rounded to 1/200 for speed.
    """
    priced = np.column_stack((np.rint(chance * 200.0) / 200.0, line))
    games, row = np.unique(priced, axis=0, return_inverse=True)
    counted = np.zeros((len(games), len(Law(kind, 1.0, 0.0).support)))
    place = np.searchsorted(Law(kind, 1.0, 0.0).support, outcome)
    np.add.at(counted, (row.ravel(), np.minimum(place, counted.shape[1] - 1)), weight)
    centre, bump = math.log(TYPICAL[kind][0]), TYPICAL[kind][1]

    def surprise(x: float, y: float) -> float:
        law = Law(kind, math.exp(x), y)
        prior = ((x - centre) ** 2 + (y - bump) ** 2) / (2.0 * _PRIOR_SPREAD**2)
        said = law.pmf(law.tilt(games[:, 0], games[:, 1]))
        return prior - float((counted * np.log(said)).sum())

    best = (centre, bump)
    least, step = surprise(*best), 0.2
    while step > 0.01:
        around = [(step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)]
        tried = {(best[0] + dx, best[1] + dy): 0.0 for dx, dy in around}
        tried = {at: surprise(*at) for at in tried}
        nearest = min(tried, key=lambda at: tried[at])
        if tried[nearest] < least:
            best, least = nearest, tried[nearest]
        else:
            step /= 2.0
    return Law(kind, math.exp(best[0]), best[1])
