"""De-vig of two-way markets: fair probabilities out of prices that carry a margin.

Scalar Python on purpose: the fold de-vigs one quote an event, where a numpy call costs more
than the arithmetic, and a scalar result cannot depend on what else is in the batch. `n_way` has
the same methods for whole markets; a property test holds both to 1e-12 of each other, which shared
code could not: for two outcomes most methods have a closed form, for more they are iterated.

Every method gives a probability strictly between 0 and 1 for any two prices above 1, with a margin,
without one, or with a negative one.
"""

import math
from collections.abc import Callable

from schemas.sections.scoring import DevigMethod

_TOLERANCE = 1e-15
_MAX_STEPS = 60


def overround(first: float, second: float) -> float:
    """Sum of the implied probabilities of two decimal prices; 1.05 is a margin of 5 %."""
    return 1.0 / first + 1.0 / second


def multiplicative(first: float, second: float) -> float:
    """Fair probability of the first side: implied probabilities scaled to sum to 1.

    >>> multiplicative(1.909090909090909, 1.909090909090909)
    0.5
    """
    implied_first, implied_second = 1.0 / first, 1.0 / second
    return implied_first / (implied_first + implied_second)


def power(first: float, second: float) -> float:
    """Fair probability of the first side: implied probabilities raised to a common power.

    Solves p1**k + p2**k = 1 by Newton steps from k = 1 (the sum is convex and decreasing in k,
    so they cannot overshoot twice). Clarke, Kovalchik, Ingram (2017), "Adjusting bookmaker's
    odds to allow for overround", American Journal of Sports Science 5(6).
    """
    log_first, log_second = -math.log(first), -math.log(second)
    k = 1.0
    for _ in range(_MAX_STEPS):
        term_first, term_second = math.exp(k * log_first), math.exp(k * log_second)
        excess = term_first + term_second - 1.0
        if abs(excess) < _TOLERANCE:
            break
        k -= excess / (term_first * log_first + term_second * log_second)
    term_first, term_second = math.exp(k * log_first), math.exp(k * log_second)
    return term_first / (term_first + term_second)


def additive(first: float, second: float) -> float:
    """Fair probability of the first side: half the margin taken off each implied probability.

    >>> round(additive(1.5, 2.5), 4)
    0.6333
    """
    return 0.5 + (1.0 / first - 1.0 / second) / 2.0


def odds_ratio(first: float, second: float) -> float:
    """Fair probability of the first side: fair odds a constant multiple of the implied ones.

    Both sides' odds must multiply to 1, which leaves the root of their ratio. Cheung (2015),
    "Fixed-odds betting and traditional odds".

    >>> round(odds_ratio(1.5, 2.5), 4)
    0.634
    """
    return 1.0 / (1.0 + math.sqrt((first - 1.0) / (second - 1.0)))


def goto(first: float, second: float) -> float:
    """Fair probability of the first side: both sides lowered by the same number of standard errors.

    The standard error of an implied probability p is sqrt(1 - p) here. Written as a ratio of
    positive terms, so that no margin can cancel all digits. K. Goto's "goto_conversion" (2023).

    >>> round(goto(1.5, 2.5), 4)
    0.6382
    """
    implied_first, implied_second = 1.0 / first, 1.0 / second
    error_first, error_second = math.sqrt(1.0 - implied_first), math.sqrt(1.0 - implied_second)
    both = error_first * error_second
    share_first = error_second * (implied_first + both)
    share_second = error_first * (implied_second + both)
    return share_first / (share_first + share_second)


DEVIG: dict[DevigMethod, Callable[[float, float], float]] = {
    "multiplicative": multiplicative,
    "additive": additive,
    "power": power,
    # With two outcomes Shin's probabilities are the additive ones (Jullien and Salanie 1994).
    "shin": additive,
    "odds_ratio": odds_ratio,
    "goto": goto,
}


def logit(probability: float) -> float:
    """Log-odds; raises ValueError at 0 and 1."""
    if not 0.0 < probability < 1.0:
        raise ValueError(f"probability {probability} has no log-odds")
    return math.log(probability / (1.0 - probability))


def sigmoid(score: float) -> float:
    """Inverse of `logit`, without overflow at either end."""
    if score >= 0.0:
        return 1.0 / (1.0 + math.exp(-score))
    grown = math.exp(score)
    return grown / (1.0 + grown)
