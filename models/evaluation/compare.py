"""A model's losses against another forecast's, on the rows that both speak of."""

from dataclasses import dataclass

import polars as pl

from models.evaluation.intervals import (
    CONFIDENCE,
    RESAMPLES,
    DaySums,
    Interval,
    block_bootstrap,
    diebold_mariano,
)
from models.evaluation.metrics import briers, log_losses
from models.evaluation.power import Spread, spread_of
from models.evaluation.rows import counted_once
from models.features.arrays import Array


@dataclass(frozen=True)
class Forecast:
    """Weighted means with intervals by days drawn; a game counts once."""

    log_loss: float
    log_loss_interval: Interval
    brier: float
    brier_interval: Interval
    n: int
    """Games."""
    rows: int
    days: int


@dataclass(frozen=True)
class Difference:
    """In log-loss, model less reference: below 0 the model was better."""

    model_log_loss: float
    reference_log_loss: float
    difference: float
    interval: Interval
    p_value: float
    """Diebold-Mariano, two-sided, days as observations."""
    spread: Spread
    """Of one game's difference."""
    n: int
    """Games that both speak of."""
    days: int


@dataclass(frozen=True)
class Comparison(Difference):
    """With all that a report says of either side, on the rows that both speak of."""

    model: Forecast
    reference: Forecast
    brier_difference: float
    brier_interval: Interval


@dataclass(frozen=True)
class Drawing:
    """How intervals are drawn."""

    confidence: float = CONFIDENCE
    resamples: int = RESAMPLES
    seed: int = 1

    def interval(self, sums: DaySums) -> Interval:
        return block_bootstrap(sums, self.confidence, self.resamples, self.seed)


USUAL = Drawing()


def forecast(
    rows: pl.DataFrame, chance: str = "model", won: str = "outcome", drawing: Drawing = USUAL
) -> Forecast:
    """rows: columns day, game_id, weight and the two that are named."""
    logs, squares = _losses(rows, chance, won)
    log_sums, square_sums = _sums(rows, logs), _sums(rows, squares)
    return Forecast(
        log_loss=log_sums.mean,
        log_loss_interval=drawing.interval(log_sums),
        brier=square_sums.mean,
        brier_interval=drawing.interval(square_sums),
        n=rows["game_id"].n_unique(),
        rows=rows.height,
        days=len(log_sums),
    )


def shared(rows: pl.DataFrame, chance: str, won: str) -> pl.DataFrame:
    """Rows on which the other forecast has a say and its bet a winner."""
    return counted_once(rows.filter(pl.col(chance).is_not_null() & pl.col(won).is_not_null()))


def differ(
    rows: pl.DataFrame, chance: str, won: str = "outcome", drawing: Drawing = USUAL
) -> Difference:
    """Column `model` against column `chance`, whose bet's outcome is `won`.

    Raises ValueError without a shared row.
    """
    rows = shared(rows, chance, won)
    model, reference = _losses(rows, "model", "outcome")[0], _losses(rows, chance, won)[0]
    sums = _sums(rows, model - reference)
    return Difference(
        model_log_loss=_sums(rows, model).mean,
        reference_log_loss=_sums(rows, reference).mean,
        difference=sums.mean,
        interval=drawing.interval(sums),
        p_value=diebold_mariano(sums).p_value,
        spread=spread_of(sums),
        n=rows["game_id"].n_unique(),
        days=len(sums),
    )


def compare(
    rows: pl.DataFrame, chance: str, won: str = "outcome", drawing: Drawing = USUAL
) -> Comparison:
    """As `differ`, with both sides' own scores and intervals."""
    rows = shared(rows, chance, won)
    model, reference = _losses(rows, "model", "outcome")[1], _losses(rows, chance, won)[1]
    sums = _sums(rows, model - reference)
    return Comparison(
        **differ(rows, chance, won, drawing).__dict__,
        model=forecast(rows, drawing=drawing),
        reference=forecast(rows, chance, won, drawing),
        brier_difference=sums.mean,
        brier_interval=drawing.interval(sums),
    )


def _losses(rows: pl.DataFrame, chance: str, won: str) -> tuple[Array, Array]:
    given, happened = rows[chance].to_numpy(), rows[won].to_numpy()
    return log_losses(given, happened), briers(given, happened)


def _sums(rows: pl.DataFrame, values: Array) -> DaySums:
    return DaySums.of(rows["day"].to_numpy(), values, rows["weight"].to_numpy())
