"""Simulated games of twenty days; in the last five the public turns and the model goes astray."""

from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from flows.connectors.parquet import scan, write_archive, write_events
from flows.offline import samples as decisions
from flows.sources.simulated_truth import Slate
from flows.sources.simulator import simulate
from models.boosters.dataset import DECISION_MINUTES
from models.boosters.scoring import TargetModel
from schemas.decisions import Prediction
from schemas.events import BettingSplits, Event, day_of
from schemas.markets import Target
from schemas.sections.judging import DriftSettings
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE
from schemas.topics import Topic
from tests import samples
from tests.unit.boosters import card

DAYS = 5
SETTINGS = Settings(drift=DriftSettings(days=DAYS))
SLATE = Slate(seed=5, days=20, games=4, activity=0.0, books=("pinnacle", "draftkings"))


@cache
def all_days() -> list[date]:
    return sorted({day_of(event.game_id) for event in simulate(SLATE)})


def recent(game: str) -> bool:
    return day_of(game) in all_days()[-DAYS:]


def changed(event: Event) -> Event:
    """In the recent days everybody bets on home."""
    if isinstance(event, BettingSplits) and recent(event.game_id):
        return event.model_copy(update={"tickets_home_over_pct": 93.0})
    return event


def write(root: Path) -> None:
    """Simulated games, and predictions: the price, and of the recent ones 95 % for home, always."""
    write_events(root, map(changed, simulate(SLATE)))
    made: list[Prediction] = []
    for _, part in decisions(root, SETTINGS, DECISION_MINUTES, over=True):
        for at, row in enumerate(part.rows.iter_rows(named=True)):
            market = float(part.features.consensus[at, 0])
            made.append(prediction(row, market, 0.95 if recent(row["game_id"]) else market))
    in_order: list[Prediction] = sorted(made, key=lambda one: one.as_of_us)
    write_archive(root, Topic.PREDICTIONS, in_order)


def prediction(row: dict[str, Any], market: float, chance: float) -> Prediction:
    return samples.prediction(
        row["position"],
        chance,
        game_id=row["game_id"],
        as_of_us=row["as_of_us"],
        start_time_us=row["start_us"],
        cutoff_us=row["start_us"] - 60 * US_PER_MINUTE,
        market_probability=market,
        simulated=True,
    )


def models(root: Path, text: str) -> list[TargetModel]:
    """That have learned from all but the recent days."""
    ends = scan(root, Topic.GAMES).select("game_id", pl.col("start_time_us").cast(pl.Int64))
    old = [start for game, start in ends.collect().iter_rows() if not recent(game)]
    return [
        TargetModel(text, replace(card(target), trained_until_us=max(old)), "1")
        for target in Target
    ]
