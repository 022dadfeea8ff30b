"""The table of bets that a tear sheet is made of, and what one unit on each would have brought."""

import numpy as np
import polars as pl

from models.features.arrays import Array
from schemas.bets import Outcome

BETS = pl.Schema(
    {
        "fill_id": pl.String(),
        "stake_id": pl.String(),
        "game_id": pl.String(),
        "day": pl.Date(),
        "market": pl.String(),
        "side": pl.String(),
        "book": pl.String(),
        "line": pl.Float64(),
        "asked": pl.Float64(),
        "price": pl.Float64(),
        "amount": pl.Float64(),
        "balance": pl.Float64(),
        "probability": pl.Float64(),
        "push": pl.Float64(),
        "model_version": pl.String(),
        "paper": pl.Boolean(),
        "simulated": pl.Boolean(),
        "decided_us": pl.Int64(),
        "filled_us": pl.Int64(),
        "first_side": pl.Boolean(),
        "other_price": pl.Float64(),
        "market_probability": pl.Float64(),
        "outcome": pl.String(),
        "payout": pl.Float64(),
        "settled_us": pl.Int64(),
        "rule": pl.String(),
        "open_because": pl.String(),
        "close_value": pl.Float64(),
        "close_points": pl.Float64(),
        "close_seconds": pl.Float64(),
        "close_reference": pl.String(),
        "close_missing": pl.String(),
    }
)
"""One row a bet, in the order in which they were made.

day: the date in the game id. asked: the price when it was decided; price: as taken.
balance: of the bankroll when it was decided. probability: of winning, given no push, by the model;
push: the chance of that. paper: of a model that has not passed the gate.
first_side: home or over was bet. other_price: of the other side at the same book and moment.
market_probability: of the side that was bet, no-vig consensus at that moment and line.
outcome, payout, settled_us: null while the bet is open; then open_because says why.
close_*: as `schemas.bets.ClosingValue`; null where close_missing says why.
"""

_UNITS = {
    Outcome.WIN: 1.0,
    Outcome.HALF_WIN: 0.5,
    Outcome.PUSH: 0.0,
    Outcome.VOID: 0.0,
    Outcome.HALF_LOSS: -0.5,
    Outcome.LOSS: -1.0,
}


def parts_won(bets: pl.DataFrame) -> Array:
    """(n,) share of the stake that won, below 0 that lost."""
    return np.array([_UNITS[Outcome(one)] for one in bets["outcome"]], np.float64)


def unit_returns(won: Array, price: Array) -> Array:
    """(n,) profit of one unit at those decimal prices."""
    found: Array = np.where(won > 0.0, won * (price - 1.0), won)
    return found


def won_or_lost(bets: pl.DataFrame) -> pl.DataFrame:
    """Those that are graded and were bets: a void one had never been made."""
    return bets.filter(pl.col("outcome").is_not_null() & (pl.col("outcome") != Outcome.VOID.value))
