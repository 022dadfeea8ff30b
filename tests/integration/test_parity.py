"""Real games: live and offline vectors are equal, nothing leaks, and Redis holds what a replay
gives."""

import time
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from flows.connectors.feature_store import FeatureStore
from flows.connectors.parquet import read_archive, write_events
from flows.connectors.redis import FeatureSink, FeatureSinkPartition
from flows.leakcheck import check_archive
from flows.parity import compare_archive, compare_served
from flows.sources import oddsapi_archive
from flows.sources.tally import Tally
from flows.steps.decode import DecodeRules, decode_batch
from flows.steps.game import GameStep, ToScore
from flows.steps.records import FeatureBlob, Outgoing, Record
from flows.steps.score import Scorer
from models.features.fold import FoldRules
from models.features.stored import pack
from schemas.sections.servers import RedisSettings
from schemas.settings import Settings
from schemas.topics import INPUTS
from schemas.wire import SCHEMA_VERSION
from tests.unit import boosters
from tests.unit.flows import archives

SETTINGS = Settings()


@pytest.fixture(scope="module")
def oddsapi(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("oddsapi")
    write_events(root, oddsapi_archive.events(data_dir, Tally()))
    return root


def test_parity_on_real_games(oddsapi: Path) -> None:
    began = time.monotonic()
    found = compare_archive(oddsapi, SETTINGS)
    seconds = time.monotonic() - began
    print(f"{found.vectors} vectors of {found.games} games in {seconds:.1f} s")
    assert (found.mismatches, found.first) == (0, None)
    assert found.games >= 200
    assert found.vectors > 10_000


def test_no_leaks_on_real_games(oddsapi: Path) -> None:
    began = time.monotonic()
    found = check_archive(oddsapi, SETTINGS, decisions=12, seed=3)
    seconds = time.monotonic() - began
    print(f"{found.vectors} vectors at {found.decision_times} moments in {seconds:.1f} s")
    assert found.leaks == []
    assert found.needs_more == []
    assert found.vectors > 100


def serve(root: Path, settings: Settings) -> dict[str, int]:
    """What the worker's steps put into Redis over an archive; game -> position."""
    scorer, decoding = Scorer(settings, boosters.models()), DecodeRules.of(settings)
    rules, steps, served = FoldRules.of(settings), dict[str, GameStep](), dict[str, int]()
    sink = FeatureSink(settings.redis).build("features", 0, 1)
    assert isinstance(sink, FeatureSinkPartition)
    for number, (topic, game, _, time_us, value) in enumerate(read_archive(root, INPUTS)):
        record = Record(topic, 0, number, time_us, game.encode(), value, SCHEMA_VERSION)
        for item in decode_batch([record], decoding):
            assert not isinstance(item, Outgoing)
            step = steps.setdefault(game, GameStep(rules, None))
            tasks = [task for task in step.on_batch([item[1]]) if isinstance(task, ToScore)]
            if tasks:
                _, blobs, *_ = scorer(tasks)
                sink.write_batch(blobs)
                served |= {blob.game_id: blob.header.position for blob in blobs}
    return served


def test_what_was_served_is_what_a_replay_gives(redis_url: str, tmp_path: Path) -> None:
    root = archives.write(tmp_path)
    redis = RedisSettings(url=SecretStr(redis_url), prefix="served")
    settings = SETTINGS.model_copy(update={"redis": redis})
    served = serve(root, settings)
    found = compare_served(root, settings)
    assert (found.vectors, found.mismatches, found.games) == (9, 0, 9)

    # Another vector in the store than the worker made.
    game, position = next(iter(served.items()))
    sink = FeatureSink(redis).build("features", 0, 1)
    store = FeatureStore.of(settings)
    stored = store.read([game])
    vector = stored.vectors[0].copy()
    vector[0] = np.nextafter(vector[0], np.float32(9)) if np.isfinite(vector[0]) else 0
    sink.write_batch([FeatureBlob(game, 600, stored.header(0), pack(stored.header(0), vector))])
    found = compare_served(root, settings)
    assert found.mismatches == 1
    assert found.first is not None
    assert (found.first.game, found.first.position) == (game, position)
    store.close()
