"""Four targets, five folds, all games: ours against plain LightGBM on the same matrix.

Plain: for each target and fold `lightgbm.train` on vectors, label, weight and start score, with
the same parameters, slices and stopping, and one predict of the fold. Ours is all of
`walk_forward`: folds, laws, starts, calibration, probabilities and the table. Rounds alternate.
"""

import resource
import time
from statistics import median
from typing import Any

import numpy as np

from bench.result import Result
from deploy.demo.slate import steamline
from flows.connectors.manifest import read_manifest
from flows.training import read_training_set
from models.boosters.dataset import TrainingSet
from models.boosters.laws import TYPICAL, Law
from models.boosters.lightgbm_alone import lightgbm
from models.boosters.objective import objective
from models.boosters.parameters import PARAMETERS
from models.boosters.scoring import KIND_OF, anchor
from models.boosters.tasks import shares, task_of
from models.boosters.training import STOP_SHARE, THREADS, TRAIN_SHARE
from models.boosters.walk_forward import Fold, folds, walk_forward
from schemas.errors import DataMissing
from schemas.markets import Target
from schemas.settings import Settings

ROUNDS = 3
SEED = 1


def _plain(data: TrainingSet, made: list[Fold], starts: dict[Target, Any]) -> int:
    """Number of trees it has grown."""
    trees = 0
    for target in Target:
        task, parameters = task_of(target, data), PARAMETERS[target]
        law = Law(KIND_OF[target], *TYPICAL[KIND_OF[target]]) if target in KIND_OF else None
        aim, loss = objective(law)
        for fold in made:
            learn = fold.train & task.priced & np.isfinite(task.value)
            games = np.unique(data.game[learn])
            first_stop, first_mend = (
                games[int(len(games) * share)] for share in (TRAIN_SHARE, TRAIN_SHARE + STOP_SHARE)
            )
            weight = shares(data.game, learn)
            train = learn & (data.game < first_stop)
            stop = learn & (data.game >= first_stop) & (data.game < first_mend)
            parts: list[lightgbm.Dataset] = []
            for rows in (train, stop):
                parts.append(
                    lightgbm.Dataset(
                        data.vectors[rows],
                        label=task.value[rows],
                        weight=weight[rows],
                        init_score=starts[target][rows],
                        reference=parts[0] if parts else None,
                    )
                )
            booster = lightgbm.train(
                {**parameters.lightgbm(target, SEED, THREADS), **aim},
                parts[0],
                parameters.max_trees,
                valid_sets=[parts[1]],
                feval=loss,
                callbacks=[lightgbm.early_stopping(parameters.patience, verbose=False)],
            )
            trees += booster.num_trees()
            booster.predict(data.vectors[fold.test & task.priced], raw_score=True, num_threads=1)
    return trees


def _starts(data: TrainingSet) -> dict[Target, Any]:
    found = {}
    for target in Target:
        task = task_of(target, data)
        law = Law(KIND_OF[target], *TYPICAL[KIND_OF[target]]) if target in KIND_OF else None
        start = np.full(len(data), np.nan)
        start[task.priced] = anchor(law, task.consensus[task.priced], task.line[task.priced])
        found[target] = start
    return found


def main() -> None:
    settings = Settings.read()
    if settings.data is None:
        raise DataMissing("STEAMLINE_DATA is not set: this benchmark needs the real seasons")
    archives = [settings.home / "archive" / source for source in ("oddsapi", "pinnacle")]
    for archive in archives:
        try:
            read_manifest(archive)
        except DataMissing:
            steamline("data", "import", archive.name, "--out", str(archive))

    began = time.perf_counter()
    data = read_training_set(archives, None, settings)
    read_seconds = time.perf_counter() - began
    starts = _starts(data)
    ours, reference, trees = [], [], 0
    for _ in range(ROUNDS):
        began = time.process_time()
        trees = _plain(data, folds(data), starts)
        reference.append(time.process_time() - began)
        began = time.process_time()
        table = walk_forward(data, SEED)
        ours.append(time.process_time() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    Result(
        name="train",
        ours=round(median(ours), 2),
        reference=round(median(reference), 2),
        unit="CPU s",
        ratio=round(median(ours) / median(reference), 3),
        detail={
            "games": len(data.game_ids),
            "rows": len(data),
            "judged_rows": table.height,
            "reference_trees": trees,
            "read_archives_seconds": round(read_seconds, 2),
            "peak_rss_gb": round(peak, 2),
            "rounds_ours": [round(one, 2) for one in ours],
            "rounds_reference": [round(one, 2) for one in reference],
        },
    ).write()
