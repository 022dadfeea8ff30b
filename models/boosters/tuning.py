"""A search for parameters over walk-forward folds, with Optuna; imported by nothing else.

What it finds was chosen for these very folds, so the log-loss that it reports is too good. The
newest games, which judge a final model, take no part.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import polars as pl

from models.boosters.dataset import TrainingSet
from models.boosters.parameters import PARAMETERS, BoosterParameters, tuned
from models.boosters.tasks import task_of
from models.boosters.training import Origin
from models.boosters.walk_forward import Fold, folds, judge_fold
from schemas.markets import Target


def storage_of(home: Path) -> str:
    """Where studies are kept unless another database is named."""
    home.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{home / 'studies.db'}"


def tune_target(
    target: Target,
    data: TrainingSet,
    origin: Origin,
    trials: int,
    storage: str,
    seed: int,
    among: list[Fold] | None = None,
    progress: Callable[[int], None] = lambda trial: None,
) -> BoosterParameters:
    """The best of `trials` trials in all, those of an earlier call on the same data included.

    The first trial is the standing parameters, so the answer is never worse on these folds.
    Raises DataMissing where a fold has too few games.
    """
    among = among or folds(data)
    task = task_of(target, data)
    # Optuna logs every trial to standard error; it is told through `progress`.
    logging.getLogger("optuna").setLevel(logging.WARNING)
    study = optuna.create_study(
        storage=storage,
        study_name=f"{target.value}:{origin.fingerprint}:{origin.feature_set}:{seed}",
        load_if_exists=True,
        direction="minimize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
    )
    ended = [one for one in study.trials if one.state.is_finished()]
    # A sampler begins its dice anew in every process: it must not repeat what it has tried.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))
    if not study.trials:
        study.enqueue_trial(_asked(PARAMETERS[target]))

    def loss(trial: optuna.Trial) -> float:
        progress(trial.number)
        parameters = tuned(target, _suggest(trial, target))
        lost = counted = 0.0
        for fold in among:
            table = judge_fold(task, data, fold, seed, parameters)
            more, games = _log_loss(table)
            lost, counted = lost + more, counted + games
            trial.report(lost / counted, fold.number)
            if trial.should_prune():
                raise optuna.TrialPruned
        return lost / counted

    study.optimize(loss, n_trials=max(trials - len(ended), 0))
    return tuned(target, study.best_params)


def _suggest(trial: optuna.Trial, target: Target) -> dict[str, float]:
    scale = PARAMETERS[target].lambda_l2
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.005, 0.1, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 2, 31, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 20, 1_000, log=True),
        "lambda_l2": trial.suggest_float("lambda_l2", scale / 30.0, scale * 30.0, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.1, 1.0),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.3, 1.0),
    }


def _asked(parameters: BoosterParameters) -> dict[str, float]:
    names = (
        "learning_rate",
        "num_leaves",
        "min_data_in_leaf",
        "lambda_l2",
        "feature_fraction",
        "bagging_fraction",
    )
    return {name: getattr(parameters, name) for name in names}


def _log_loss(table: pl.DataFrame) -> tuple[float, float]:
    """(weighted sum, sum of weights) of the rows that are no push."""
    judged = table.drop_nulls("outcome")
    chance, won, weight = (judged[name].to_numpy() for name in ("model", "outcome", "weight"))
    losses = -np.log(np.where(won == 1.0, chance, 1.0 - chance))
    return float((weight * losses).sum()), float(weight.sum())
