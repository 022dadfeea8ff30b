"""How good probabilities were.

Everywhere: chance is P(won), won 0/1 or bool, weight at least 0, all of shape (n,).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.features.arrays import Array

BINS = 10
"""Of a reliability curve: few enough that a season leaves some hundred games in each."""


@dataclass(frozen=True)
class Score:
    """Weighted means over the judged rows."""

    log_loss: float
    brier: float
    rows: int


def log_losses(chance: Array, won: Array) -> Array:
    """-log of what was given to what happened, nats, (n,). Infinite where that was 0.

    Good (1952), "Rational Decisions", JRSS B 14(1).
    """
    with np.errstate(divide="ignore"):
        losses: Array = -np.log(np.where(won, chance, 1.0 - chance))
    return losses


def briers(chance: Array, won: Array) -> Array:
    """(chance - won)**2, (n,). Brier (1950), Monthly Weather Review 78(1)."""
    squares: Array = (won - chance) ** 2
    return squares


def ranked_probability(mass: Array, outcome: Array) -> Array:
    """Sum over thresholds of (P(at most) - [outcome at most])**2, (n,); 0 is perfect.

    mass: (n, values) probabilities of consecutive values. outcome: (n,) column of what happened.
    Not divided by the number of thresholds, so that values which never happen change nothing.
    Epstein (1969), Journal of Applied Meteorology 8(6); the sum form, as in Gneiting, Raftery
    (2007), JASA 102(477), section 4.2. Raises ValueError for an outcome outside the columns.
    """
    if len(outcome) and not ((outcome >= 0) & (outcome < mass.shape[1])).all():
        raise ValueError("an outcome lies outside the distribution's values")
    at_most = np.cumsum(mass, axis=1)
    happened = np.arange(mass.shape[1]) >= outcome[:, None]
    scores: Array = ((at_most - happened) ** 2).sum(axis=1)
    return scores


def weighted_mean(values: Array, weight: Array) -> float:
    """Raises ValueError when there is nothing to average."""
    if not len(values) or weight.sum() <= 0.0:
        raise ValueError("nothing to judge")
    return float((values * (weight / weight.sum())).sum())


def score_binary(chance: Array, won: Array, weight: Array) -> Score:
    """Log-loss (nats) and Brier score. Raises ValueError when empty."""
    return Score(
        log_loss=weighted_mean(log_losses(chance, won), weight),
        brier=weighted_mean(briers(chance, won), weight),
        rows=len(chance),
    )


def auc(chance: Array, won: Array, weight: Array) -> float:
    """P(a winner was given more than a loser), ties count half; NaN where all won or all lost.

    Weighted Mann-Whitney statistic: Hanley, McNeil (1982), Radiology 143(1).
    """
    _, place = np.unique(chance, return_inverse=True)
    winners = np.bincount(place, weight * (won > 0))
    losers = np.bincount(place, weight * (won <= 0))
    pairs = winners.sum() * losers.sum()
    if pairs <= 0.0:
        return float("nan")
    below = np.cumsum(losers) - losers
    return float((winners * (below + losers / 2.0)).sum() / pairs)


class Reliability(NamedTuple):
    """Bins in order of what was predicted; empty ones are left out."""

    predicted: Array
    """(bins,) weighted mean prediction."""
    happened: Array
    """(bins,) weighted share that won."""
    weight: Array
    """(bins,)"""

    @property
    def error(self) -> float:
        """Weighted mean gap of what happened from what was predicted.

        The expected calibration error with bins of equal weight: Nguyen, O'Connor (2015), EMNLP,
        section 3; Naeini, Cooper, Hauskrecht (2015), AAAI, for the name.
        """
        return weighted_mean(np.abs(self.happened - self.predicted), self.weight)


def reliability(chance: Array, won: Array, weight: Array, bins: int = BINS) -> Reliability:
    """What happened where so much was predicted, in bins of equal weight.

    Equal predictions share a bin, so there may be fewer. Raises ValueError when empty.
    """
    place = equal_bins(chance, weight, bins)
    held = np.bincount(place, weight)
    full = held > 0.0
    predicted, happened = (
        np.bincount(place, weight * values)[full] / held[full] for values in (chance, won)
    )
    return Reliability(predicted, happened, held[full])


def equal_bins(values: Array, weight: Array, bins: int) -> Array:
    """Bin of each value, (n,) from 0 on: about the same weight in each, equal values together."""
    if not len(values) or weight.sum() <= 0.0:
        raise ValueError("nothing to judge")
    distinct, place = np.unique(values, return_inverse=True)
    held = np.bincount(place, weight, len(distinct))
    middle = (np.cumsum(held) - held / 2.0) / held.sum()
    number: Array = np.minimum((middle * bins).astype(np.intp), bins - 1)[place]
    return number
