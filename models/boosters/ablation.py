"""What each group of features is worth: walk-forward without it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from models.boosters.dataset import TrainingSet
from models.boosters.parameters import PARAMETERS, BoosterParameters
from models.boosters.walk_forward import OUT_OF_FOLD, folds, walk_forward
from models.features.catalogue import CATALOGUE, PRICED, Category
from schemas.markets import Target


def feature_groups() -> dict[str, tuple[str, ...]]:
    """Group -> features: each category, and within it each market (`market.total`) and the rest
    (`team.other`) where a category has more than one of these."""
    groups: dict[str, list[str]] = {}
    for category in Category:
        parts: dict[str, list[str]] = {}
        for feature in CATALOGUE:
            if feature.category is category:
                about = next((m for m in PRICED if feature.name.startswith(f"{m}_")), "other")
                parts.setdefault(about, []).append(feature.name)
        groups[category.value] = [name for part in parts.values() for name in part]
        if len(parts) > 1:
            groups |= {f"{category.value}.{about}": names for about, names in parts.items()}
    return {group: tuple(names) for group, names in groups.items()}


def without(data: TrainingSet, features: Sequence[str]) -> TrainingSet:
    """The same rows with these features missing. Raises ValueError for a name that is none."""
    names = [feature.name for feature in CATALOGUE]
    vectors = data.vectors.copy()
    vectors[:, [names.index(name) for name in features]] = np.nan
    return replace(data, vectors=vectors)


def ablation(
    data: TrainingSet,
    seed: int,
    groups: Mapping[str, Sequence[str]],
    parameters: Mapping[Target, BoosterParameters] = PARAMETERS,
    targets: Sequence[Target] = tuple(Target),
    progress: Callable[[str], None] = lambda group: None,
) -> pl.DataFrame:
    """`OUT_OF_FOLD` under each group that is left out, named in the column `without`.

    The rows are those of `walk_forward` with all features, so they compare pair by pair.
    """
    parts = []
    for group, names in groups.items():
        progress(group)
        masked = without(data, names)
        table = walk_forward(masked, seed, parameters, targets, folds(masked))
        parts.append(table.select(pl.lit(group).alias("without"), *OUT_OF_FOLD))
    return pl.concat(parts)
