"""Vectors at decision times into the table `features`, by the offline builder.

Live vectors are in Redis, the newest of each game alone, and on no topic; the builder makes any of
them again, bit for bit (`steamline parity`).
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import asyncpg
import numpy as np
import polars as pl

from flows.connectors.parquet import scan
from flows.connectors.postgres import Store
from flows.curate import Curator
from flows.offline import Group, samples
from flows.steps.rows import Row
from models.boosters.dataset import Sample
from models.features.catalogue import COLUMNS_OF, NAMES
from models.features.fold import FoldRules
from models.features.kernel import FeatureSet
from schemas.errors import DataMissing
from schemas.settings import Settings
from schemas.time import from_us
from schemas.topics import Topic

COLUMNS = (
    "game_id",
    "position",
    "feature_set",
    "as_of",
    "cutoff",
    "simulated",
    "count",
    "completeness",
    "completeness_by",
    "vector",
    "source",
)
SOURCE = "offline"

Parts = Iterable[tuple[Group, Sample]]


async def load(
    settings: Settings,
    root: Path,
    minutes: Sequence[int],
    watch: Callable[[Parts], Parts] = iter,
) -> int:
    """How many vectors were not there before.

    Raises DataMissing where there is no archive, or its games have not been loaded.
    """
    features, lead_us = FeatureSet.of(settings).hash, FoldRules.of(settings).cutoff_us
    simulated = set(
        scan(root, Topic.GAMES).filter(pl.col("simulated")).select("game_id").collect()["game_id"]
    )
    store = Store(settings.postgres)
    curator = Curator(store, None)
    new = 0
    try:
        await curator.patiently(
            lambda: store.add("feature_sets", ("feature_set", "names"), [[features, list(NAMES)]])
        )
        for _, part in watch(samples(root, settings, minutes, over=False)):
            rows = rows_of(part, features, lead_us, simulated)
            new += await curator.patiently(lambda rows=rows: store.add("features", COLUMNS, rows))  # type: ignore[misc]
    except asyncpg.ForeignKeyViolationError:
        raise DataMissing(
            f"{root}: its games are not in the database. Run `steamline db load {root}` first"
        ) from None
    finally:
        await store.close()
    return new


def rows_of(part: Sample, feature_set: str, lead_us: int, simulated: set[str]) -> list[Row]:
    vectors = part.features.vectors
    known = np.isfinite(vectors)
    shares = {name: known[:, at].mean(axis=1).tolist() for name, at in COLUMNS_OF.items()}
    decisions = part.rows.select("game_id", "position", "as_of_us", "start_us").iter_rows()
    return [
        [
            game_id,
            position,
            feature_set,
            from_us(as_of_us),
            from_us(start_us - lead_us),
            game_id in simulated,
            len(NAMES),
            float(known[at].mean()),
            json.dumps({name: share[at] for name, share in shares.items()}),
            vectors[at].tolist(),
            SOURCE,
        ]
        for at, (game_id, position, as_of_us, start_us) in enumerate(decisions)
    ]
