"""What models said live, beside what happened: predictions of an archive and its results."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from flows.connectors.parquet import scan
from flows.offline import game_day
from models.boosters.dataset import DECISION_MINUTES
from models.evaluation.rows import won
from schemas.decisions import Role
from schemas.errors import DataMissing
from schemas.markets import MARKET_OF, Target
from schemas.time import US_PER_MINUTE
from schemas.topics import Topic

SAID = pl.Schema(
    {
        "target": pl.String(),
        "model_version": pl.String(),
        "game_id": pl.String(),
        "day": pl.Date(),
        "position": pl.Int64(),
        "as_of_us": pl.Int64(),
        "start_us": pl.Int64(),
        "line": pl.Float64(),
        "consensus": pl.Float64(),
        "model": pl.Float64(),
        "outcome": pl.Float64(),
        "weight": pl.Float64(),
        "simulated": pl.Boolean(),
        "role": pl.String(),
        "experiment": pl.String(),
        "share": pl.Float64(),
        "best": pl.List(pl.Struct({"side": pl.String(), "price": pl.Float64()})),
        "completeness": pl.Float64(),
    }
)
"""As the rows of a walk-forward (`models.evaluation.rows.OUT_OF_FOLD`), with who said it, as what
and of which prices. outcome is null before the game is over, and for a push."""


def predicted(
    archives: Iterable[Path], until_us: int | None = None, shadows: bool = False
) -> pl.DataFrame:
    """Of each game, target and model in its part the last prediction before each decision time, as
    in training: a game whose prices move often counts no more than a quiet one. Columns `SAID`.

    until_us: what happened from then on is not known. shadows: also what challengers said beside
    the champions. Raises DataMissing without predictions.
    """
    found = pl.concat([_of(root, until_us) for root in archives])
    if not shadows:
        found = found.filter((pl.col("role") == Role.CHAMPION) | pl.col("share").is_not_null())
    if found.is_empty():
        raise DataMissing(
            "no predictions in these archives. Give one that `steamline archive run` keeps"
        )
    return found.sort("target", "as_of_us", "game_id", "model_version")


def _of(root: Path, until_us: int | None) -> pl.DataFrame:
    us = pl.col("as_of_us", "start_time_us").cast(pl.Int64)
    said = scan(root, Topic.PREDICTIONS).with_columns(us)
    results = scan(root, Topic.RESULTS).with_columns(pl.col("occurred_at_us").cast(pl.Int64))
    if until_us is not None:
        said = said.filter(pl.col("as_of_us") < until_us)
        results = results.filter(pl.col("occurred_at_us") < until_us)
    # A corrected result replaces the first.
    scores = results.group_by("game_id").agg(
        pl.col("home_score", "away_score").sort_by("occurred_at_us").last().cast(pl.Float64)
    )
    left = pl.col("start_time_us") - pl.col("as_of_us")
    reached = [(left >= one * US_PER_MINUTE).cast(pl.Int32) for one in DECISION_MINUTES]
    key = ("game_id", "target", "model_version", "role", "experiment", "share")
    rows = (
        said.with_columns(reached=pl.sum_horizontal(reached))
        .filter(pl.col("reached") > 0)
        .sort("position")
        .group_by(*key, "reached")
        .last()
        .join(scores, on="game_id", how="left")
        .collect()
    )
    outcome = pl.coalesce(
        pl.when(pl.col("target") == target.value).then(won(MARKET_OF[target], "line"))
        for target in Target
    )
    return rows.with_columns(
        day=game_day(),
        start_us=pl.col("start_time_us"),
        consensus=pl.col("market_probability"),
        model=pl.col("probability"),
        outcome=outcome,
        weight=pl.lit(1.0),
        best=pl.col("best").list.eval(
            pl.struct(pl.element().struct.field("side"), pl.element().struct.field("price"))
        ),
    ).select(pl.col(name).cast(kind) for name, kind in SAID.items())
