"""Two model versions compared on the predictions and stakes of archives."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from flows.connectors.parquet import scan
from flows.predicted import predicted
from flows.references import references
from models.evaluation.ab_report import BETS, Comparison, Trial, compared
from models.evaluation.references import CLOSE
from models.evaluation.trial import Asked, rows_of, trial_of
from models.staking.kelly import edge, kelly_fraction
from schemas.markets import PRICED_BY, SIDES, Market, Target
from schemas.sections.staking import StakingSettings
from schemas.settings import Settings
from schemas.topics import Topic

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
    archives: Sequence[Path], settings: Settings, asked: Asked, until_us: int | None = None
) -> Comparison:
    """Raises DataMissing where neither or only one of the versions has spoken."""
    rows = predicted(archives, until_us, shadows=True).filter(target=asked.target.value)
    trial = trial_of(rows, asked)
    rows = rows_of(rows, trial)
    return compared(rows, bets(archives, rows, settings, trial), trial)


def bets(
    archives: Sequence[Path], rows: pl.DataFrame, settings: Settings, trial: Trial
) -> pl.DataFrame:
    """What was staked at the last decision of each game, columns `BETS`; in the shadow of an
    experiment what each would have staked alone.

    rows: of the trial. A target that prices no bets (`runs`) has none.
    """
    target = Target(trial.target)
    market = next((market for market, priced in PRICED_BY.items() if priced is target), None)
    if market is None or rows.is_empty():
        return BETS.to_frame()
    last = rows.sort("position").group_by("game_id", "model_version").last()
    if trial.experiment is not None and trial.mode == "shadow":
        found = _alone(last, market, settings.staking)
    else:
        found = _staked(archives, last, market, trial)
    found = found.with_columns(pl.col("position").cast(pl.Int64))
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


def _staked(
    archives: Sequence[Path], last: pl.DataFrame, market: Market, trial: Trial
) -> pl.DataFrame:
    """Stakes that stood at the last decision, paper ones too where the settings sized them: a
    stake is said when it changes."""
    stakes = pl.concat(
        scan(root, Topic.STAKES)
        .filter(
            pl.col("market") == market.value,
            ~pl.col("refusals").list.contains("locked"),
            pl.col("experiment").eq_missing(pl.lit(trial.experiment, pl.String())),
        )
        .select(*_STAKED)
        for root in archives
    )
    return (
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


def _alone(last: pl.DataFrame, market: Market, settings: StakingSettings) -> pl.DataFrame:
    """By the prices in the prediction itself and the settings of today: a shadow stakes nothing,
    and what the champion staked may have been cut for other bets."""
    schema = {"side": pl.String(), "fraction": pl.Float64(), "price": pl.Float64()}
    made = []
    for chance, quotes, completeness in last.select("model", "best", "completeness").iter_rows():
        best = None
        for quote in quotes:
            wins = chance if quote["side"] == SIDES[market][0] else 1.0 - chance
            won = edge(wins, quote["price"])
            if best is None or won > best[0]:
                best = won, wins, quote
        if (
            best is None
            or best[0] <= 0.0
            or best[0] < settings.min_edge
            or completeness < settings.min_completeness
        ):
            made.append((None, 0.0, None))
            continue
        _, wins, quote = best
        fraction = kelly_fraction(wins, quote["price"]) * settings.fraction
        made.append((quote["side"], min(fraction, settings.max_fraction), quote["price"]))
    sized = pl.DataFrame(made, schema=schema, orient="row")
    return pl.concat([last, sized], how="horizontal").filter(pl.col("fraction") > 0.0)
