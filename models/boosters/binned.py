"""Vectors in LightGBM's bins, once for all targets that train on the same games."""

import numpy as np

from models.boosters.lightgbm_alone import lightgbm
from models.boosters.parameters import DATASET
from models.features.arrays import Array
from models.features.catalogue import NAMES


class Binned:
    """Bounds of the bins come from the given rows alone: later games have no part in them."""

    def __init__(self, vectors: Array, rows: Array) -> None:
        """vectors: (n, features); rows: (n,) bool, those that may be asked for."""
        self._place = np.cumsum(rows) - 1
        self._data = lightgbm.Dataset(
            vectors[rows],
            label=np.zeros(int(rows.sum())),
            feature_name=list(NAMES),
            params=DATASET,
            free_raw_data=True,
        ).construct()

    def part(self, rows: Array, label: Array, weight: Array, start: Array) -> lightgbm.Dataset:
        """Some of its rows; all shapes (n,), rows bool."""
        part = self._data.subset(self._place[rows].tolist()).construct()
        part.set_label(label[rows])
        part.set_weight(weight[rows])
        part.set_init_score(start[rows])
        return part
