"""The score worker's end of the feature store: writes the newest vector of each game."""

import logging
import time

from bytewax.outputs import DynamicSink, StatelessSinkPartition
from redis import Redis
from redis.exceptions import RedisError

from flows.connectors.feature_store import connect
from flows.steps.records import FeatureBlob
from models.features.stored import feature_key
from schemas.sections.servers import RedisSettings

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class FeatureSink(DynamicSink[FeatureBlob]):
    """Writes blobs; keeps the newest of each game while Redis is away."""

    def __init__(self, settings: RedisSettings) -> None:
        """Raises ConfigError where no Redis is configured; does not connect yet."""
        self._client, self._prefix = connect(settings), settings.prefix

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "FeatureSinkPartition":
        return FeatureSinkPartition(self._client, self._prefix)


class FeatureSinkPartition(StatelessSinkPartition[FeatureBlob]):
    def __init__(self, client: Redis, prefix: str) -> None:
        self._client, self._prefix = client, prefix
        self._unwritten: dict[str, FeatureBlob] = {}
        self._retry_at = 0.0

    def write_batch(self, items: list[FeatureBlob]) -> None:
        self._unwritten.update((item.game_id, item) for item in items)
        if time.monotonic() < self._retry_at:
            return
        pipeline = self._client.pipeline(transaction=False)
        for item in self._unwritten.values():
            key = feature_key(self._prefix, item.game_id)
            pipeline.set(key, item.blob, ex=max(item.expires_seconds, 1))
        try:
            pipeline.execute()
        except (RedisError, OSError) as down:
            if not self._retry_at:
                log.warning("Redis is away, predictions go on without it: %s", down)
            self._retry_at = time.monotonic() + RETRY_SECONDS
            return
        if self._retry_at:
            log.warning("Redis is back, %d games written", len(self._unwritten))
            self._retry_at = 0.0
        self._unwritten.clear()
