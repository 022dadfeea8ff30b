"""Walk-forwards whose truth is known: games by day, a market, a model, results."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from models.evaluation.references import PRICES, References
from models.evaluation.rows import OUT_OF_FOLD
from models.features.arrays import Array

FIRST = date(2026, 4, 1)
START_US = 1_775_000_000_000_000
DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000


def sigmoid(score: Array) -> Array:
    chance: Array = 1.0 / (1.0 + np.exp(-score))
    return chance


def season(
    seed: int,
    edge: float,
    noise: float = 0.05,
    days: int = 120,
    games: int = 12,
    target: str = "moneyline",
) -> pl.DataFrame:
    """Out-of-fold rows, three a game.

    edge: standard deviation of the log-odds that the market misses and the model sees; without
    one the model's only part is noise, of its own standard deviation.
    """
    rng = np.random.default_rng(seed)
    n = days * games
    fair = rng.normal(0.1, 0.4, n)
    missed = rng.normal(0.0, edge, n) if edge else np.zeros(n)
    won = rng.uniform(size=n) < sigmoid(fair + missed)
    model = sigmoid(fair + missed + rng.normal(0.0, noise, n))
    game = np.arange(n)
    frames = []
    for hours in (1, 3, 6):
        start = START_US + game // games * DAY_US
        frames.append(
            pl.DataFrame(
                {
                    "target": [target] * n,
                    "fold": game * 5 // n,
                    "game_id": [f"mlb-{FIRST + timedelta(int(g) // games)}-A{g}" for g in game],
                    "day": [FIRST + timedelta(int(g) // games) for g in game],
                    "as_of_us": start - hours * HOUR_US,
                    "start_us": start,
                    "line": [None if target == "moneyline" else 8.5] * n,
                    "consensus": sigmoid(fair),
                    "model": model,
                    "mean": [None] * n,
                    "dispersion": [None] * n,
                    "outcome": won.astype(float),
                    "home_score": np.where(won, 5.0, 4.0),
                    "away_score": np.where(won, 4.0, 5.0),
                    "weight": [1.0 / 3.0] * n,
                    "books": 1 + game % 11,
                }
            ).cast(OUT_OF_FOLD)  # type: ignore[arg-type]
        )
    return pl.concat(frames).sort("game_id", "as_of_us")


def no_references() -> References:
    elo = pl.DataFrame(
        schema={"game_id": pl.String(), "as_of_us": pl.Int64(), "probability": pl.Float64()}
    )
    return References(pl.DataFrame(schema=PRICES), elo)
