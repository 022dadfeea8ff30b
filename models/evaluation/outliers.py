"""Vectors unlike those that a model has learned from.

An isolation forest, not Mahalanobis' distance: 177 features with gaps, fat tails and many near
copies of each other have no covariance that could be inverted, and a few hundred games do not
estimate one. Trees split one feature at a time, take a missing value as one more value, and do not
care for units. Liu, Ting, Zhou (2008), "Isolation Forest", ICDM.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.ensemble import IsolationForest  # type: ignore[import-untyped]

from models.features.arrays import Array

TREES = 200
MIN_ROWS = 40


@dataclass(frozen=True)
class Ordinary:
    """What was seen so far."""

    forest: Any
    ranked: Array
    """Scores of rows that the forest has not seen, ascending; low is strange."""

    @classmethod
    def of(cls, vectors: Array, seed: int) -> Self:
        """vectors: (rows, features), one row a game, NaN where not known.

        Half of the rows grow the trees, the other half says what scores are usual.
        Raises ValueError below `MIN_ROWS` rows.
        """
        if len(vectors) < MIN_ROWS:
            raise ValueError(f"{len(vectors)} vectors, at least {MIN_ROWS} needed")
        order = np.random.default_rng(seed).permutation(len(vectors))
        grown, kept = np.split(order, [len(order) // 2])
        forest = IsolationForest(n_estimators=TREES, random_state=seed, n_jobs=1)
        forest.fit(vectors[grown])
        return cls(forest, np.sort(forest.score_samples(vectors[kept])))

    def chance(self, vectors: Array) -> Array:
        """P(an ordinary vector is at least as strange), (rows,): small is an outlier.

        A conformal p-value, so of ordinary vectors a share of at most x is below x, whatever their
        distribution: Bates et al. (2023), "Testing for outliers with conformal p-values", Annals
        of Statistics 51(1).
        """
        scores = self.forest.score_samples(vectors)
        below = np.searchsorted(self.ranked, scores, side="right")
        chance: Array = (1.0 + below) / (1.0 + len(self.ranked))
        return chance
