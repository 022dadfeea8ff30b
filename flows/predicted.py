"""What models said live, beside what happened: predictions of an archive and its results."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from flows.connectors.parquet import scan
from models.evaluation.said import said, without_shadows
from schemas.errors import DataMissing
from schemas.topics import Topic


def predicted(
    archives: Iterable[Path], until_us: int | None = None, shadows: bool = False
) -> pl.DataFrame:
    """As `models.evaluation.said.said`.

    until_us: what happened from then on is not known. shadows: also what challengers said beside
    the champions. Raises DataMissing without predictions.
    """
    found = pl.concat([_of(root, until_us) for root in archives])
    if not shadows:
        found = without_shadows(found)
    if found.is_empty():
        raise DataMissing(
            "no predictions in these archives. Give one that `steamline archive run` keeps"
        )
    return found.sort("target", "as_of_us", "game_id", "model_version")


def _of(root: Path, until_us: int | None) -> pl.DataFrame:
    us = pl.col("as_of_us", "start_time_us").cast(pl.Int64)
    predictions = scan(root, Topic.PREDICTIONS).with_columns(us)
    results = scan(root, Topic.RESULTS).with_columns(pl.col("occurred_at_us").cast(pl.Int64))
    if until_us is not None:
        predictions = predictions.filter(pl.col("as_of_us") < until_us)
        results = results.filter(pl.col("occurred_at_us") < until_us)
    return said(predictions, results)
