"""Training: chronological split, market-anchored start, early stopping on later games."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.boosters.dataset import TrainingSet
from models.boosters.lightgbm_alone import lightgbm
from models.boosters.runs import fit_dispersion
from models.boosters.scoring import COLUMN_OF, ModelCard, TargetModel
from models.evaluation import Score, score_binary
from models.features.arrays import Array
from models.features.catalogue import NAMES
from schemas.errors import DataMissing
from schemas.markets import Target

MIN_GAMES = 60
"""Below this a split into three leaves too few games to stop on, let alone to judge."""

TRAIN_SHARE, STOP_SHARE = 0.7, 0.15
"""Oldest games train, the next stop the boosting, the newest judge the result."""

PARAMETERS: dict[str, Any] = {
    # Few games, and the market is nearly right: shallow trees, slow steps, strong shrinkage.
    "learning_rate": 0.02,
    "num_leaves": 7,
    "min_data_in_leaf": 100,
    "lambda_l2": 20.0,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 2,
    "verbosity": -1,
}
OBJECTIVE: dict[Target, str] = {
    Target.MONEYLINE: "binary",
    Target.TOTAL: "binary",
    Target.RUNS: "poisson",
}
MAX_TREES = 300
PATIENCE = 30


@dataclass(frozen=True)
class Trained:
    model: TargetModel
    trees: int
    games: int
    held_out: dict[str, Score]
    """`model` and `market` on the newest games, which the booster has not seen."""


def _label(target: Target, data: TrainingSet) -> tuple[Array, Array]:
    """(label, usable), shapes (n,): a push of the total has no winner, so no label."""
    if target is Target.MONEYLINE:
        return data.home_score > data.away_score, data.home_score != data.away_score
    runs = data.home_score + data.away_score
    line = data.line[:, COLUMN_OF[target]]
    if target is Target.TOTAL:
        return runs > line, runs != line
    return runs, np.isfinite(line)


def _anchor(target: Target, data: TrainingSet) -> Array:
    """Score that the trees start from: the no-vig log-odds, or the log of the market's line."""
    column = COLUMN_OF[target]
    if target is Target.RUNS:
        return np.log(data.line[:, column])
    chance = data.consensus[:, column]
    return np.log(chance / (1.0 - chance))


def train_target(
    target: Target,
    data: TrainingSet,
    feature_set: str,
    fingerprint: str,
    simulated: bool,
    seed: int,
) -> Trained:
    """One booster. Raises DataMissing where too few games have prices and results."""
    column = COLUMN_OF[target]
    label, usable = _label(target, data)
    usable = usable & np.isfinite(data.consensus[:, column])
    games = np.unique(data.game[usable])
    if len(games) < MIN_GAMES:
        raise DataMissing(
            f"{target}: {len(games)} games with prices and results, at least {MIN_GAMES} needed"
        )
    first_stop, first_judge = (
        games[int(len(games) * share)] for share in (TRAIN_SHARE, TRAIN_SHARE + STOP_SHARE)
    )
    anchor = _anchor(target, data)
    train = usable & (data.game < first_stop)
    stop = usable & (data.game >= first_stop) & (data.game < first_judge)
    judge = usable & (data.game >= first_judge)

    def part(rows: Array, reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
        return lightgbm.Dataset(
            data.vectors[rows],
            label=label[rows].astype(np.float64),
            weight=data.weight[rows],
            init_score=anchor[rows],
            feature_name=list(NAMES),
            reference=reference,
            free_raw_data=True,
        )

    fitted = part(train)
    booster = lightgbm.train(
        {**PARAMETERS, "objective": OBJECTIVE[target], "seed": seed},
        fitted,
        MAX_TREES,
        valid_sets=[part(stop, fitted)],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    dispersion = None
    if target is Target.RUNS:
        mean = np.exp(anchor[train] + _raw(booster, data.vectors[train]))
        dispersion = fit_dispersion(label[train], mean)
    card = ModelCard(
        target=target,
        feature_set=feature_set,
        dispersion=dispersion,
        data_fingerprint=fingerprint,
        simulated=simulated,
        trained_until_us=int(data.start_us[train | stop].max()),
    )
    model = TargetModel(booster.model_to_string(num_iteration=booster.best_iteration), card, "0")
    return Trained(
        model=model,
        # A round in which no leaf could be split counts as a round and leaves no tree.
        trees=min(booster.best_iteration, booster.num_trees()),
        games=len(games),
        held_out=_judge(target, model, data, judge),
    )


def _raw(booster: lightgbm.Booster, vectors: Array) -> Array:
    raw = booster.predict(vectors, raw_score=True, num_threads=1)
    assert isinstance(raw, np.ndarray)
    return raw


def _judge(target: Target, model: TargetModel, data: TrainingSet, rows: Array) -> dict[str, Score]:
    """Log-loss of model and no-vig price on the side that can be bet: home, or over."""
    column = COLUMN_OF[target]
    won, decided = _label(Target.TOTAL if target is Target.RUNS else target, data)
    rows = rows & decided
    consensus = data.consensus[rows, column]
    outcomes = model.outcomes(data.vectors[rows], consensus, data.line[rows, column])
    chance = np.array([outcome.probability for outcome in outcomes if outcome is not None])
    weight = data.weight[rows]
    return {
        "model": score_binary(chance, won[rows], weight),
        "market": score_binary(consensus, won[rows], weight),
    }


def train_all(
    data: TrainingSet,
    feature_set: str,
    fingerprint: str,
    simulated: bool,
    seed: int,
    progress: Callable[[Target], None],
) -> list[Trained]:
    """All targets, in the order of `Target`; `progress` hears of each before it starts."""
    trained = []
    for target in Target:
        progress(target)
        trained.append(train_target(target, data, feature_set, fingerprint, simulated, seed))
    return trained
