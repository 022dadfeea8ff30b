"""A made-up season as a training set: random vectors, prices, and results that follow them."""

from datetime import date

import numpy as np

from models.boosters.dataset import TrainingSet
from models.features.catalogue import NAMES
from schemas.time import US_PER_MINUTE

FIRST_DAY = (date(2025, 4, 1) - date(1970, 1, 1)).days
HOUR = 60 * US_PER_MINUTE


def season(days: int = 40, games: int = 8, edge: float = 0.0, seed: int = 1) -> TrainingSet:
    """Three decision times a game. edge: log-odds of home and over that the price misses and
    feature 0 tells."""
    rng = np.random.default_rng(seed)
    count = days * games
    game = np.repeat(np.arange(count), 3)
    day = FIRST_DAY + np.arange(count) // games
    start = (day * 24 + 23) * HOUR + np.arange(count) % games * 10 * US_PER_MINUTE
    told = rng.normal(size=count)
    price = rng.uniform(0.35, 0.65, (count, 3))
    truth = 1 / (1 + (1 - price) / price * np.exp(-edge * told)[:, None])
    won = rng.random(count) < truth[:, 0]
    ahead = rng.choice([1, 2, 3, 4], count, p=[0.3, 0.3, 0.2, 0.2])
    over = rng.random(count) < truth[:, 2]
    loser = np.where(over, rng.integers(4, 7, count), rng.integers(0, 3, count))
    winner = loser + ahead
    vectors = rng.normal(size=(count * 3, len(NAMES))).astype(np.float32)
    vectors[:, 0] = told[game]
    return TrainingSet(
        game=game,
        game_ids=[
            f"mlb-{date.fromordinal(719163 + int(one))}-BOS-NYY-{at}" for at, one in enumerate(day)
        ],
        as_of_us=start[game] - np.tile([3, 2, 1], count) * HOUR,
        start_us=start[game],
        vectors=vectors,
        consensus=price[game],
        line=np.column_stack([np.zeros(count), np.full(count, -1.5), np.full(count, 8.5)])[game],
        books=np.full((count * 3, 3), 4, np.int32),
        over_us=start[game] + 3 * HOUR,
        day=day[game],
        home_score=np.where(won, winner, loser).astype(float)[game],
        away_score=np.where(won, loser, winner).astype(float)[game],
    )
