"""From an archive to trained boosters."""

from collections.abc import Callable
from pathlib import Path

from flows.connectors import manifest
from flows.offline import samples
from models.boosters.dataset import DECISION_MINUTES, build_training_set
from models.boosters.training import Trained, train_all
from models.features.kernel import FeatureSet
from schemas.settings import Settings


def training_fingerprint(archive: Path, until_us: int | None) -> str:
    """Names the data that `train_from_archive` would use."""
    return f"{manifest.read_manifest(archive).fingerprint[:16]}:{until_us or 'all'}"


def train_from_archive(
    archive: Path,
    until_us: int | None,
    settings: Settings,
    seed: int,
    tell: Callable[[str], None],
) -> list[Trained]:
    """All targets on the games that were over before `until_us`; `tell` hears of each stage.

    Raises DataMissing for an archive with too few finished games.
    """
    features = FeatureSet.of(settings)
    tell("features")
    data = build_training_set(
        part for _, part in samples(archive, settings, DECISION_MINUTES, until_us)
    )
    return train_all(
        data,
        features.hash,
        training_fingerprint(archive, until_us),
        manifest.read_manifest(archive).simulated,
        seed,
        lambda target: tell(f"train {target}"),
    )
