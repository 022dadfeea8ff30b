"""Two model versions compared on the predictions and stakes of archives."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from flows.connectors.parquet import scan
from flows.predicted import predicted
from flows.references import references
from models.evaluation.ab_report import Comparison, Trial, compared
from models.evaluation.references import CLOSE
from schemas.markets import PRICED_BY, SIDES, Target
from schemas.settings import Settings
from schemas.topics import Topic

BETS = pl.Schema(
    {
        "game_id": pl.String(),
        "model_version": pl.String(),
        "fraction": pl.Float64(),
        "price": pl.Float64(),
        "won": pl.Float64(),
        "close": pl.Float64(),
    }
)

_STAKED = (
    "game_id",
    "position",
    "decided_us",
    "stake_id",
    "model_version",
    "side",
    "fraction",
    "price",
)


def ab_report(
    archives: Sequence[Path], settings: Settings, trial: Trial, until_us: int | None = None
) -> Comparison:
    """Raises DataMissing where neither or only one of the versions has spoken."""
    rows = predicted(archives, until_us).filter(
        (pl.col("target") == trial.target) & pl.col("model_version").is_in([trial.a, trial.b])
    )
    return compared(rows, bets(archives, rows, settings, Target(trial.target)), trial)


def bets(
    archives: Sequence[Path], rows: pl.DataFrame, settings: Settings, target: Target
) -> pl.DataFrame:
    """What stood staked at the last decision of each game, columns `BETS`.

    Stakes are said when they change. rows: of one target; `runs`, which prices no bets, has none.
    """
    market = next((market for market, priced in PRICED_BY.items() if priced is target), None)
    if market is None or rows.is_empty():
        return BETS.to_frame()
    last = rows.sort("position").group_by("game_id", "model_version").last()
    stakes = pl.concat(
        scan(root, Topic.STAKES)
        .filter((pl.col("market") == market.value) & ~pl.col("refusals").list.contains("locked"))
        .select(*_STAKED)
        for root in archives
    )
    found = (
        stakes.collect()
        .join(
            last.select("game_id", "model_version", "line", "outcome", last="position"),
            on=("game_id", "model_version"),
        )
        .filter(pl.col("position") <= pl.col("last"))
        .sort("position", "decided_us", "stake_id", nulls_last=False)
        .group_by("game_id", "model_version")
        .last()
        .filter(pl.col("fraction") > 0.0)
    )
    prices = references(archives, rows.select("game_id", "as_of_us"), settings).prices
    close = prices.filter(market=market.value, moment=CLOSE).select(
        "game_id", "line", chance="probability"
    )
    found = found.join(close, on=("game_id", "line"), how="left", nulls_equal=True)
    first = pl.col("side") == SIDES[market][0].value

    def of_side(name: str) -> pl.Expr:
        return pl.when(first).then(pl.col(name)).otherwise(1.0 - pl.col(name))

    return (
        found.with_columns(won=of_side("outcome"), close=of_side("chance"))
        .select(pl.col(name).cast(kind) for name, kind in BETS.items())
        .sort("game_id", "model_version")
    )
