"""Two model versions compared on the predictions and stakes of archives."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from flows.connectors.parquet import scan
from flows.predicted import predicted
from flows.references import references
from models.evaluation.ab_report import CHALLENGER, CHAMPION, Comparison, Trial, compared
from models.evaluation.references import CLOSE
from models.staking.kelly import edge, kelly_fraction
from schemas.errors import DataMissing
from schemas.markets import PRICED_BY, SIDES, Market, Target
from schemas.sections.staking import StakingSettings
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


class Asked(NamedTuple):
    """What to compare; what is left open is taken as the newest experiment has it."""

    target: Target
    experiment: str | None = None
    a: str | None = None
    b: str | None = None
    """Model versions; both without an experiment: of two workers on the same topics."""


def ab_report(
    archives: Sequence[Path], settings: Settings, asked: Asked, until_us: int | None = None
) -> Comparison:
    """Raises DataMissing where neither or only one of the versions has spoken."""
    rows = predicted(archives, until_us, shadows=True).filter(target=asked.target.value)
    trial = _trial(rows, asked)
    rows = rows.filter(pl.col("model_version").is_in([trial.a, trial.b]))
    if trial.experiment is not None:
        dealt = pl.col("share").is_not_null()
        rows = rows.filter(
            pl.col("experiment") == trial.experiment, dealt if trial.mode == "split" else ~dealt
        )
    return compared(rows, bets(archives, rows, settings, trial), trial)


def _trial(rows: pl.DataFrame, asked: Asked) -> Trial:
    target = asked.target.value
    tried = rows.filter(pl.col("experiment").is_not_null()).sort("as_of_us", "position")
    if asked.experiment is not None:
        tried = tried.filter(experiment=asked.experiment)
    sides = {}
    for role, version in ((CHAMPION, asked.a), (CHALLENGER, asked.b)):
        part = tried.filter(role=role)
        sides[role] = part if version is None else part.filter(model_version=version)
    if any(part.is_empty() for part in sides.values()):
        if asked.a is not None and asked.b is not None and asked.experiment is None:
            return Trial(target, asked.a, asked.b, "shadow")
        raise DataMissing(
            f"{target}: no champion and challenger of an experiment in these archives. "
            "STEAMLINE_AB_MODE begins one; or name two versions with --a and --b"
        )
    last = sides[CHALLENGER].row(-1, named=True)
    there = tried.filter(experiment=last["experiment"])
    # The newest beside this challenger; not the challenger itself, once it has been promoted.
    beside = sides[CHAMPION].filter(
        pl.col("experiment") == last["experiment"],
        pl.col("model_version") != last["model_version"],
    )
    if beside.is_empty():
        raise DataMissing(f"{target}: no champion has spoken in experiment {last['experiment']}")
    a, b = beside["model_version"][-1], last["model_version"]
    return Trial(
        target,
        a,
        b,
        "shadow" if last["share"] is None else "split",
        last["experiment"],
        tuple(sorted(set(there["model_version"]) - {a, b})),
    )


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
