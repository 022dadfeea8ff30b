"""What models said live, beside what happened: one row a decision, whoever keeps the messages."""

import polars as pl

from models.boosters.dataset import DECISION_MINUTES
from models.evaluation.rows import game_day, won
from schemas.decisions import Role
from schemas.markets import MARKET_OF, Target
from schemas.time import US_PER_MINUTE

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


def without_shadows(rows: pl.DataFrame) -> pl.DataFrame:
    """Less what challengers said beside the champions."""
    return rows.filter((pl.col("role") == Role.CHAMPION) | pl.col("share").is_not_null())


def said(predictions: pl.LazyFrame, results: pl.LazyFrame) -> pl.DataFrame:
    """Of each game, target and model in its part the last prediction before each decision time, as
    in training: a game whose prices move often counts no more than a quiet one. Columns `SAID`.

    predictions: as the messages, less what `SAID` does not name, as_of_us and start_time_us as
    integers; results: game_id, occurred_at_us, home_score, away_score; a corrected one replaces
    the first.
    """
    scores = results.group_by("game_id").agg(
        pl.col("home_score", "away_score").sort_by("occurred_at_us").last().cast(pl.Float64)
    )
    left = pl.col("start_time_us") - pl.col("as_of_us")
    reached = [(left >= one * US_PER_MINUTE).cast(pl.Int32) for one in DECISION_MINUTES]
    key = ("game_id", "target", "model_version", "role", "experiment", "share")
    rows = (
        predictions.with_columns(reached=pl.sum_horizontal(reached))
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
