"""Probabilities mended after the fact: a monotone map, fitted on games the booster never saw."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.features.arrays import Array
from models.odds import sigmoid

MIN_GAMES = 100
"""With fewer there is nothing to choose by: what the booster says stands."""
MIN_ISOTONIC_GAMES = 1_000
"""Below this steps overfit. Niculescu-Mizil, Caruana (2005), "Predicting good probabilities with
supervised learning", ICML."""
SURE = 2.0
"""Standard errors by which a map must be better: most of what beats one by luck does no good."""
_STEPS = 50
_EDGE = 0.01
"""An isotonic map never says less than this, nor more than 1 less this."""
_SPREAD = 0.1
"""Prior deviation of the beta map's numbers from the identity: what starts from the market is off
by little, and without this a run of two hundred unders would move every total."""

Method = Literal["identity", "beta", "isotonic"]


@dataclass(frozen=True)
class Calibration:
    """A map of (0, 1) that never falls. Scalar, so a row does not depend on its batch."""

    method: Method = "identity"
    numbers: tuple[float, ...] = ()
    """beta: slope of ln p, slope of -ln(1 - p), shift. isotonic: knots, then their values."""

    def __post_init__(self) -> None:
        """Raises ValueError for numbers that make no map."""
        count, half = len(self.numbers), len(self.numbers) // 2
        fits = all(math.isfinite(one) for one in self.numbers) and {
            "identity": count == 0,
            "beta": count == 3 and min(self.numbers[:2], default=-1.0) >= 0.0,
            "isotonic": half > 0
            and count == 2 * half
            and self.numbers == (*sorted(self.numbers[:half]), *sorted(self.numbers[half:]))
            and 0.0 < self.numbers[half] <= self.numbers[-1] < 1.0,
        }.get(self.method, False)
        if not fits:
            raise ValueError(f"calibration {self.method} of {count} numbers makes no sense")

    def __call__(self, chance: float) -> float:
        """Raises ValueError (beta) at 0 and 1, which no model says."""
        if self.method == "identity":
            return chance
        if self.method == "beta":
            up, down, shift = self.numbers
            return sigmoid(up * math.log(chance) - down * math.log1p(-chance) + shift)
        half = len(self.numbers) // 2
        knots, values = self.numbers[:half], self.numbers[half:]
        place = bisect_right(knots, chance)
        if place == 0 or place == half:
            return values[min(place, half - 1)]
        left, right = knots[place - 1], knots[place]
        part = (chance - left) / (right - left)
        return values[place - 1] + part * (values[place] - values[place - 1])

    def of(self, chance: Array) -> Array:
        """The same of each, shape (n,)."""
        return np.array([self(one) for one in chance.tolist()])


IDENTITY = Calibration()


def fit_beta(chance: Array, won: Array, weight: Array) -> Calibration:
    """Kull, Silva Filho, Flach (2017), "Beta calibration", AISTATS.

    Logistic regression on ln p and -ln(1 - p) by Newton's method, drawn to slopes 1 and shift 0.
    A slope that comes out below 0, which would not be monotone, is 0 and the others are fitted
    again, as they do.
    """
    inputs = np.column_stack((np.log(chance), -np.log1p(-chance), np.ones_like(chance)))
    numbers = np.array([1.0, 1.0, 0.0])
    free = np.array([True, True, True])
    for _ in range(3):
        start = np.where(free, np.array([1.0, 1.0, 0.0]), 0.0)
        numbers = _logistic(inputs, won, weight, start, free)
        below = free & (numbers < 0.0) & np.array([True, True, False])
        if not below.any():
            break
        free = free & ~below
    return Calibration("beta", tuple(float(one) for one in np.where(free, numbers, 0.0)))


def _logistic(inputs: Array, won: Array, weight: Array, start: Array, free: Array) -> Array:
    pull = _SPREAD**-2
    numbers = start.copy()
    used = inputs[:, free]
    for _ in range(_STEPS):
        said = 1.0 / (1.0 + np.exp(-(inputs @ numbers)))
        slope = used.T @ (weight * (won - said)) - pull * (numbers - start)[free]
        bend = (used * (weight * said * (1.0 - said))[:, None]).T @ used
        step = np.linalg.solve(bend + pull * np.eye(len(slope)), slope)
        numbers[free] += step
        if float(np.abs(step).max()) < 1e-10:
            break
    return numbers


def fit_isotonic(chance: Array, won: Array, weight: Array) -> Calibration:
    """Pool adjacent violators, read off between the blocks' centres by straight lines.

    Ayer et al. (1955), "An empirical distribution function for sampling with incomplete
    information", Annals of Mathematical Statistics 26(4).
    """
    order = np.argsort(chance, kind="stable")
    blocks: list[list[float]] = []  # weight, weight x chance, weight x won
    for heavy, said, one in zip(
        weight[order].tolist(), chance[order].tolist(), won[order].tolist(), strict=True
    ):
        blocks.append([heavy, heavy * said, heavy * one])
        while len(blocks) > 1 and blocks[-2][2] * blocks[-1][0] >= blocks[-1][2] * blocks[-2][0]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    knots = [said / heavy for heavy, said, _ in blocks]
    values = [min(max(wins / heavy, _EDGE), 1.0 - _EDGE) for heavy, _, wins in blocks]
    return Calibration("isotonic", (*knots, *values))


def choose(chance: Array, won: Array, weight: Array, game: Array) -> Calibration:
    """The map that mends most, or the identity.

    Rows in order of time, all shapes (n,). The maps are fitted on the earlier half of the games
    and judged on the later one: a map must lower the log-loss there by more than `SURE` standard
    errors of the paired difference a game. The best one is then fitted on all of them.
    """
    games = np.unique(game)
    if len(games) < MIN_GAMES:
        return IDENTITY
    later = game >= games[len(games) // 2]
    early = ~later
    best, most = None, 0.0
    plain = _losses(chance[later], won[later])
    _, place = np.unique(game[later], return_inverse=True)
    for fit in (fit_beta, fit_isotonic) if len(games) >= MIN_ISOTONIC_GAMES else (fit_beta,):
        mended = fit(chance[early], won[early], weight[early]).of(chance[later])
        gain = np.bincount(place, weight[later] * (plain - _losses(mended, won[later])))
        sure = float(gain.mean() - SURE * gain.std(ddof=1) / math.sqrt(len(gain)))
        if sure > most:
            best, most = fit, sure
    return IDENTITY if best is None else best(chance, won, weight)


def _losses(chance: Array, won: Array) -> Array:
    return -np.log(np.where(won, chance, 1.0 - chance))
