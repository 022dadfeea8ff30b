"""A walk-forward over archives, and what the judgement of it rests on."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from flows.training import read_training_set
from models.boosters.laws import Kind, Law
from models.boosters.scoring import KIND_OF
from models.boosters.walk_forward import walk_forward
from models.evaluation.judge import Distribution, Mass
from schemas.settings import Settings


def out_of_fold(
    archives: Sequence[Path], settings: Settings, seed: int, tell: Callable[[str], None]
) -> pl.DataFrame:
    """`models.boosters.walk_forward.OUT_OF_FOLD` of all targets on all games that are over.

    Raises DataMissing for archives with too few of them.
    """
    tell("features")
    data = read_training_set(archives, None, settings)
    return walk_forward(
        data, seed, progress=lambda target, fold: tell(f"{target}: fold {fold + 1}")
    )


def distributions() -> Mapping[str, Distribution]:
    """Of the targets that are counts: each row's law, as the model gave it."""
    return {target.value: partial(_mass, kind) for target, kind in KIND_OF.items()}


def _mass(kind: Kind, rows: pl.DataFrame) -> Mass:
    first, last = (int(Law(kind, 1.0, 0.0).support[end]) for end in (0, -1))
    chance = np.zeros((rows.height, last - first + 1))
    placed = rows.with_row_index("place").partition_by("dispersion", "bump", as_dict=True)
    for (dispersion, bump), part in placed.items():
        law = Law(kind, dispersion, bump)
        columns = law.support.astype(int) - first
        chance[np.ix_(part["place"].to_numpy(), columns)] = law.pmf(part["tilt"].to_numpy())
    return Mass(first, chance)
