"""De-vig of markets with any number of outcomes, many at once.

Prices are decimal, shape (..., outcomes); fair probabilities come back in the same shape and sum
to 1. A market that has no answer is NaN as a whole: a price that is missing (a one-sided quote) or
does not pay, fewer than two outcomes, or a method that leaves an outcome nothing (`additive` and
`goto` can, with three or more). Never clipped: a clipped probability is nobody's. Margins may be
zero, where every method gives the implied probabilities back, or negative.

Clarke, Kovalchik, Ingram (2017), "Adjusting bookmaker's odds to allow for overround", American
Journal of Sports Science 5(6); Strumbelj (2014), "On determining probability forecasts from
betting odds", International Journal of Forecasting 30(4). `two_way` is the same for the fold.
"""

from collections.abc import Callable

import numpy as np

from models.features.arrays import Array
from schemas.sections.scoring import DevigMethod

_MAX_STEPS = 200
_TOLERANCE = 1e-15

Curve = Callable[[Array, Array], tuple[Array, Array]]
"""(parameter a market, rows) -> fair probabilities before they sum to 1, their slopes."""


def overround(prices: Array) -> Array:
    """Sum of the implied probabilities of each market."""
    total: Array = (1.0 / prices).sum(axis=-1)
    return total


def devig(prices: Array, method: DevigMethod) -> Array:
    """Fair probabilities, shape (..., outcomes); NaN rows where there is no answer.

    >>> devig(np.array([1.5, 2.5]), "multiplicative").tolist()
    [0.625, 0.375]
    """
    prices = np.asarray(prices, dtype=np.float64)
    fair = np.full(prices.shape, np.nan)
    if prices.shape[-1] < 2:
        return fair
    quoted = ((prices > 1.0) & np.isfinite(prices)).all(axis=-1)
    found = _METHODS[method](1.0 / prices[quoted])
    found[~(found > 0.0).all(axis=-1)] = np.nan
    fair[quoted] = found / found.sum(axis=-1, keepdims=True)
    return fair


def _margin(implied: Array) -> Array:
    margin: Array = implied.sum(axis=-1, keepdims=True) - 1.0
    return margin


def _multiplicative(implied: Array) -> Array:
    return implied.copy()


def _additive(implied: Array) -> Array:
    """The same amount off each outcome."""
    fair: Array = implied - _margin(implied) / implied.shape[-1]
    return fair


def _goto(implied: Array) -> Array:
    """The same number of standard errors, sqrt(1 - p), off each outcome."""
    errors = np.sqrt(1.0 - implied)
    fair: Array = implied - errors * (_margin(implied) / errors.sum(axis=-1, keepdims=True))
    return fair


def _power(implied: Array) -> Array:
    """p**k. The sum falls with k and is n at 0, 0 at infinity."""
    logs = np.log(implied)

    def curve(k: Array, rows: Array) -> tuple[Array, Array]:
        terms = np.exp(k[:, None] * logs[rows])
        return terms, terms * logs[rows]

    # At the upper end each term is at most 1 / (n + 1).
    upper = np.log(implied.shape[-1] + 1.0) / -logs.max(axis=-1, initial=-np.inf)
    return _solve(curve, np.ones(len(implied)), np.zeros(len(implied)), upper)


def _odds_ratio(implied: Array) -> Array:
    """Log-odds lowered by the same amount."""
    scores = np.log(implied) - np.log1p(-implied)
    room = np.log(implied.shape[-1])

    def curve(shift: Array, rows: Array) -> tuple[Array, Array]:
        terms = 1.0 / (1.0 + np.exp(shift[:, None] - scores[rows]))
        return terms, -terms * (1.0 - terms)

    lower, upper = scores.min(axis=-1) - room, scores.max(axis=-1) + room
    return _solve(curve, np.zeros(len(implied)), lower, upper)


def _shin(implied: Array) -> Array:
    """Shin's model, z the share of insiders' money; a negative margin continues it below 0.

    p = (sqrt(z**2 + 4 (1 - z) q) - z) / (2 (1 - z)) with q = implied**2 / overround, written so
    that nothing cancels for z >= 0. Jullien and Salanie (1994), Economic Journal 104.
    """
    q = implied**2 / implied.sum(axis=-1, keepdims=True)

    def curve(z: Array, rows: Array) -> tuple[Array, Array]:
        column, part = z[:, None], q[rows]
        root = np.sqrt(column**2 + 4.0 * (1.0 - column) * part)
        above = 2.0 * part / (root + np.where(column < 0.0, 1.0, column))
        below = (root - column) / (2.0 * (1.0 - np.minimum(column, 0.0)))
        terms = np.where(column < 0.0, below, above)
        # (1 - z) p**2 + z p = q, differentiated by z.
        slope = (terms**2 - terms) / (2.0 * (1.0 - column) * terms + column)
        return terms, slope

    lower, every = np.where(_margin(implied)[:, 0] < 0.0, -1.0, 0.0), np.arange(len(implied))
    for _ in range(_MAX_STEPS):
        # The further below zero, the nearer each term comes to 1.
        short = (lower < 0.0) & (curve(lower, every)[0].sum(axis=-1) < 1.0)
        if not short.any():
            break
        lower[short] *= 4.0
    return _solve(curve, np.maximum(lower, 0.0), lower, np.ones(len(implied)))


_METHODS: dict[DevigMethod, Callable[[Array], Array]] = {
    "multiplicative": _multiplicative,
    "additive": _additive,
    "power": _power,
    "shin": _shin,
    "odds_ratio": _odds_ratio,
    "goto": _goto,
}


def _solve(curve: Curve, start: Array, lower: Array, upper: Array) -> Array:
    """Terms of `curve` where they sum to 1; the sum falls from `lower` to `upper`.

    Newton's step where it stays inside the bracket, else half of it. A market that has converged
    is left alone, so it does not depend on the others.
    """
    at, lower, upper = start.copy(), lower.copy(), upper.copy()
    open_rows = np.arange(len(at))
    for _ in range(_MAX_STEPS):
        if not len(open_rows):
            break
        terms, slopes = curve(at[open_rows], open_rows)
        excess = terms.sum(axis=-1) - 1.0
        here = at[open_rows]
        lower[open_rows] = np.where(excess > 0.0, here, lower[open_rows])
        upper[open_rows] = np.where(excess > 0.0, upper[open_rows], here)
        low, high = lower[open_rows], upper[open_rows]
        step = here - excess / slopes.sum(axis=-1)
        step = np.where((step >= low) & (step <= high), step, low + (high - low) / 2.0)
        moves = (np.abs(excess) > _TOLERANCE) & (step != here)
        at[open_rows[moves]] = step[moves]
        open_rows = open_rows[moves]
    return curve(at, np.arange(len(at)))[0]
