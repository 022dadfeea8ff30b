"""Total runs as a negative binomial: mean from the booster, dispersion from its residuals."""

import math

import numpy as np

from models.features.arrays import Array

MIN_DISPERSION, MAX_DISPERSION = 1.0, 10_000.0


def fit_dispersion(runs: Array, mean: Array) -> float:
    """Moment estimate of r in Var = mean + mean**2 / r, shapes (games,).

    Cameron, Trivedi (2013), "Regression Analysis of Count Data", section 3.3.
    """
    excess = float(np.sum((runs - mean) ** 2 - mean))
    if excess <= 0.0:
        return MAX_DISPERSION
    return min(max(float(np.sum(mean**2)) / excess, MIN_DISPERSION), MAX_DISPERSION)


def over_probability(mean: float, dispersion: float, line: float) -> float:
    """P(runs > line | runs != line); a push takes part only where the line is whole."""
    share = mean / (mean + dispersion)
    mass = math.exp(-dispersion * math.log1p(mean / dispersion))
    below, push = 0.0, 0.0
    for runs in range(math.floor(line) + 1):
        if runs < line:
            below += mass
        else:
            push = mass
        mass *= (runs + dispersion) / (runs + 1.0) * share
    return (1.0 - below - push) / (1.0 - push)
