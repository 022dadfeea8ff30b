"""Two models on live games: which of them is better so far.

Shadow: both score every game, so losses are paired. Split: a game belongs to one of them
(`models.assignment`). Either way the answer is a mean difference per game, B less A: below 0, B is
better.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import stats  # type: ignore[import-untyped]

from models.evaluation.compare import USUAL, Drawing
from models.evaluation.intervals import CONFIDENCE, DaySums, Interval
from models.evaluation.metrics import log_losses
from models.evaluation.power import POWER, games_needed
from models.features.arrays import Array

A, B = "a", "b"

BURN_IN_DAYS = 20
"""Below this a standard error is too rough for a promise about all times."""
TIGHT_AT_DAYS = 90
"""Half a season: where the confidence sequence is narrowest for its length."""


@dataclass(frozen=True)
class Outcome:
    difference: float
    """Log-loss, B less A."""
    interval: Interval
    """Days drawn: valid when looked at once, after a number of games chosen before."""
    always: Interval
    """Confidence sequence: valid however often it is looked at, and when stopped at will."""
    games: int
    days: int
    deviation: float
    """Of one game's difference, for `plan`; ties between games of a day included."""

    @property
    def settled(self) -> str | None:
        """Which arm is better, once that is safe to say at any time."""
        if self.always.high < 0.0:
            return B
        return A if self.always.low > 0.0 else None


def shadow(rows: pl.DataFrame, drawing: Drawing = USUAL) -> Outcome:
    """rows: day, game_id, weight, outcome (no pushes), a, b: probabilities by either model."""
    won = rows["outcome"].to_numpy()
    apart = log_losses(rows[B].to_numpy(), won) - log_losses(rows[A].to_numpy(), won)
    return _outcome(rows, apart, drawing)


def split(rows: pl.DataFrame, drawing: Drawing = USUAL) -> Outcome:
    """rows: day, game_id, weight, outcome (no pushes), arm, share (of B), model, consensus.

    Each game counts its model's log-loss less the market's, divided by the chance of its arm and
    negative for A: on average that is the difference of the arms, whatever games they drew
    (Horvitz, Thompson, 1952, JASA 47(260)). The market's loss carries the luck of the game and
    takes most of the noise away.
    """
    won = rows["outcome"].to_numpy()
    edge = log_losses(rows["model"].to_numpy(), won) - log_losses(rows["consensus"].to_numpy(), won)
    return _outcome(rows, edge * drawn(rows), drawing)


def drawn(rows: pl.DataFrame) -> Array:
    """What a game of a split counts: one over the chance of its arm, negative for A."""
    share = rows["share"].to_numpy()
    factor: Array = np.where((rows["arm"] == B).to_numpy(), 1.0 / share, -1.0 / (1.0 - share))
    return factor


def split_deviation(deviation_a: float, deviation_b: float, share: float) -> float:
    """Of one game's difference in a split, from those of either model's edge on the market."""
    return math.sqrt(deviation_b**2 / share + deviation_a**2 / (1.0 - share))


def _outcome(rows: pl.DataFrame, apart: Array, drawing: Drawing) -> Outcome:
    sums = DaySums.of(rows["day"].to_numpy(), apart, rows["weight"].to_numpy())
    always = confidence_sequence(sums, drawing.confidence)
    return Outcome(
        difference=sums.mean,
        interval=drawing.interval(sums),
        always=Interval(float(always.low[-1]), float(always.high[-1])),
        games=rows["game_id"].n_unique(),
        days=len(sums),
        deviation=sums.standard_error * math.sqrt(float(sums.weight.sum())),
    )


class Sequence(NamedTuple):
    """After each day: (days,). Infinite during the burn-in."""

    low: Array
    high: Array


def confidence_sequence(
    sums: DaySums, confidence: float = CONFIDENCE, tight_at: float = TIGHT_AT_DAYS
) -> Sequence:
    """Intervals that contain the true mean on all days at once, with that confidence.

    The normal mixture boundary of Robbins, as in Howard, Ramdas, McAuliffe, Sekhon (2021),
    "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49(2),
    section 3.2, around the running mean with the running standard error by days. Losses are not
    bounded in any useful way, so the variance is estimated: Waudby-Smith, Arbour, Sinha, Kennedy,
    Ramdas (2024), "Time-uniform central limit theory", Annals of Statistics 52(6). The promise is
    that of a central limit theorem, hence the burn-in.
    """
    days = np.arange(1, len(sums) + 1)
    total, weight = np.cumsum(sums.total), np.cumsum(sums.weight)
    mean = total / weight
    squares = (
        np.cumsum(sums.total**2)
        - 2.0 * mean * np.cumsum(sums.total * sums.weight)
        + mean**2 * np.cumsum(sums.weight**2)
    )
    error = np.sqrt(np.maximum(squares, 0.0) * days / np.maximum(days - 1, 1)) / weight
    reach = np.where(days < BURN_IN_DAYS, np.inf, multiplier(days, confidence, tight_at))
    with np.errstate(invalid="ignore"):
        wide = np.where(days < BURN_IN_DAYS, np.inf, reach * error)
    return Sequence(mean - wide, mean + wide)


def multiplier(days: Array, confidence: float, tight_at: float) -> Array:
    """Standard errors to either side, where a single look would take 1.96."""
    risk = 1.0 - confidence
    # Howard et al., section 3.5: this variance of the mixture is best at `tight_at`.
    loose = -2.0 * math.log(risk)
    width = tight_at / (loose + math.log1p(loose))
    found: Array = np.sqrt((days + width) / days * np.log((days + width) / (width * risk**2)))
    return found


class Plan(NamedTuple):
    """Games until a difference is told from 0."""

    once: int
    """Looked at once, then."""
    always: int
    """Looked at daily, stopped when settled."""


def plan(
    deviation: float,
    difference: float,
    games_a_day: float,
    confidence: float = CONFIDENCE,
    power: float = POWER,
) -> Plan:
    """deviation: of one game's difference (`Outcome.deviation`, `split_deviation`).

    Raises ValueError for a difference of 0.
    """
    once = games_needed(deviation, difference, confidence, power)

    def enough(days: float) -> bool:
        at = max(days, BURN_IN_DAYS)
        reach = float(multiplier(np.array([at]), confidence, at)[0]) + stats.norm.ppf(power)
        return bool(reach * deviation / math.sqrt(days * games_a_day) <= abs(difference))

    low, high = 0.0, 1.0
    while not enough(high):
        low, high = high, 2.0 * high
    while high - low > 1.0 / games_a_day:
        middle = (low + high) / 2.0
        low, high = (low, middle) if enough(middle) else (middle, high)
    return Plan(once, max(math.ceil(high * games_a_day), once))
