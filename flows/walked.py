"""Models for a replay that retrain as it goes: none has seen what it scores."""

from collections.abc import Callable, Sequence
from pathlib import Path

from flows.pricing import Period
from flows.training import origin_of, read_training_set
from models.boosters.parameters import PARAMETERS
from models.boosters.scoring import TargetModel
from models.boosters.tasks import task_of
from models.boosters.training import fit
from models.boosters.walk_forward import NIGHT_HOURS, folds
from schemas.markets import Target
from schemas.settings import Settings
from schemas.time import US_PER_DAY, US_PER_HOUR


def walked_models(
    archives: Sequence[Path], settings: Settings, seed: int, tell: Callable[[str], None]
) -> list[Period]:
    """A set of models for each fold of the archives' games, from the night before its first day.

    Each has learned from games whose result was known a day before that night, the embargo of
    `models.boosters.walk_forward`. Raises DataMissing for archives with too few games.
    """
    tell("features")
    data = read_training_set(archives, None, settings)
    origin = origin_of(data, archives, settings)
    tasks = [task_of(target, data) for target in Target]
    periods = []
    for fold in folds(data):
        models = []
        for task in tasks:
            tell(f"train {task.target}: fold {fold.number + 1}")
            chosen = PARAMETERS[task.target]
            made = fit(task, data, fold.train, fold.binned, origin, seed, chosen).model
            # No gate has seen it, so its stakes are on paper.
            models.append(TargetModel(made.text, made.card, f"fold{fold.number + 1}"))
        first = int(data.day[fold.test].min())
        periods.append(Period(first * US_PER_DAY + NIGHT_HOURS * US_PER_HOUR, models))
    return periods
