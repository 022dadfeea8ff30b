"""What the trees minimise: log-loss of a coin, or of a whole distribution."""

from typing import Any

import numpy as np

from models.boosters.laws import Law
from models.boosters.lightgbm_alone import lightgbm
from models.features.arrays import Array

_GRID = np.linspace(-1.0, 1.0, 4_001)
"""Tilts of the tables below; between them straight lines are off by less than 1e-6."""


class LawObjective:
    """-log P(k) of a law at the score as its tilt.

    Of a natural exponential family the gradient is mean - k and the hessian the variance.
    """

    def __init__(self, law: Law) -> None:
        self._first, self._last = law.support[0], law.support[-1]
        masses = law.pmf(_GRID)
        self._mean = law.mean(_GRID)
        self._variance = masses @ law.support**2 - self._mean**2
        powers = np.exp(_GRID[:, None] * law.support + np.log(law.base))
        self._log_sum = np.log(powers.sum(axis=1))

    def gradients(self, score: Array, part: lightgbm.Dataset) -> tuple[Array, Array]:
        value, weight = self._of(part)
        mean = np.interp(score, _GRID, self._mean)
        variance = np.interp(score, _GRID, self._variance)
        return weight * (mean - value), weight * variance

    def loss(self, score: Array, part: lightgbm.Dataset) -> tuple[str, float, bool]:
        """Weighted mean, without the part that no score changes."""
        value, weight = self._of(part)
        losses = np.interp(score, _GRID, self._log_sum) - score * value
        return "log_loss", float((weight * losses).sum() / weight.sum()), False

    def _of(self, part: lightgbm.Dataset) -> tuple[Array, Array]:
        value, weight = part.get_label(), part.get_weight()
        assert isinstance(value, np.ndarray)
        assert isinstance(weight, np.ndarray)
        return np.clip(value, self._first, self._last), weight


def objective(law: Law | None) -> tuple[dict[str, Any], Any]:
    """(parameters, feval) of `lightgbm.train`."""
    if law is None:
        return {"objective": "binary"}, None
    of_law = LawObjective(law)
    return {"objective": of_law.gradients, "metric": "None"}, of_law.loss
