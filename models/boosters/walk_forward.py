"""Walk-forward: each fold of days is judged by models that knew only what was over before it.

The table that comes out is what every judgement of the models rests on (`out_of_fold`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from models.boosters.binned import Binned
from models.boosters.dataset import TrainingSet
from models.boosters.parameters import PARAMETERS, BoosterParameters
from models.boosters.scoring import COLUMN_OF, TargetModel
from models.boosters.tasks import Task, shares, task_of
from models.boosters.training import Origin, fit
from models.evaluation import rows
from models.features.arrays import Array
from schemas.errors import DataMissing
from schemas.markets import Target
from schemas.time import US_PER_MINUTE

FOLDS = 5
FIRST_SHARE = 0.4
"""Of the games, the oldest so many are only trained on."""
EMBARGO_DAYS = 1
NIGHT_HOURS = 8
"""A local day of games is over at this hour UTC of the next date."""

OUT_OF_FOLD: dict[str, pl.DataType] = {
    **rows.OUT_OF_FOLD,
    "raw": pl.Float64(),
    "tilt": pl.Float64(),
    "bump": pl.Float64(),
}
"""One row a game, decision time and target, by target, fold, first pitch, then decision time.

target, fold (from 0, in order of time), game_id; day: the date in the game id.
as_of_us: newest event that the row rests on; start_us: first pitch as last known.
line: total runs or home handicap; null for the moneyline.
consensus: no-vig probability at as_of that home wins, covers, or over, given no push.
model: the same by the model, calibrated; raw: before calibration.
mean: expected total (runs) or home less away runs (margin); else null.
tilt, dispersion, bump: with them `Law(KIND_OF[target], dispersion, bump).pmf(tilt)` is the whole
distribution, calibrated (runs, margin); else null.
outcome: 1 or 0 at the line; null for a push.
weight: a game counts once among its rows of a target.
books: how many made the consensus.
"""


@dataclass(frozen=True)
class Fold:
    number: int
    train: Array
    """(n,) bool: rows of games that were over before the embargo."""
    test: Array
    """(n,) bool"""
    binned: Binned


def folds(
    data: TrainingSet,
    count: int = FOLDS,
    window_days: int | None = None,
    embargo_days: int = EMBARGO_DAYS,
    first_share: float = FIRST_SHARE,
) -> list[Fold]:
    """Whole days, of about equally many games, in order.

    A fold that begins on day d trains on games whose result was known `embargo_days` before the
    day begins, and with a window only on those of the `window_days` days before that.
    Raises DataMissing where there are fewer days than folds.
    """
    days, games = _games_a_day(data)
    before = np.cumsum(games) - games
    bounds = games.sum() * np.linspace(first_share, 1.0, count + 1)[:-1]
    firsts = days[np.minimum(np.searchsorted(before, bounds), len(days) - 1)]
    if len(np.unique(firsts)) < count or firsts[0] == days[0]:
        raise DataMissing(f"{len(days)} days of games are too few for {count} folds")
    made = []
    for number, first in enumerate(firsts):
        last = firsts[number + 1] if number + 1 < count else days[-1] + 1
        known = _known_by(data, int(first) - embargo_days)
        if window_days is not None:
            known &= data.day >= first - embargo_days - window_days
        test = (data.day >= first) & (data.day < last)
        made.append(Fold(number, known, test, Binned(data.vectors, known)))
    return made


def _games_a_day(data: TrainingSet) -> tuple[Array, Array]:
    _, first_row = np.unique(data.game, return_index=True)
    return np.unique(data.day[first_row], return_counts=True)


def _known_by(data: TrainingSet, day: int) -> Array:
    """Rows of games of earlier days whose result was known, late games too, before the day."""
    begins_us = (day * 24 + NIGHT_HOURS) * 60 * US_PER_MINUTE
    rows: Array = (data.day < day) & (data.over_us < begins_us)
    return rows


def walk_forward(
    data: TrainingSet,
    seed: int,
    parameters: Mapping[Target, BoosterParameters] = PARAMETERS,
    targets: Sequence[Target] = tuple(Target),
    among: Sequence[Fold] | None = None,
    progress: Callable[[Target, int], None] = lambda target, fold: None,
) -> pl.DataFrame:
    """`OUT_OF_FOLD` of the targets.

    among: folds of this very data; made where none are given. progress: hears of each fit.
    Raises DataMissing where a fold has too few games to train on.
    """
    among = among or folds(data)
    parts = []
    for target in targets:
        task = task_of(target, data)
        for fold in among:
            progress(target, fold.number)
            parts.append(judge_fold(task, data, fold, seed, parameters[target]))
    return pl.concat(parts)


def judge_fold(
    task: Task, data: TrainingSet, fold: Fold, seed: int, parameters: BoosterParameters
) -> pl.DataFrame:
    """One fold of one target."""
    origin = Origin("walk-forward", "walk-forward", simulated=False)
    found = fit(task, data, fold.train, fold.binned, origin, seed, parameters)
    return _table(task, data, fold.number, fold.test, found.model)


def folds_after(data: TrainingSet, day: int, window_days: int | None = None) -> list[Fold]:
    """As `folds`, of the days after `day` alone: the first trains on what was known by then.

    Raises DataMissing where no game is later.
    """
    days, games = _games_a_day(data)
    later = days > day
    if not later.any():
        raise DataMissing("no game is later than all that were trained on")
    # Half a game less: the first fold begins with the first later day, however it is rounded.
    share = (games[~later].sum() - 0.5) / games.sum()
    count = min(FOLDS, int(later.sum()))
    try:
        return folds(data, count, window_days, first_share=share)
    except DataMissing:  # one day has most of the games
        return folds(data, 1, window_days, first_share=share)


def as_it_is(model: TargetModel, data: TrainingSet, rows: Array) -> pl.DataFrame:
    """`OUT_OF_FOLD` of one model. rows: (n,) bool; that it has not seen them is the caller's
    promise."""
    return _table(task_of(model.card.target, data), data, 0, rows, model)


def _table(
    task: Task, data: TrainingSet, number: int, test: Array, model: TargetModel
) -> pl.DataFrame:
    at = np.flatnonzero(test & task.priced)
    said = model.say(data.vectors[at], task.consensus[at], task.line[at])
    law, nothing = model.card.law, np.full(len(at), np.nan)
    mean = tilt = dispersion = bump = nothing
    if law is not None and said.tilt is not None:
        mean, tilt = law.mean(said.tilt), said.tilt
        dispersion, bump = np.full(len(at), law.dispersion), np.full(len(at), law.bump)
    columns = {
        "target": [task.target.value] * len(at),
        "fold": np.full(len(at), number),
        "game_id": [data.game_ids[game] for game in data.game[at]],
        "day": data.day[at].astype("datetime64[D]"),
        "as_of_us": data.as_of_us[at],
        "start_us": data.start_us[at],
        "line": nothing if task.target is Target.MONEYLINE else task.line[at],
        "consensus": task.consensus[at],
        "model": said.probability,
        "raw": said.raw,
        "mean": mean,
        "tilt": tilt,
        "dispersion": dispersion,
        "bump": bump,
        "outcome": task.outcome[at],
        "home_score": data.home_score[at],
        "away_score": data.away_score[at],
        "weight": shares(data.game, test & task.priced)[at],
        "books": data.books[at, COLUMN_OF[task.target]],
    }
    return pl.DataFrame(columns, schema_overrides=OUT_OF_FOLD).with_columns(
        pl.selectors.float().fill_nan(None)
    )
