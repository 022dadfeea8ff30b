"""From an archive to trained boosters."""

from collections.abc import Callable
from pathlib import Path

from flows.connectors import manifest
from flows.connectors.parquet import read_archive
from models.boosters.dataset import build_training_set
from models.boosters.training import Trained, train_all
from models.features.fold import FoldRules
from models.features.kernel import FeatureSet
from schemas.errors import DataMissing
from schemas.events import Event
from schemas.settings import Settings
from schemas.topics import CONTRACTS


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
    events = (
        event
        for record in read_archive(archive, end_us=until_us)
        if isinstance(
            event := CONTRACTS[record.topic].model.model_validate_json(record.value), Event
        )
    )
    data = build_training_set(events, FoldRules.of(settings), features)
    if not len(data):
        raise DataMissing(f"{archive}: no finished game")
    return train_all(
        data,
        features.hash,
        training_fingerprint(archive, until_us),
        manifest.read_manifest(archive).simulated,
        seed,
        lambda target: tell(f"train {target}"),
    )
