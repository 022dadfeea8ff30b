"""Features of 100 games out of Redis against one raw MGET of equal bytes; msgpack against JSON.

A real Redis of its own, vectors of real width, written by the score worker's sink. Reads of both
kinds alternate, and medians are compared: the server's answer is most of either.
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import BaseModel, SecretStr

from bench.result import Result
from deploy.stack.redis import RedisServer
from flows.connectors.feature_store import FeatureStore, connect
from flows.connectors.redis import FeatureSink, FeatureSinkPartition
from flows.steps.records import FeatureBlob
from models.features.arrays import Array
from models.features.catalogue import CATALOGUE, NAMES
from models.features.kernel import FeatureSet
from models.features.stored import feature_key, pack, stack, unpack
from schemas.decisions import FeatureHeader
from schemas.sections.servers import RedisSettings
from schemas.settings import Settings

GAMES = 100
ROUNDS = 400
AS_OF_US = 1_784_000_000_000_000


class _AsJson(BaseModel):
    """The same content as the stored blob, every number in decimal digits."""

    header: FeatureHeader
    vector: list[float | None]


def _header(game_id: str, feature_set: str) -> FeatureHeader:
    sources = sorted({one.source.value for one in CATALOGUE})
    return FeatureHeader(
        game_id=game_id,
        position=412,
        as_of_us=AS_OF_US,
        cutoff_us=AS_OF_US,
        feature_set=feature_set,
        count=len(NAMES),
        completeness=0.7,
        completeness_by={one.category.value: 0.7 for one in CATALOGUE},
        source_age_ms=dict.fromkeys(sources, 61_234),
    )


def _vectors() -> Array:
    """float32, a third of it missing, as real vectors are without splits."""
    dice = np.random.default_rng(1)
    vectors = dice.normal(size=(GAMES, len(NAMES))).astype(np.float32)
    vectors[dice.random(vectors.shape) < 1 / 3] = np.nan
    return vectors


def _medians(*works: Callable[[], object]) -> list[float]:
    """Microseconds of each, in turns."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, spent in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            spent.append(time.perf_counter() - began)
    return [round(median(spent) * 1e6, 1) for spent in times]


def main() -> None:
    with TemporaryDirectory() as home:
        server = RedisServer(Path(home))
        server.start()
        try:
            _measure(server.url)
        finally:
            server.stop()


def _measure(url: str) -> None:
    settings = Settings(redis=RedisSettings(url=SecretStr(url)))
    feature_set = FeatureSet.of(settings).hash
    games = [f"mlb-2026-07-{10 + game // 10}-BOS-NYY-{game % 10}" for game in range(GAMES)]
    headers, vectors = [_header(game, feature_set) for game in games], _vectors()
    blobs = [pack(*one) for one in zip(headers, vectors, strict=True)]
    sink = FeatureSink(settings.redis).build("features", 0, 1)
    assert isinstance(sink, FeatureSinkPartition)
    sink.write_batch(
        [FeatureBlob(*one) for one in zip(games, [600] * GAMES, headers, blobs, strict=True)]
    )

    store, client = FeatureStore.of(settings), connect(settings.redis)
    keys = [feature_key(settings.redis.prefix, game) for game in games]
    assert np.array_equal(store.read(games).vectors, vectors, equal_nan=True)
    read_us, raw_us = _medians(lambda: store.read(games), lambda: client.mget(keys))
    store.close()
    client.close()
    Result(
        name="features-store",
        ours=read_us,
        reference=raw_us,
        unit=f"us a read of {GAMES} vectors",
        ratio=round(read_us / raw_us, 3),
        detail={"bytes": sum(map(len, blobs)), "features": len(NAMES)},
    ).write()

    def to_json() -> list[bytes]:
        return [
            _AsJson(header=header, vector=vector.tolist()).model_dump_json().encode()
            for header, vector in zip(headers, vectors, strict=True)
        ]

    def from_json(texts: list[bytes]) -> Array:
        read = [_AsJson.model_validate_json(text).vector for text in texts]
        return np.array(read, np.float32)

    texts = to_json()
    assert np.array_equal(from_json(texts), vectors, equal_nan=True)
    write_us, write_json_us, unpack_us, read_json_us = _medians(
        lambda: [pack(*one) for one in zip(headers, vectors, strict=True)],
        to_json,
        lambda: stack([unpack(blob).vector for blob in blobs], len(NAMES)),
        lambda: from_json(texts),
    )
    size, json_size = sum(map(len, blobs)), sum(map(len, texts))
    Result(
        name="features-encoding",
        ours=round(write_us + unpack_us, 1),
        reference=round(write_json_us + read_json_us, 1),
        unit=f"us to write and read {GAMES} vectors, msgpack+float32 against JSON",
        ratio=round((write_us + unpack_us) / (write_json_us + read_json_us), 3),
        detail={
            "bytes": size,
            "json_bytes": json_size,
            "bytes_ratio": round(size / json_size, 3),
            "write_us": write_us,
            "json_write_us": write_json_us,
            "read_us": unpack_us,
            "json_read_us": read_json_us,
        },
    ).write()
