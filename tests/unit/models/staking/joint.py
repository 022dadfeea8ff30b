"""The plain way, for comparison: every joint outcome of a slate written out."""

from itertools import pairwise

import numpy as np

from models.features.arrays import Array
from models.staking.wealth import Slate


def outcomes(slate: Slate) -> tuple[Array, Array]:
    """Returns (outcomes, bets) and probabilities of all joint outcomes."""
    returns, probability = np.zeros((1, slate.returns.shape[1])), np.ones(1)
    bounds = [*slate.starts.tolist(), len(slate.probability)]
    for begin, end in pairwise(bounds):
        rows = slate.returns[begin:end]
        returns = (returns[:, None, :] + rows).reshape(-1, returns.shape[1])
        probability = (probability[:, None] * slate.probability[begin:end]).ravel()
    return returns, probability


def growth(slate: Slate, stakes: Array) -> float:
    """E log W, minus infinity where some outcome takes everything."""
    returns, probability = outcomes(slate)
    wealth = 1.0 + returns @ stakes
    return float(probability @ np.log(wealth)) if wealth.min() > 0.0 else -np.inf
