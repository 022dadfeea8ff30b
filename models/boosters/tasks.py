"""What each target is to say of a training set's rows, and how it turned out."""

from dataclasses import dataclass

import numpy as np

from models.boosters.dataset import TrainingSet
from models.boosters.scoring import COLUMN_OF, KIND_OF
from models.features.arrays import Array
from schemas.markets import Target


@dataclass(frozen=True)
class Task:
    """One target of a training set; shapes (n,)."""

    target: Target
    consensus: Array
    """Of the target's market."""
    line: Array
    priced: Array
    """bool: there is a price to start from, and a result that the target can have."""
    value: Array
    """What the trees learn: 1 or 0, or the total or margin; NaN where there is nothing to learn."""
    outcome: Array
    """1 where the home or over side won at the line, 0 where it lost, NaN for a push."""


def task_of(target: Target, data: TrainingSet) -> Task:
    column = COLUMN_OF[target]
    line, consensus = data.line[:, column], data.consensus[:, column]
    margin = data.home_score - data.away_score
    if target is Target.MONEYLINE:
        result, bar = margin, np.zeros(len(data))
    elif target is Target.MARGIN:
        result, bar = margin, -line
    else:
        result, bar = data.home_score + data.away_score, line
    outcome = np.where(result == bar, np.nan, (result > bar).astype(np.float64))
    priced = np.isfinite(consensus)
    if target in (Target.MONEYLINE, Target.MARGIN):
        priced &= margin != 0.0
    return Task(
        target=target,
        consensus=consensus,
        line=line,
        priced=priced,
        value=result if target in KIND_OF else outcome,
        outcome=outcome,
    )


def shares(game: Array, rows: Array) -> Array:
    """Weights, shape (n,), of the rows so that a game counts once among them; 0 of the others."""
    count = np.bincount(game[rows], minlength=int(game.max()) + 1)
    return np.where(rows, 1.0 / np.maximum(count, 1)[game], 0.0)
