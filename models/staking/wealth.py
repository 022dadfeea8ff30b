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
        if bets.all():
            return self
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


@dataclass(frozen=True)
class _Nodes:
    """Points of a rule, and all that depends on them alone."""

    step: float
    t: Array
    log_weight: Array
    log_steep: Array
    """The same for first derivatives."""
    weights: Array
    """Of the points in the sum, the first one for all below it too."""
    idle: Array
    """The integrand of a wealth of 1."""
    furthest: float
    """Largest |log t|."""


@lru_cache(maxsize=4096)
def _nodes(order: float, begin: int, end: int) -> _Nodes:
    rule = _rule(order)
    u = rule.step * np.arange(begin, end + 1)
    t, log_weight = np.exp(u), order * u - float(gammaln(order + 1.0))
    weights = np.full(len(u), rule.step)
    weights[0] *= rule.closing
    idle = np.exp(log_weight - t)
    return _Nodes(rule.step, t, log_weight, log_weight + u, weights, idle, float(np.abs(u).max()))


@dataclass(frozen=True)
class _Integrand:
    """Of one order at some stakes."""

    nodes: _Nodes
    tilted: Array
    """Chance of each outcome in its game under the weight exp(-t gain), times `sums`."""
    sums: Array
    lasting: Array
    """Weight times E[exp(-t W)]."""
    mean: float
    """E[W**-a]."""
    value: float
    error: float

    @classmethod
    def of(cls, slate: Slate, stakes: Array, order: float) -> Self | None:
        gains = slate.returns @ stakes
        lowest = np.minimum.reduceat(gains, slate.starts)
        worst = 1.0 + float(lowest.sum())
        if not worst > 0.0:
            return None
        best = 1.0 + float(np.maximum.reduceat(gains, slate.starts).sum())
        rule = _rule(order)
        nodes = _nodes(
            order,
            math.floor((rule.first - math.log(max(best, 1.0))) / rule.step),
            math.ceil(math.log(rule.last / min(worst, 1.0)) / rule.step),
        )
        # Apart from each game's largest term.
        tilted = np.exp(np.multiply.outer(-nodes.t, gains - lowest[slate.game]))
        tilted *= slate.probability
        sums = np.add.reduceat(tilted, slate.starts, axis=1)
        log_joint = np.log(sums).sum(axis=1) - nodes.t * worst  # of E[exp(-t W)]
        if (nodes.log_steep + log_joint).max() > _LARGEST:
            return None
        lasting = np.exp(nodes.log_weight + log_joint)
        excess = float((nodes.weights * (lasting - nodes.idle)).sum())  # E[W**-a] - 1, over a
        mean = 1.0 + order * excess
        if order >= 1.0 and mean < _CANCELLED:
            whole = float(lasting[1:].sum()) + float(lasting[0]) / -math.expm1(-order * rule.step)
            mean = order * rule.step * whole
            value = math.log(mean) / order
        else:
            value = math.log1p(order * excess) / order if order > 0.0 else excess
        # Of the sum over points, of the worst wealth, in which all but `worst` of 1 cancels, and of
        # exponents as large as the weights'.
        terms = len(slate.starts) + 4
        exponents = (abs(float(gammaln(order + 1.0))) + order * nodes.furthest) / (order or 1.0)
        rounding = terms * (rule.step * len(nodes.t) + 1.0 / worst) + exponents
        error = rule.aliasing / (order or 1.0) + 4.0 * _EPSILON * rounding
        return cls(nodes, tilted, sums, lasting, mean, value, error)


def growth(slate: Slate, stakes: Array) -> tuple[float, float] | None:
    """E[log W] at some stakes, and the bound on its error; none as `cumulant`."""
    found = _Integrand.of(slate, stakes, 0.0)
    return None if found is None else (-found.value, found.error)


def cumulant(slate: Slate, stakes: Array, order: float) -> Cumulant | None:
    """At stakes of shape (bets,), or none where some outcome would take the whole bankroll,
    or so nearly that E[W**-a] overflows.

    order: a >= 0; 0 is -E[log W].
    """
    found = _Integrand.of(slate, stakes, order)
    if found is None:
        return None
    nodes, mean = found.nodes, found.mean
    chances = found.tilted / found.sums[:, slate.game]
    means = chances @ slate.returns
    firsts = nodes.weights * found.lasting * nodes.t
    gradient = -(firsts @ means) / mean
    seconds = firsts * nodes.t
    apart = means.T @ (seconds[:, None] * means)
    within = slate.returns.T @ ((seconds @ chances)[:, None] * slate.returns)
    hessian = np.where(slate.together, within, apart) / mean
    hessian -= order * gradient[:, None] * gradient
    return Cumulant(found.value, gradient, hessian, found.error)
