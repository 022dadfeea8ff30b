"""A model's golden vectors: rows and what it said of them when it was made.

A model that is loaded must say the same again, before it may say anything else.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from models.boosters.scoring import TargetModel
from models.features.arrays import Array
from schemas.errors import ModelRefused

TOLERANCE = 1e-12
"""Another processor may round the last bit of a sum otherwise; nothing else may differ."""
ROWS = 16
_FILE = "golden.json"


@dataclass(frozen=True)
class Golden:
    """Shapes (n, features), then (n,) each: lists, so that two can be compared."""

    vectors: list[list[float | None]]
    """None where a feature is missing."""
    consensus: list[float]
    line: list[float | None]
    probability: list[float]
    mean: list[float | None]

    @classmethod
    def of(cls, model: TargetModel, vectors: Array, consensus: Array, line: Array) -> Self:
        """Of `ROWS` rows spread over those given, which all have a consensus."""
        picked = np.unique(np.linspace(0, len(vectors) - 1, ROWS).astype(int))
        vectors, consensus, line = vectors[picked], consensus[picked], line[picked]
        said = [one for one in model.outcomes(vectors, consensus, line) if one is not None]
        return cls(
            [_nullable(row) for row in vectors],
            consensus.tolist(),
            _nullable(line),
            [one.probability for one in said],
            [one.mean for one in said],
        )

    def check(self, model: TargetModel) -> None:
        """Raises ModelRefused where the model says anything else, or nothing finite."""
        name = f"{model.card.target} model {model.version}"
        try:
            vectors = np.array(self.vectors, dtype=np.float32)
            if not len(vectors) or vectors.ndim != 2:
                raise ValueError("none are there")
            said = model.outcomes(vectors, np.array(self.consensus), _array(self.line))
            pairs = zip(said, self.probability, self.mean, strict=True)
            for number, (one, probability, mean) in enumerate(pairs):
                ours = (None, None) if one is None else (one.probability, one.mean)
                if not (_equal(ours[0], probability) and _equal(ours[1], mean)):
                    raise ModelRefused(
                        f"{name} says {ours[0]} (mean {ours[1]}) of golden vector {number}, and "
                        f"said {probability} (mean {mean}) when it was made"
                    )
        except (ValueError, TypeError, IndexError, OverflowError) as bad:
            raise ModelRefused(f"{name}: its golden vectors make no sense: {bad}") from None

    def write(self, folder: Path) -> None:
        (folder / _FILE).write_text(json.dumps(self.__dict__, allow_nan=False))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises ModelRefused for a file that is missing or makes no sense."""
        try:
            return cls(**json.loads((folder / _FILE).read_text()))
        except (OSError, ValueError, TypeError) as bad:
            raise ModelRefused(f"golden vectors in {folder} cannot be read: {bad}") from None


def _nullable(row: Array) -> list[float | None]:
    return [None if np.isnan(one) else float(one) for one in row]


def _array(row: list[float | None]) -> Array:
    return np.array([np.nan if one is None else one for one in row])


def _equal(ours: float | None, theirs: float | None) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    # Not `>`: what is not a number must not pass.
    return abs(ours - theirs) <= TOLERANCE * max(1.0, abs(theirs))
