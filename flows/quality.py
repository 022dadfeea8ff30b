"""The quality of an archive: its frames, and its features at the cutoff."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from flows.connectors.parquet import scan
from flows.offline import samples
from models.evaluation.rows import game_day
from models.features.arrays import Array
from models.features.catalogue import COLUMNS_OF, NAMES
from models.quality import Quality, QualityRules, Topics, assess, coverage
from schemas.settings import Settings
from schemas.topics import Topic


@dataclass(frozen=True)
class Report:
    quality: Quality
    coverage: pl.DataFrame
    """Of the last vector of each game before its cutoff."""
    known: pl.DataFrame
    """The same by day and category: `day`, `category`, `known`, `vectors`."""
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
    parts = [part for _, part in samples(root, settings, minutes, over=False)]
    vectors = np.concatenate(
        [np.empty((0, len(NAMES)), np.float32), *(part.features.vectors for part in parts)]
    )
    days = pl.concat(
        [
            pl.DataFrame(schema={"day": pl.Date}),
            *(part.rows.select(day=game_day()) for part in parts),
        ]
    )["day"]
    return Report(
        assess(topics, rules), coverage(vectors), known_by_day(days, vectors), len(vectors)
    )


def known_by_day(days: pl.Series, vectors: Array) -> pl.DataFrame:
    """Share of known features by day and category. days: of each vector's game."""
    known = np.isfinite(vectors)
    shares = {
        category: pl.Series(known[:, at].mean(axis=1), dtype=pl.Float64)
        for category, at in COLUMNS_OF.items()
    }
    return (
        pl.DataFrame({"day": days, **shares})
        .unpivot(index="day", variable_name="category", value_name="known")
        .group_by("day", "category")
        .agg(pl.col("known").mean(), vectors=pl.len())
        .sort("day", "category")
    )
