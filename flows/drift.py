"""The drift report of archives: live predictions, vectors then and now, and what they count for."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from flows.predicted import predicted
from flows.training import origin_of, read_training_set
from models.boosters.dataset import TrainingSet, only
from models.boosters.scoring import TargetModel
from models.boosters.training import MIN_GAMES, train_all
from models.evaluation.drift import DriftRules
from models.evaluation.monitor import DriftReport, Importance, Vectors, monitor, recent_from
from models.evaluation.said import SAID
from models.features.catalogue import NAMES
from models.features.kernel import FeatureSet
from schemas.errors import DataMissing
from schemas.settings import Settings

_SEED = 1


def drift_report(
    archives: Sequence[Path],
    settings: Settings,
    models: Sequence[TargetModel],
    first: date | None,
    until_us: int | None,
    tell: Callable[[str], None],
) -> DriftReport:
    """Recent: the days from `first` on, or the last `settings.drift.days`, that have finished
    games; the reference: games before those, up to the newest that the models learned from.
    Raises DataMissing for archives without such games, ModelRefused for models of another feature
    set."""
    for model in models:
        model.check(FeatureSet.of(settings).hash, len(NAMES))
    tell("features")
    data = read_training_set(archives, until_us, settings)
    tell("predictions")
    rows = _predicted(archives, until_us)
    last = _date(data.day.max())
    days = settings.drift.days if first is None else (last - first).days + 1
    if days < 1:
        raise DataMissing(f"no finished games from {first} on: the newest are of {last}")
    first = recent_from(last, days)
    trained_until = max((model.card.trained_until_us for model in models), default=0)
    now = data.day >= (first - date(1970, 1, 1)).days
    then = ~now & (data.start_us <= trained_until)
    tell("importance")
    fresh = _fresh_gains(only(data, now), archives, settings) if now.any() else {}
    reference, recent = _vectors(data, then), _vectors(data, now)
    importance = {}
    if len(reference.values) and len(recent.values):
        importance = {
            model.card.target.value: Importance(
                model.contributions(reference.values),
                model.contributions(recent.values),
                model.gain,
                fresh.get(model.card.target.value),
            )
            for model in models
        }
    tell("compare")
    rules = DriftRules.of(settings.drift)
    return monitor(rows, reference, recent, importance, NAMES, rules, last, days)


def _predicted(archives: Sequence[Path], until_us: int | None) -> pl.DataFrame:
    """Of whichever model was live: the newest of each decision."""
    try:
        rows = predicted(archives, until_us)
    except DataMissing:
        # An archive of inputs alone still tells how the features moved.
        return SAID.to_frame()
    return rows


def _vectors(data: TrainingSet, rows: np.ndarray) -> Vectors:
    """Of each game the one nearest to its cutoff."""
    at = np.flatnonzero(rows)
    newest = at[np.append(data.game[at][1:] != data.game[at][:-1], True)] if len(at) else at
    return Vectors(
        [data.game_ids[game] for game in data.game[newest]], data.vectors[newest], data.day[newest]
    )


def _fresh_gains(
    data: TrainingSet, archives: Sequence[Path], settings: Settings
) -> dict[str, np.ndarray]:
    """Of models that learn from recent games alone; none where these are too few."""
    if len(data.game_ids) < MIN_GAMES:
        return {}
    try:
        trained = train_all(data, origin_of(data, archives, settings), _SEED, lambda _: None)
    except DataMissing:  # games enough, prices not
        return {}
    return {one.model.card.target.value: one.model.gain for one in trained}


def _date(days: int) -> date:
    return np.datetime64(int(days), "D").astype(date)  # type: ignore[no-any-return]
