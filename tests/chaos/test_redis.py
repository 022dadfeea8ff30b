"""Redis goes and comes back under a running worker; its vectors read by a plain client."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from redis import Redis

from deploy.stack.kafka import KafkaBroker
from deploy.stack.redis import RedisServer
from models.features.catalogue import NAMES
from schemas.decisions import FeatureHeader
from schemas.topics import Topic
from tests.system import Lag, Sent, Site, Trained, content, count_of, sent

TTL_HOURS = 5


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """One for this test, which may stop and start it."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def with_redis(
    kafka: KafkaBroker, redis_server: RedisServer, trained: Trained, tmp_path: Path
) -> Iterator[Site]:
    hours = {"STEAMLINE_REDIS_TTL_HOURS": str(TTL_HOURS)}
    with Site(trained, kafka.bootstrap, redis_server.url, tmp_path, env=hours) as site:
        site.create()
        yield site


def thirds(trained: Trained) -> tuple[list[Sent], list[Sent], list[Sent]]:
    """The slate until it closes for the first game, in three parts; the last is of one game."""
    first_cutoff = trained.slate.live_from_us + 3 * 3_600_000_000
    records = [
        one for one in sent(trained.slate.records()) if one.timestamp_ms * 1_000 < first_cutoff
    ]
    third = len(records) // 3
    one_game = records[-1].key
    last = [one for one in records[2 * third :] if one.key == one_game]
    return records[:third], records[third : 2 * third], last


def newest(site: Site) -> dict[str, dict[str, Any]]:
    """Game -> its prediction at the newest position."""
    found: dict[str, dict[str, Any]] = {}
    for message in site.read(Topic.PREDICTIONS):
        one = json.loads(content(message))
        known = found.get(one["game_id"])
        if known is None or one["position"] >= known["position"]:
            found[one["game_id"]] = one
    return found


def stored(site: Site, client: Redis) -> dict[str, tuple[FeatureHeader, np.ndarray, int]]:
    """Game -> header, vector, seconds to live."""
    found = {}
    for key in client.scan_iter(f"{site.prefix}:features:*"):
        blob = client.get(key)
        assert isinstance(blob, bytes)
        _, _, vector, head = msgpack.unpackb(blob)
        left = client.ttl(key)
        assert isinstance(left, int)
        game_id = key.decode().rpartition(":")[2]
        header = FeatureHeader.model_validate(msgpack.unpackb(head))
        found[game_id] = (header, np.frombuffer(vector, "<f4"), left)
    return found


def test_redis_away_and_back(with_redis: Site, trained: Trained, redis_server: RedisServer) -> None:
    site = with_redis
    before, during, after = thirds(trained)
    count = count_of(site)
    worker = site.worker()

    def play(records: list[Sent]) -> int:
        """Decisions that they led to."""
        begun = count()
        site.send(records)
        worker.wait_for(lambda: lag.behind() == 0, "all scored")
        return count() - begun

    with Lag(site) as lag:
        assert play(before) > 0
        with Redis.from_url(redis_server.url) as client:
            vectors, predictions = stored(site, client), newest(site)
            assert set(vectors) == set(predictions)
            assert len(vectors) > 1
            for game_id, (header, vector, left) in vectors.items():
                prediction = predictions[game_id]
                assert header.game_id == game_id
                assert header.simulated
                assert header.position == prediction["position"]
                assert header.as_of_us == prediction["as_of_us"]
                assert header.feature_set == prediction["feature_set"]
                assert header.count == len(vector) == len(NAMES)
                share = float(np.isfinite(vector).mean())
                assert header.completeness == pytest.approx(share)
                assert prediction["completeness"] == pytest.approx(share)
                start = (prediction["start_time_us"] - prediction["as_of_us"]) / 1e6
                assert 0 < start + TTL_HOURS * 3_600 - left < 60

        redis_server.stop()
        assert play(during) > 0
        assert worker.said.count("Redis is away") == 1
        while_away = newest(site)
        changed = {
            game_id
            for game_id, one in while_away.items()
            if one["position"] > predictions.get(game_id, {"position": 0})["position"]
        }
        assert len(changed) > 1

        redis_server.start()  # empty: it keeps nothing
        # It is tried again at a batch that comes a second or more after the last failure.
        for begin in range(0, len(after), 30):
            play(after[begin : begin + 30])
            if "Redis is back" in worker.said:
                break
        assert "Redis is back" in worker.said
        with Redis.from_url(redis_server.url) as client:
            vectors, predictions = stored(site, client), newest(site)
        assert set(vectors) >= changed, "one batch of one game brings them all"
        for game_id, (header, _, _) in vectors.items():
            assert header.position == predictions[game_id]["position"], game_id
    worker.stop()
