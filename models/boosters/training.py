"""Training: market-anchored start, early stopping and calibration each on later games."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from models.boosters.binned import Binned
from models.boosters.calibration import IDENTITY, choose
from models.boosters.dataset import TrainingSet
from models.boosters.golden import Golden
from models.boosters.laws import Law, fit_law, mark
from models.boosters.lightgbm_alone import lightgbm
from models.boosters.objective import objective
from models.boosters.parameters import PARAMETERS, BoosterParameters
from models.boosters.scoring import KIND_OF, ModelCard, TargetModel, anchor
from models.boosters.tasks import Task, shares, task_of
from models.evaluation import Score, score_binary
from models.evaluation.compare import USUAL
from models.evaluation.intervals import DaySums, Interval
from models.evaluation.metrics import briers, log_losses
from models.features.arrays import Array
from schemas.errors import DataMissing
from schemas.markets import Target

MIN_GAMES = 60
"""Below this a split leaves too few games to stop on, let alone to judge."""

JUDGE_SHARE = 0.15
"""Newest games, which judge the result. Of those before them, in order of time:"""
TRAIN_SHARE, STOP_SHARE = 0.7, 0.18
"""fit the trees, and stop them; what is left chooses the calibration."""
THREADS = 1
"""Threads wait for each other at every split of so few rows: two take longer than one."""


@dataclass(frozen=True)
class Origin:
    """What a model's card says of where it comes from."""

    feature_set: str
    fingerprint: str
    simulated: bool


@dataclass(frozen=True)
class Fitted:
    model: TargetModel
    trees: int


@dataclass(frozen=True)
class Trained:
    model: TargetModel
    trees: int
    games: int
    held_out: dict[str, Score]
    """`model` and `market` on the newest games, which the model has not seen."""
    parameters: BoosterParameters
    golden: Golden
    """Of the newest games."""
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    """Of each score on the newest games (`model_log_loss`), and of the model's less the market's
    (`difference_log_loss`), by days drawn; without those of too few days."""


def fit(
    task: Task,
    data: TrainingSet,
    rows: Array,
    binned: Binned,
    origin: Origin,
    seed: int,
    parameters: BoosterParameters,
    threads: int = THREADS,
) -> Fitted:
    """A model of the games among `rows` (bool, shape (n,)); results of others are not looked at.

    binned: holds at least these rows. Raises DataMissing where too few of them are priced.
    """
    learn = rows & task.priced & np.isfinite(task.value)
    games = np.unique(data.game[learn])
    if len(games) < int(MIN_GAMES * (1.0 - JUDGE_SHARE)):
        raise DataMissing(
            f"{task.target}: {len(games)} games with prices and results to learn from"
        )
    first_stop, first_mend = (
        games[int(len(games) * share)] for share in (TRAIN_SHARE, TRAIN_SHARE + STOP_SHARE)
    )
    weight = shares(data.game, learn)
    train = learn & (data.game < first_stop)
    stop = learn & (data.game >= first_stop) & (data.game < first_mend)
    mend = learn & (data.game >= first_mend) & np.isfinite(task.outcome)
    law = _law(task, train, weight)
    start = np.full(len(data), np.nan)
    start[train | stop] = anchor(law, task.consensus[train | stop], task.line[train | stop])
    aim, loss = objective(law)
    booster = lightgbm.train(
        {**parameters.lightgbm(task.target, seed, threads), **aim},
        binned.part(train, task.value, weight, start),
        parameters.max_trees,
        valid_sets=[binned.part(stop, task.value, weight, start)],
        feval=loss,
        callbacks=[lightgbm.early_stopping(parameters.patience, verbose=False)],
    )
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    card = ModelCard(
        target=task.target,
        feature_set=origin.feature_set,
        law=law,
        calibration=IDENTITY,
        data_fingerprint=origin.fingerprint,
        simulated=origin.simulated,
        trained_until_us=int(data.start_us[learn].max()),
    )
    said = TargetModel(text, card, "0").say(
        data.vectors[mend], task.consensus[mend], task.line[mend]
    )
    calibration = choose(said.raw, task.outcome[mend] == 1.0, weight[mend], data.game[mend])
    return Fitted(
        model=TargetModel(text, replace(card, calibration=calibration), "0"),
        # A round in which no leaf could be split counts as a round and leaves no tree.
        trees=min(booster.best_iteration, booster.num_trees()),
    )


def _law(task: Task, rows: Array, weight: Array) -> Law | None:
    if task.target not in KIND_OF:
        return None
    kind = KIND_OF[task.target]
    line = mark(kind, task.line[rows])
    return fit_law(kind, task.consensus[rows], line, task.value[rows], weight[rows])


def train_target(
    target: Target,
    data: TrainingSet,
    origin: Origin,
    seed: int,
    parameters: BoosterParameters | None = None,
    binned: Binned | None = None,
) -> Trained:
    """One model. Raises DataMissing where too few games have prices and results.

    binned: the rows before those that `judged` names.
    """
    task, judge = task_of(target, data), judged(data)
    parameters = parameters or PARAMETERS[target]
    usable = task.priced & np.isfinite(task.outcome)
    games = len(np.unique(data.game[usable]))
    if games < MIN_GAMES or not (usable & judge).any():
        raise DataMissing(
            f"{target}: {games} games with prices and results, at least {MIN_GAMES} needed"
        )
    binned = binned or Binned(data.vectors, ~judge)
    found = fit(task, data, ~judge, binned, origin, seed, parameters)
    newest = judge & usable
    held_out, intervals = _judge(task, found.model, data, newest)
    return Trained(
        model=found.model,
        trees=found.trees,
        games=games,
        held_out=held_out,
        parameters=parameters,
        golden=Golden.of(
            found.model, data.vectors[newest], task.consensus[newest], task.line[newest]
        ),
        intervals=intervals,
    )


def judged(data: TrainingSet) -> Array:
    """(n,) bool, rows of the newest games that have a price: no final model sees them."""
    games = np.unique(data.game[np.isfinite(data.consensus).any(axis=1)])
    if not len(games):
        raise DataMissing("no game has a price")
    rows: Array = data.game >= games[int(len(games) * (1.0 - JUDGE_SHARE))]
    return rows


def _judge(
    task: Task, model: TargetModel, data: TrainingSet, rows: Array
) -> tuple[dict[str, Score], dict[str, Interval]]:
    """Model and no-vig price on the side that can be bet: home, or over."""
    consensus, won = task.consensus[rows], task.outcome[rows] == 1.0
    said = model.say(data.vectors[rows], consensus, task.line[rows])
    weight, day = shares(data.game, rows)[rows], data.day[rows]
    chances = {"model": said.probability, "market": consensus}
    scores = {who: score_binary(chance, won, weight) for who, chance in chances.items()}
    intervals = {}
    for kind, charges in (("log_loss", log_losses), ("brier", briers)):
        charged = {who: charges(chance, won) for who, chance in chances.items()}
        charged["difference"] = charged["model"] - charged["market"]
        for who, charge in charged.items():
            found = USUAL.interval(DaySums.of(day, charge, weight))
            if np.isfinite(found).all():
                intervals[f"{who}_{kind}"] = found
    return scores, intervals


def train_all(
    data: TrainingSet,
    origin: Origin,
    seed: int,
    progress: Callable[[Target], None],
    parameters: Mapping[Target, BoosterParameters] | None = None,
) -> list[Trained]:
    """All targets, in the order of `Target`; `progress` hears of each before it starts."""
    chosen = {**PARAMETERS, **(parameters or {})}
    binned = Binned(data.vectors, ~judged(data))
    trained = []
    for target in Target:
        progress(target)
        trained.append(train_target(target, data, origin, seed, chosen[target], binned))
    return trained
