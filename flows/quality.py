"""The quality of an archive: its frames, and its features at the cutoff."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from flows.connectors.parquet import scan
from flows.offline import samples
from models.features.catalogue import NAMES
from models.quality import Quality, QualityRules, Topics, assess, coverage
from schemas.settings import Settings
from schemas.topics import Topic


@dataclass(frozen=True)
class Report:
    quality: Quality
    coverage: pl.DataFrame
    """Of the last vector of each game before its cutoff."""
    vectors: int


def report(root: Path, settings: Settings, far: float) -> Report:
    """Raises DataMissing where there is no archive."""
    rules = QualityRules(
        cutoff=timedelta(minutes=settings.score.cutoff_minutes),
        stale=timedelta(minutes=settings.score.stale_minutes),
        far=far,
    )
    topics = Topics(
        lines=scan(root, Topic.LINES),
        games=scan(root, Topic.GAMES),
        splits=scan(root, Topic.SPLITS),
        results=scan(root, Topic.RESULTS),
    )
    minutes = (round(settings.score.cutoff_minutes),)
    parts = [part.features.vectors for _, part in samples(root, settings, minutes, over=False)]
    vectors = np.concatenate([np.empty((0, len(NAMES)), np.float32), *parts])
    return Report(assess(topics, rules), coverage(vectors), len(vectors))
