"""From archives to trained models."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from flows.connectors import manifest
from flows.offline import samples
from models.boosters.dataset import DECISION_MINUTES, TrainingSet, build_training_set, newest, only
from models.boosters.parameters import BoosterParameters
from models.boosters.training import Origin, Trained, judged, train_all
from models.boosters.walk_forward import folds
from models.features.kernel import FeatureSet
from schemas.markets import Target
from schemas.settings import Settings


def read_training_set(
    archives: Sequence[Path],
    until_us: int | None,
    settings: Settings,
    window_days: int | None = None,
) -> TrainingSet:
    """Games that were over before `until_us`; with a window, of the newest so many days only.

    Raises DataMissing for archives without any.
    """
    data = build_training_set(
        part
        for archive in archives
        for _, part in samples(archive, settings, DECISION_MINUTES, until_us)
    )
    return data if window_days is None else newest(data, window_days)


def origin_of(data: TrainingSet, archives: Sequence[Path], settings: Settings) -> Origin:
    """archives: those that the data come from."""
    return Origin(
        feature_set=FeatureSet.of(settings).hash,
        fingerprint=data.fingerprint,
        simulated=any(manifest.read_manifest(one).simulated for one in archives),
    )


def train_from_archives(
    archives: Sequence[Path],
    until_us: int | None,
    settings: Settings,
    seed: int,
    tell: Callable[[str], None],
    window_days: int | None = None,
    tune: Callable[[TrainingSet, Origin], Mapping[Target, BoosterParameters]] | None = None,
) -> list[Trained]:
    """All targets on the games that were over before `until_us`; `tell` hears of each stage.

    tune: finds parameters on the training set; without it the standing ones are used.
    Raises DataMissing for archives with too few finished games.
    """
    tell("features")
    data = read_training_set(archives, until_us, settings, window_days)
    origin = origin_of(data, archives, settings)
    parameters = None if tune is None else tune(data, origin)
    return train_all(data, origin, seed, lambda target: tell(f"train {target}"), parameters)


def tuner(
    home: Path, trials: int, seed: int, tell: Callable[[str], None]
) -> Callable[[TrainingSet, Origin], dict[Target, BoosterParameters]]:
    """A search of so many trials a target, kept in `home`."""

    def search(data: TrainingSet, origin: Origin) -> dict[Target, BoosterParameters]:
        # Optuna takes a second to import, and only here is it wanted.
        from models.boosters.tuning import storage_of, tune_target

        before = only(data, ~judged(data))
        among = folds(before)
        found = {}
        for target in Target:
            told = partial(_tell_trial, tell, target)
            found[target] = tune_target(
                target, before, origin, trials, storage_of(home), seed, among, told
            )
        return found

    return search


def _tell_trial(tell: Callable[[str], None], target: Target, trial: int) -> None:
    tell(f"tune {target}: trial {trial + 1}")
