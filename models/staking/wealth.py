"""Moments of wealth after a slate of independent games, without listing their joint outcomes.

Fifteen games of three outcomes have 14 million joint ones. But a power of wealth is an integral of
exponentials, and the mean of an exponential of a sum over independent games is a product of means,
one a game:

    E[W**-a] = 1 / Gamma(a) * integral over t > 0 of t**(a - 1) E[exp(-t W)] dt
    E[log W] = integral over t > 0 of (exp(-t) - E[exp(-t W)]) / t dt

With t = exp(u) the integrand dies off at both ends and is analytic for |Im u| < pi / 2, so the
trapezoidal rule converges geometrically: by Poisson's formula its relative error at step h is at
most 2 * sum over k of |Gamma(a + 2 pi i k / h)| / Gamma(a), whatever W > 0 is. The step is chosen
to keep that below 1e-15, so about a hundred points stand for any number of joint outcomes at the
precision of a double. Trefethen and Weideman (2014), "The exponentially convergent trapezoidal
rule", SIAM Review 56(3).
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Self

import numpy as np
from scipy.special import gammainccinv, gammaln, loggamma  # type: ignore[import-untyped]

from models.features.arrays import Array

_ALIASING = 1e-15
_TAIL = 1e-18
_LARGEST = 650.0
"""Log of what a double still holds with room for sums and squares."""
_CANCELLED = 0.5
"""E[W**-a] below which it is summed by itself, not as its difference from 1."""
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Slate:
    """Bets on independent games, each game a table of outcomes."""

    returns: Array
    """Net return per unit staked, shape (rows, bets): -1 is a lost stake, 0 a push. Rows are
    outcomes of games, a game's together; a bet is 0 in the rows of other games."""
    probability: Array
    """Of each row within its game, above 0."""
    starts: Array
    """First row of each game."""

    @cached_property
    def game(self) -> Array:
        """Number of each row's game."""
        sizes = np.diff(np.append(self.starts, len(self.probability)))
        return np.repeat(np.arange(len(self.starts)), sizes)

    @cached_property
    def together(self) -> Array:
        """Whether two bets are on the same game, shape (bets, bets)."""
        touched = np.logical_or.reduceat(self.returns != 0.0, self.starts, axis=0).astype(np.int64)
        return touched.T @ touched > 0

    @cached_property
    def edges(self) -> Array:
        """Expected net return per unit, a bet."""
        edges: Array = self.probability @ self.returns
        return edges

    def only(self, bets: Array) -> Self:
        """The same games with these bets."""
        return type(self)(self.returns[:, bets], self.probability, self.starts)

    def scaled(self, factor: float) -> Self:
        """The same games where a unit of stake is `factor` units."""
        if factor == 1.0:
            return self
        return type(self)(self.returns * factor, self.probability, self.starts)

    def worst(self, stakes: Array) -> float:
        """Wealth after the worst outcome of every game, of 1 before."""
        ends = np.minimum.reduceat(self.returns @ stakes, self.starts)
        return 1.0 + float(ends.sum())


@dataclass(frozen=True)
class Cumulant:
    """log E[W**-a] / a at some stakes, with its first two derivatives; -E[log W] where a is 0.

    Convex in the stakes for every a >= 0.
    """

    value: float
    gradient: Array
    hessian: Array
    error: float
    """Bound on the error of `value`: of the rule, its ends, and rounding."""


@dataclass(frozen=True)
class _Rule:
    """Trapezoidal rule of one order."""

    step: float
    first: float
    """log t below which the integrand is a plain power of t, for wealth up to 1."""
    last: float
    """t beyond which nothing is left, for wealth of 1 or more."""
    closing: float
    """Weight of the first point: it stands for all points below it too, a geometric series."""
    aliasing: float


def _aliasing(order: float, frequency: float) -> float:
    """Relative error of the rule for W**-order; absolute one for log W where order is 0."""
    k = np.arange(1, 4)
    log_gamma = loggamma(order + 1j * frequency * k).real
    scale = gammaln(order) if order > 0.0 else -math.log(2.0)
    return float(2.0 * np.exp(log_gamma - scale).sum())


@lru_cache(maxsize=64)
def _rule(order: float) -> _Rule:
    frequency = 20.0
    while max(_aliasing(order, frequency), _aliasing(order + 1.0, frequency)) > _ALIASING:
        frequency += 0.5
    step = 2.0 * math.pi / frequency
    return _Rule(
        step=step,
        first=(math.log(_TAIL) + float(gammaln(order + 1.0))) / max(order + 1.0, 2.0),
        last=float(gammainccinv(order + 2.0, _TAIL)),
        closing=1.0 / -math.expm1(-(order + 1.0) * step),
        aliasing=_aliasing(order, frequency),
    )


def cumulant(slate: Slate, stakes: Array, order: float) -> Cumulant | None:
    """At stakes of shape (bets,), or none where some outcome would take the whole bankroll,
    or so nearly that E[W**-a] overflows.

    order: a >= 0; 0 is -E[log W].
    """
    gains = slate.returns @ stakes
    lowest = np.minimum.reduceat(gains, slate.starts)
    worst = 1.0 + float(lowest.sum())
    if not worst > 0.0:
        return None
    best = 1.0 + float(np.maximum.reduceat(gains, slate.starts).sum())
    rule = _rule(order)
    begin = math.floor((rule.first - math.log(max(best, 1.0))) / rule.step)
    end = math.ceil(math.log(rule.last / min(worst, 1.0)) / rule.step)
    u = rule.step * np.arange(begin, end + 1)
    t = np.exp(u)

    # Each game's outcomes under the weight exp(-t gain), apart from its largest term.
    tilted = np.exp(-t[:, None] * (gains - lowest[slate.game])) * slate.probability
    sums = np.add.reduceat(tilted, slate.starts, axis=1)
    tilted /= sums[:, slate.game]
    means = tilted @ slate.returns

    log_joint = np.log(sums).sum(axis=1) - t * worst  # of E[exp(-t W)]
    log_weight = order * u - float(gammaln(order + 1.0))
    if (log_weight + u + log_joint).max() > _LARGEST:
        return None
    lasting, idle = np.exp(log_weight + log_joint), np.exp(log_weight - t)
    firsts = rule.step * lasting * t
    firsts[0] *= rule.closing
    differences = rule.step * (lasting - idle)
    differences[0] *= rule.closing
    excess = float(differences.sum())  # E[W**-a] - 1, over a
    mean = 1.0 + order * excess
    if order >= 1.0 and mean < _CANCELLED:
        lasting[0] /= -math.expm1(-order * rule.step)
        mean = order * rule.step * float(lasting.sum())
        value = math.log(mean) / order
    else:
        value = math.log1p(order * excess) / order if order > 0.0 else excess
    gradient = -(firsts @ means) / mean
    seconds = firsts * t
    apart = means.T @ (seconds[:, None] * means)
    within = slate.returns.T @ ((seconds @ tilted)[:, None] * slate.returns)
    hessian = np.where(slate.together, within, apart) / mean
    hessian -= order * gradient[:, None] * gradient
    # Of the sum over points, of the worst wealth, in which all but `worst` of 1 cancels, and of
    # exponents as large as the weights'.
    terms = len(slate.starts) + 4
    exponents = (abs(float(gammaln(order + 1.0))) + order * float(np.abs(u).max())) / (order or 1.0)
    rounding = 4.0 * _EPSILON * (terms * (rule.step * len(t) + 1.0 / worst) + exponents)
    error = rule.aliasing / (order or 1.0) + rounding
    return Cumulant(value, gradient, hessian, error)
