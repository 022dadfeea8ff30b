"""A backtest of an archive against reading and decoding the same records.

Ours is `flows.backtest`: fold, features, four boosters, allocation, paper bets, settlements and the
bankroll. Records a second; rounds alternate. Models are trained on the archive itself and sized as
the settings say: what they are worth is no matter here, how much they bet is (`bets`).
"""

import time
from pathlib import Path

from bench.result import Result, paired
from deploy.demo.slate import prepare_archive
from flows.backtest import Backtest, settings_of
from flows.backtested import replayed, stretch_of
from flows.connectors.parquet import PLAYED, read_archive
from flows.garbage import rest_the_collector
from flows.parity import batches
from flows.pricing import Period
from flows.steps.decode import DecodeRules, decode_batch
from flows.training import train_from_archives
from models.boosters.scoring import TargetModel
from schemas.settings import Settings

ROUNDS = 3


def _decoded(archive: Path, settings: Settings) -> float:
    """Records a second."""
    rules = DecodeRules.of(settings)
    count = 0
    began = time.perf_counter()
    for records in batches(read_archive(archive, PLAYED)):
        count += len(decode_batch(records, rules))
    return count / (time.perf_counter() - began)


def _replayed(
    archive: Path, settings: Settings, models: list[TargetModel]
) -> tuple[float, Backtest]:
    stretch = stretch_of(archive, None, None)
    began = time.perf_counter()
    done = replayed(archive, settings, stretch, [Period(0, models)], iter)
    return done.counts.events / (time.perf_counter() - began), done


def main() -> None:
    settings = Settings.read()
    archive = prepare_archive(settings)
    trained = train_from_archives([archive], None, settings, 1, lambda _: None)
    settings = settings_of(settings, None)
    rest_the_collector()
    ours, reference = [], []
    for _ in range(ROUNDS):
        reference.append(_decoded(archive, settings))
        rate, done = _replayed(archive, settings, [one.model for one in trained])
        ours.append(rate)
    Result(
        name="replay",
        ours=round(sorted(ours)[ROUNDS // 2], 1),
        reference=round(sorted(reference)[ROUNDS // 2], 1),
        unit="records/s",
        ratio=paired(ours, reference),
        detail={
            "records": done.counts.events,
            "positions": done.counts.positions,
            "bets": len(done.bets),
            "rounds_ours": [round(one, 1) for one in ours],
            "rounds_reference": [round(one, 1) for one in reference],
            "data": archive.name,
        },
    ).write()
