"""Every vector of an archive: the offline builder against the live path of the same events.

Both end in the same kernel. Rows are vectors, one a position at which the live flow scores.
"""

import time

from bench.result import Result
from deploy.demo.slate import prepare_archive
from flows.connectors.parquet import read_archive
from flows.offline import groups, read_frames
from flows.parity import LivePath, batches
from flows.steps.decode import DecodeRules
from models.features.fold import FoldRules
from models.features.history import History
from models.features.kernel import FeatureSet
from models.features.offline import features_at
from schemas.settings import Settings
from schemas.topics import INPUTS

GAMES = 120


def main() -> None:
    settings = Settings.read()
    archive = prepare_archive(settings)
    rules, features = FoldRules.of(settings), FeatureSet.of(settings)
    parts = groups(archive, games=GAMES)
    games = {game_id for part in parts for game_id in part.game_ids}

    began = time.perf_counter()
    rows = events = 0
    for part in parts:
        history = History.of(read_frames(archive, part), rules)
        rows += len(features_at(history, history.scored(), features).vectors)
        events += part.events
    offline_seconds = time.perf_counter() - began

    began = time.perf_counter()
    live = LivePath(rules, DecodeRules.of(settings), features)
    for records in batches(read_archive(archive, INPUTS, games=games)):
        live.take(records)
    while live.waiting:
        live.score()
    live_seconds = time.perf_counter() - began
    # The live path also makes vectors that are locked, not priced.
    live_rows = sum(priced for made in live.made.values() for _, priced, _ in made)
    assert live_rows == rows

    Result(
        name="features-offline",
        ours=round(rows / offline_seconds),
        reference=round(rows / live_seconds),
        unit="vectors/s",
        ratio=round(live_seconds / offline_seconds, 3),
        detail={
            "vectors": rows,
            "events": events,
            "games": len(games),
            "events_per_second": round(events / offline_seconds),
        },
    ).write()
