"""What an event and a vector cost, by live games and by history; the kernel against polars.

Synthetic moneyline, run line and total moves of 16 books over 6 hours of event time, seeded. More
history is more moves in the same 6 hours. Each figure is the least of several rounds: noise only
ever adds.
"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import polars as pl

from bench.result import Result
from models.features.arrays import Array
from models.features.catalogue import NAMES, WINDOWS_MINUTES
from models.features.fold import FoldRules, GameState
from models.features.kernel import FeatureSet
from models.features.layout import MARKETS
from schemas.events import Event, GameUpdate, LineMovement
from schemas.markets import Market
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE, to_us

OPEN_US = to_us(datetime(2026, 7, 20, 12, tzinfo=UTC))
SPAN_US = 6 * 60 * US_PER_MINUTE
MOVES = 200
"""Of a game at 1x; a real game of the oddsapi archive has about 380 before its cutoff."""
GAME = "mlb-2026-07-20-BOS-NYY-1"
LINES: dict[Market, list[float | None]] = {
    Market.MONEYLINE: [None],
    Market.RUN_LINE: [-1.5],
    Market.TOTAL: [8.0, 8.5],
}
LIVE_GAMES = (15, 150, 1_500)
HISTORIES = (1, 10, 100)
ROUNDS = 5


def _events(moves: int, seed: int, books: tuple[str, ...]) -> list[Event]:
    dice = random.Random(seed)
    events: list[Event] = [
        GameUpdate(
            event_id="schedule",
            game_id=GAME,
            source="bench",
            occurred_at_us=OPEN_US,
            home="New York Yankees",
            away="Boston Red Sox",
            start_time_us=OPEN_US + 2 * SPAN_US,
        )
    ]
    times = sorted(OPEN_US + dice.randrange(SPAN_US) for _ in range(moves))
    for number, moment in enumerate(times):
        market = dice.choice(MARKETS)
        price = dice.uniform(1.8, 2.1)
        events.append(
            LineMovement(
                event_id=str(number),
                game_id=GAME,
                source="bench",
                occurred_at_us=moment,
                book=dice.choice(books),
                market=market,
                price_home_over=price,
                price_away_under=3.9 - price,
                line=dice.choice(LINES[market]),
            )
        )
    return events


def _least_seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def _fold(rules: FoldRules, events: list[Event], last: int) -> tuple[GameState, float]:
    """The state after all events, and the microseconds an event of the last `last` ones."""
    best = float("inf")
    for _ in range(ROUNDS):
        state = GameState(rules)
        for event in events[:-last]:
            state.fold(event)
        began = time.perf_counter()
        for event in events[-last:]:
            state.fold(event)
        best = min(best, time.perf_counter() - began)
    return state, best / last * 1e6


def _vectors(features: FeatureSet, rows: Array) -> float:
    """Microseconds a vector."""

    def work() -> None:
        features.vectors(rows, features.view(rows))

    return _least_seconds(work) / len(rows) * 1e6


def _polars_windows(moves: pl.DataFrame, as_of_us: int) -> pl.DataFrame:
    """Median over books of the change over each window, a game and market: what 12 of the kernel's
    features say, as straight expressions over the raw moves."""
    key = ["game", "market", "book"]
    now = moves.group_by(key).agg(pl.col("probability").last().alias("now"))
    for window in WINDOWS_MINUTES:
        then = (
            moves.filter(pl.col("at") <= as_of_us - window * US_PER_MINUTE)
            .group_by(key)
            .agg(pl.col("probability").last().alias(f"then_{window}"))
        )
        now = now.join(then, on=key, how="left")
    return now.group_by("game", "market").agg(
        (pl.col("now") - pl.col(f"then_{window}")).median().alias(f"change_{window}m")
        for window in WINDOWS_MINUTES
    )


def _as_frame(events: list[Event], games: int) -> pl.DataFrame:
    rows = [
        (event.market.value, event.book, event.occurred_at_us, 1.0 / event.price_home_over)
        for event in events
        if isinstance(event, LineMovement) and event.price_home_over is not None
    ]
    one = pl.DataFrame(rows, ["market", "book", "at", "probability"], orient="row")
    return pl.concat([one.with_columns(pl.lit(game).alias("game")) for game in range(games)])


def main() -> None:
    settings = Settings()
    rules, features = FoldRules.of(settings), FeatureSet.of(settings)
    fold_us: dict[str, float] = {}
    vector_us: dict[str, float] = {}
    for history in HISTORIES:
        state, cost = _fold(rules, _events(MOVES * history, 1, settings.books), last=MOVES)
        fold_us[f"{history}x"] = round(cost, 2)
        for games in LIVE_GAMES:
            rows = np.concatenate([state.record] * games)
            vector_us[f"{history}x history, {games} games"] = round(_vectors(features, rows), 2)
    Result(
        name="features-history",
        ours=fold_us["100x"],
        reference=fold_us["1x"],
        unit="us/event folded",
        ratio=round(fold_us["100x"] / fold_us["1x"], 3),
        detail={
            "fold_us": fold_us,
            "vector_us": vector_us,
            "vector_ratio_100x": {
                str(games): round(
                    vector_us[f"100x history, {games} games"]
                    / vector_us[f"1x history, {games} games"],
                    3,
                )
                for games in LIVE_GAMES
            },
            "features": len(NAMES),
        },
    ).write()

    games = LIVE_GAMES[0]
    events = _events(MOVES, 1, settings.books)
    state, _ = _fold(rules, events, last=MOVES)
    rows = np.concatenate([state.record] * games)
    frame = _as_frame(events, games)
    kernel_ms = _vectors(features, rows) * games / 1e3
    polars_ms = _least_seconds(lambda: _polars_windows(frame, state.as_of_us)) * 1e3
    Result(
        name="features-kernel",
        ours=round(kernel_ms, 3),
        reference=round(polars_ms, 3),
        unit="ms a call, 15 games",
        ratio=round(kernel_ms / polars_ms, 3),
        detail={"kernel_features": len(NAMES), "polars_features": 12},
    ).write()
