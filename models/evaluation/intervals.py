"""Is a difference luck? Days are drawn, not games.

Games of one day share weather, news and the books' mood; days hardly do. Every statistic here is
a ratio of sums over days, so a resample is one row of counts times the day sums: no row loops.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import stats  # type: ignore[import-untyped]

from models.features.arrays import Array

RESAMPLES = 4_000
CONFIDENCE = 0.95
MIN_DAYS = 5
"""Fewer blocks have too few resamples for an interval."""


class Interval(NamedTuple):
    low: float
    high: float


@dataclass(frozen=True)
class DaySums:
    """Of a quantity whose weighted mean is asked for; days in order."""

    total: Array
    """(days,) sum of weight times value."""
    weight: Array
    """(days,)"""

    @classmethod
    def of(cls, day: Array, values: Array, weight: Array) -> "DaySums":
        """All of shape (n,); days of any type that sorts. Raises ValueError when empty."""
        if not len(values) or weight.sum() <= 0.0:
            raise ValueError("nothing to judge")
        _, place = np.unique(day, return_inverse=True)
        return cls(np.bincount(place, weight * values), np.bincount(place, weight))

    def __len__(self) -> int:
        return len(self.total)

    @property
    def mean(self) -> float:
        return float(self.total.sum() / self.weight.sum())

    @property
    def residual(self) -> Array:
        """(days,) what each day adds beyond its share of the mean; sums to 0."""
        rest: Array = self.total - self.weight * self.mean
        return rest

    @property
    def standard_error(self) -> float:
        """Of the mean, games of a day taken together; NaN for a single day.

        Liang, Zeger (1986), Biometrika 73(1), with their correction days / (days - 1).
        """
        if len(self) < 2:
            return float("nan")
        spread = (self.residual**2).sum() * len(self) / (len(self) - 1)
        return float(np.sqrt(spread) / self.weight.sum())


@lru_cache(maxsize=8)
def _draws(days: int, resamples: int, seed: int) -> Array:
    """(resamples, days) how often each day was drawn; a report asks for the same ones often."""
    drawn = np.random.default_rng(seed).multinomial(days, np.full(days, 1.0 / days), resamples)
    counts = drawn.astype(np.float64)
    counts.flags.writeable = False
    return counts


def resampled_means(sums: DaySums, resamples: int, seed: int) -> Array:
    """(resamples,) means of as many days drawn with replacement."""
    counts = _draws(len(sums), resamples, seed)
    means: Array = (counts @ sums.total) / (counts @ sums.weight)
    return means


def block_bootstrap(
    sums: DaySums, confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 1
) -> Interval:
    """BCa interval of the mean, blocks of one day; NaN below `MIN_DAYS`.

    Efron (1987), "Better Bootstrap Confidence Intervals", JASA 82(397); the acceleration from the
    jackknife over days. Pairing is the caller's: give the differences of a game's two losses.
    """
    if len(sums) < MIN_DAYS:
        return Interval(float("nan"), float("nan"))
    if not np.abs(sums.residual).max() > 0.0:
        return Interval(sums.mean, sums.mean)
    means = resampled_means(sums, resamples, seed)
    below = ((means < sums.mean).sum() + (means == sums.mean).sum() / 2.0) / resamples
    bias = stats.norm.ppf(np.clip(below, 0.5 / resamples, 1.0 - 0.5 / resamples))
    held = sums.weight.sum() - sums.weight
    left_out = (sums.total.sum() - sums.total)[held > 0.0] / held[held > 0.0]
    apart = left_out.mean() - left_out
    spread = (apart**2).sum()
    bent = (apart**3).sum() / (6.0 * spread**1.5) if spread > 0.0 else 0.0
    ends = stats.norm.ppf([(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    level = stats.norm.cdf(bias + (bias + ends) / (1.0 - bent * (bias + ends)))
    low, high = np.quantile(means, level)
    return Interval(float(low), float(high))


class DieboldMariano(NamedTuple):
    statistic: float
    """Negative where the first forecast lost less."""
    p_value: float
    """Two-sided, Student's t with one degree of freedom less than days."""


def diebold_mariano(sums: DaySums, lags: int = 0) -> DieboldMariano:
    """Are two forecasts equally good? sums: of loss differences, first less second.

    The variance sums over games of a day whatever binds them, and over `lags` days after it with
    Bartlett's weights. NaN below two days or without any difference. Diebold, Mariano (1995),
    JBES 13(3); small-sample factor of Harvey, Leybourne, Newbold (1997), International Journal of
    Forecasting 13(2), equation 9, with a horizon of lags + 1; weights of Newey, West (1987).
    """
    days, rest = len(sums), sums.residual
    if days <= lags + 1 or not np.abs(rest).max() > 0.0:
        return DieboldMariano(float("nan"), float("nan"))
    spread = rest @ rest
    for lag in range(1, lags + 1):
        spread += 2.0 * (1.0 - lag / (lags + 1.0)) * (rest[lag:] @ rest[:-lag])
    horizon = lags + 1
    small = (days + 1 - 2 * horizon + horizon * (horizon - 1) / days) / days
    statistic = float(sums.total.sum() / np.sqrt(spread) * np.sqrt(small))
    return DieboldMariano(statistic, float(2.0 * stats.t.sf(abs(statistic), days - 1)))
