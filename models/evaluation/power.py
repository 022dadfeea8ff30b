"""How many games a claim needs."""

import math
from typing import NamedTuple

from scipy import stats  # type: ignore[import-untyped]

from models.evaluation.intervals import CONFIDENCE, DaySums

POWER = 0.8


def games_needed(
    deviation: float, difference: float, confidence: float = CONFIDENCE, power: float = POWER
) -> int:
    """Games after which a true mean difference would be told from 0, two-sided.

    n = ((z[(1 + confidence) / 2] + z[power]) * deviation / difference)**2: Chow, Shao, Wang,
    Lokhnygina (2017), "Sample Size Calculations in Clinical Research", section 3.1.
    deviation: of one game's difference. Raises ValueError for a difference of 0.

    >>> games_needed(deviation=1.0, difference=0.5)
    32
    """
    if not difference:
        raise ValueError("no number of games shows a difference of 0")
    reach = stats.norm.ppf((1.0 + confidence) / 2.0) + stats.norm.ppf(power)
    return math.ceil(float(reach * deviation / difference) ** 2)


def smallest_shown(
    deviation: float, games: float, confidence: float = CONFIDENCE, power: float = POWER
) -> float:
    """The true mean difference that so many games would tell from 0: `games_needed` inverted."""
    reach = stats.norm.ppf((1.0 + confidence) / 2.0) + stats.norm.ppf(power)
    return float(reach * deviation / math.sqrt(games))


class Spread(NamedTuple):
    """What a sample says of its difference."""

    deviation: float
    """Of one game's difference, the ties between games of a day included."""
    games: float


def spread_of(sums: DaySums) -> Spread:
    """From day sums whose weights count games; NaN deviation below two days."""
    games = float(sums.weight.sum())
    return Spread(sums.standard_error * math.sqrt(games), games)
