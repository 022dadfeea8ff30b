"""Rows of a walk-forward: what they must hold, and beside each what the references said."""

import polars as pl

from models.evaluation.references import CLOSE, OPEN, References
from schemas.errors import DataMissing
from schemas.markets import Market

OUT_OF_FOLD: dict[str, pl.DataType] = {
    "target": pl.String(),
    "fold": pl.Int32(),
    "game_id": pl.String(),
    "day": pl.Date(),
    "as_of_us": pl.Int64(),
    "start_us": pl.Int64(),
    "line": pl.Float64(),
    "consensus": pl.Float64(),
    "model": pl.Float64(),
    "mean": pl.Float64(),
    "dispersion": pl.Float64(),
    "outcome": pl.Float64(),
    "home_score": pl.Float64(),
    "away_score": pl.Float64(),
    "weight": pl.Float64(),
    "books": pl.Int32(),
}
"""One row a target, game and decision time. `consensus` and `model` are P(home, over or home
cover | no push), at the decision's line; `outcome` is 1, 0 or, for a push, null."""

MARKET_OF: dict[str, Market] = {
    "moneyline": Market.MONEYLINE,
    "total": Market.TOTAL,
    "runs": Market.TOTAL,
    "margin": Market.RUN_LINE,
}
"""Target -> market whose bet its probability is about."""

DECISION, ELO = "decision", "elo"
REFERENCES = (OPEN, DECISION, CLOSE, ELO)
"""No-vig consensus at the opening, at the decision and at the close; Elo's chance (moneyline)."""


def checked(rows: pl.DataFrame) -> pl.DataFrame:
    """With the columns of `OUT_OF_FOLD` in its types, NaN as null. Raises DataMissing, named."""
    if missing := [name for name in OUT_OF_FOLD if name not in rows.columns]:
        raise DataMissing(f"out-of-fold rows lack {', '.join(missing)}. Run the walk-forward again")
    try:
        rows = rows.with_columns(pl.col(name).cast(dtype) for name, dtype in OUT_OF_FOLD.items())
    except pl.exceptions.InvalidOperationError as bad:
        raise DataMissing(f"out-of-fold rows: {str(bad).splitlines()[0]}") from None
    rows = rows.with_columns(pl.col(pl.Float64).fill_nan(None))
    if rows.is_empty():
        raise DataMissing("no out-of-fold rows. Run the walk-forward on more games")
    if strange := sorted(set(rows["target"]) - MARKET_OF.keys()):
        raise DataMissing(f"out-of-fold rows: target {strange[0]!r} is none of {[*MARKET_OF]}")
    for name in ("model", "consensus"):
        wrong = rows.filter((pl.col(name) <= 0.0) | (pl.col(name) >= 1.0))
        if wrong.height:
            first = wrong.row(0, named=True)
            raise DataMissing(
                f"out-of-fold rows: {name} is {first[name]:g} for {first['game_id']} "
                f"({first['target']}): a probability lies between 0 and 1"
            )
    return rows


def game_day() -> pl.Expr:
    """The date in the game id; null for a day that does not exist."""
    return pl.col("game_id").str.extract(r"-(\d{4}-\d{2}-\d{2})-").str.to_date(strict=False)


def decided(rows: pl.DataFrame, target: str) -> pl.DataFrame:
    """A target's rows with a prediction and a winner, weighted so that a game counts once."""
    rows = rows.filter(
        (pl.col("target") == target)
        & pl.col("model").is_not_null()
        & pl.col("outcome").is_not_null()
        & (pl.col("weight") > 0.0)
    )
    return counted_once(rows)


def counted_once(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("weight") / pl.col("weight").sum().over("game_id"))


def beside(rows: pl.DataFrame, target: str, references: References) -> pl.DataFrame:
    """The rows with columns `<reference>` and `<reference>_won`, null where it said nothing.

    The market may have opened or closed at another line than that of the decision. Such a price
    is judged on its own line's outcome: it is what was on offer then.
    """
    market = MARKET_OF[target]
    rows = rows.with_columns(decision=pl.col("consensus"), decision_won=pl.col("outcome"))
    for moment in (OPEN, CLOSE):
        prices = references.prices.filter(market=market.value, moment=moment).select(
            "game_id",
            pl.col("probability").alias(moment),
            pl.col("line").alias(f"{moment}_line"),
            pl.col("books").alias(f"{moment}_books"),
            pl.col("seconds_before_start").alias(f"{moment}_seconds"),
        )
        rows = rows.join(prices, on="game_id", how="left", maintain_order="left")
        rows = rows.with_columns(won(market, f"{moment}_line").alias(f"{moment}_won"))
    elo = references.elo if market is Market.MONEYLINE else references.elo.clear()
    elo = elo.select("game_id", "as_of_us", pl.col("probability").alias(ELO))
    rows = rows.join(elo, on=("game_id", "as_of_us"), how="left", maintain_order="left")
    return rows.with_columns(elo_won=pl.col("outcome"))


def won(market: Market, line: str) -> pl.Expr:
    """1 where home, over or home cover won at the line, 0 where it lost, null at a push."""
    margin, total = (
        pl.col("home_score") - pl.col("away_score"),
        pl.col("home_score") + pl.col("away_score"),
    )
    ahead = {
        Market.MONEYLINE: margin,
        Market.TOTAL: total - pl.col(line),
        Market.RUN_LINE: margin + pl.col(line),
    }[market]
    return pl.when(ahead != 0.0).then((ahead > 0.0).cast(pl.Float64))
