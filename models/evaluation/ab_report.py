"""Two model versions on the same games: losses, closing line value, growth, games needed."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from models.evaluation.ab import A, B, Outcome, Plan, drawn, plan, shadow, split
from models.evaluation.compare import USUAL, Drawing
from models.evaluation.intervals import DaySums, Interval
from models.evaluation.rows import counted_once, decided
from models.features.arrays import Array
from schemas.decisions import Role
from schemas.errors import DataMissing

Mode = Literal["shadow", "split"]
CHAMPION, CHALLENGER = Role.CHAMPION.value, Role.CHALLENGER.value

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
"""One row a game and model version: what `compared` takes as bets."""


@dataclass(frozen=True)
class Trial:
    """What is compared."""

    target: str
    a: str
    """Model versions, as on their predictions. In an experiment A is the champion."""
    b: str
    mode: Mode
    experiment: str | None = None
    """None where two workers spoke about the same games, each with stakes of its own."""
    others: tuple[str, ...] = ()
    """Further versions that spoke in the experiment."""


@dataclass(frozen=True)
class Bets:
    """What one arm would have bet at the last decision before each game."""

    games: int
    bets: int
    growth: float
    """Mean of the log of wealth after a game over wealth before; games without a bet count 0."""
    clv: float
    """Mean of price x closing chance - 1, one a bet; NaN where no close is known."""
    clv_interval: Interval
    clv_known: float
    """Share of bets whose line has a closing price."""


@dataclass(frozen=True)
class Comparison:
    trial: Trial
    log_loss: Outcome
    growth: float
    """A game, B less A: above 0, B is better."""
    growth_interval: Interval
    arms: dict[str, Bets]
    strays: int
    """Games of a split in which both models spoke: left out."""
    needed: Plan | None
    """Games until a difference as large as the one found is told from 0."""


def compared(
    rows: pl.DataFrame, bets: pl.DataFrame, trial: Trial, drawing: Drawing = USUAL
) -> Comparison:
    """rows: predictions of the trial (columns `said.SAID`); bets: one a game and model version,
    columns game_id, model_version, fraction, price, won (1, 0, or null for a push), close (chance
    of the side at the close, null where unknown).

    Raises DataMissing where there is nothing to compare.
    """
    said = decided(rows, trial.target).filter(pl.col("consensus").is_not_null())
    sides = {A: _of(said, trial, CHAMPION), B: _of(said, trial, CHALLENGER)}
    strays = 0
    if trial.mode == "shadow":
        both = _paired(sides)
        _some(both, trial)
        outcome = shadow(both, drawing)
        games = {name: both for name in (A, B)}
    else:
        for part in sides.values():
            _some(part, trial)
        sides = _while_both(sides)
        twice = sides[A].join(sides[B], on="game_id", how="semi")["game_id"].unique()
        strays = len(twice)
        games = {
            name: part.filter(~pl.col("game_id").is_in(twice)).with_columns(arm=pl.lit(name))
            for name, part in sides.items()
        }
        for part in games.values():
            _some(part, trial)
        both = pl.concat(games.values())
        outcome = split(counted_once(both), drawing)
    grown = {
        name: _growth(games[name], bets.filter(model_version=version))
        for name, version in ((A, trial.a), (B, trial.b))
    }
    apart = _apart(grown, trial)
    rate = outcome.games / outcome.days
    known = outcome.difference and math.isfinite(outcome.deviation) and outcome.deviation > 0.0
    return Comparison(
        trial=trial,
        log_loss=outcome,
        growth=apart.mean,
        growth_interval=drawing.interval(apart),
        arms={name: _bets(part, drawing) for name, part in grown.items()},
        strays=strays,
        needed=plan(outcome.deviation, outcome.difference, rate) if known else None,
    )


def _of(said: pl.DataFrame, trial: Trial, role: str) -> pl.DataFrame:
    version = trial.a if role == CHAMPION else trial.b
    rows = said.filter(model_version=version)
    return rows if trial.experiment is None else rows.filter(role=role)


def _while_both(sides: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Of the days on which games went to either: what one said before has no counterpart."""
    days = [part["day"] for part in sides.values() if not part.is_empty()]
    begins, ends = max(day.min() for day in days), min(day.max() for day in days)  # type: ignore[type-var]
    return {
        name: part.filter(pl.col("day").is_between(begins, ends)) for name, part in sides.items()
    }


def _some(rows: pl.DataFrame, trial: Trial) -> None:
    if rows.is_empty():
        raise DataMissing(
            f"{trial.target}: no game that is over has what a {trial.mode} of {trial.a} and "
            f"{trial.b} needs"
        )


def _paired(sides: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Decisions on which both spoke, at one position and line."""
    key = ("game_id", "position", "line")
    second = sides[B].select(*key, pl.col("model").alias(B))
    paired = (
        sides[A].rename({"model": A}).join(second, on=key, nulls_equal=True, maintain_order="left")
    )
    return counted_once(paired)


def _growth(rows: pl.DataFrame, bets: pl.DataFrame) -> pl.DataFrame:
    """One row a game: day, game_id, growth, and its bet, if any; of a split its arm and share."""
    about = [name for name in ("game_id", "day", "arm", "share") if name in rows.columns]
    games = rows.select(about).unique("game_id", keep="last", maintain_order=True)
    staked = bets.filter(pl.col("fraction") > 0.0)
    joined = games.join(staked, on="game_id", how="left", maintain_order="left")
    gain = pl.col("fraction") * (pl.col("price") - 1.0)
    after = pl.when(pl.col("won") == 1.0).then(gain).when(pl.col("won") == 0.0)
    return joined.with_columns(
        growth=after.then(-pl.col("fraction")).otherwise(0.0).fill_null(0.0).log1p()
    )


def _apart(grown: dict[str, pl.DataFrame], trial: Trial) -> DaySums:
    if trial.mode == "shadow":
        both = grown[A].join(grown[B], on="game_id", suffix="_b", maintain_order="left")
        return _sums(both, (both["growth_b"] - both["growth"]).to_numpy())
    # As for the losses: divided by the chance of the arm, negative for A.
    rows = pl.concat(part.select("day", "growth", "arm", "share") for part in grown.values())
    return _sums(rows, rows["growth"].to_numpy() * drawn(rows))


def _sums(rows: pl.DataFrame, values: Array) -> DaySums:
    return DaySums.of(rows["day"].to_numpy(), values, np.ones(len(values)))


def _bets(grown: pl.DataFrame, drawing: Drawing) -> Bets:
    staked = grown.filter(pl.col("fraction").is_not_null())
    closed = staked.filter(pl.col("close").is_not_null())
    clv, interval = math.nan, Interval(math.nan, math.nan)
    if not closed.is_empty():
        sums = _sums(closed, (closed["price"] * closed["close"] - 1.0).to_numpy())
        clv, interval = sums.mean, drawing.interval(sums)
    return Bets(
        games=grown.height,
        bets=staked.height,
        growth=_sums(grown, grown["growth"].to_numpy()).mean,
        clv=clv,
        clv_interval=interval,
        clv_known=closed.height / staked.height if staked.height else math.nan,
    )


def document(found: Comparison) -> dict[str, object]:
    """As plain data; a number that is not known stays NaN."""
    return {
        **found.trial.__dict__,
        "log_loss": found.log_loss.__dict__ | {"settled": found.log_loss.settled},
        "growth": found.growth,
        "growth_interval": found.growth_interval,
        "arms": {name: bets.__dict__ for name, bets in found.arms.items()},
        "strays": found.strays,
        "needed": found.needed and found.needed._asdict(),
    }
