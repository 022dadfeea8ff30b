"""The feature store in Redis: one blob a game under `{prefix}:features:{game_id}`, with a TTL.

The score worker writes it (`flows.connectors.redis`); everybody else reads it here, many games in
one round trip. It is a cache: what a worker needs after a restart is in its recovery store.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from models.features.arrays import Array
from models.features.catalogue import NAMES
from models.features.kernel import FeatureSet
from models.features.stored import Packed, feature_key, stack, unpack
from schemas.decisions import FeatureHeader
from schemas.errors import ConfigError, DependencyDown
from schemas.sections.servers import RedisSettings
from schemas.settings import Settings

TIMEOUT_SECONDS = 0.5
_SCAN = 1_000
_KEY = "STEAMLINE_REDIS_URL"


def connect(settings: RedisSettings) -> Redis:
    """A client that fails fast: the store is a cache, and nobody must wait for it.

    User, password and TLS are in the URL (rediss://); raises ConfigError without a usable one.
    """
    if settings.url is None:
        raise ConfigError(
            _KEY,
            "no Redis is configured and no local stack is running",
            "Set it, or run `steamline stack up`",
        )
    try:
        return Redis.from_url(
            settings.url.get_secret_value(),
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        # The message may repeat the URL with its password.
        raise ConfigError(
            _KEY, "is no URL of a Redis", "Use redis://, rediss:// or unix://"
        ) from None


@dataclass(frozen=True)
class StoredVectors:
    """What the store had of the games that were asked for."""

    games: tuple[str, ...]
    """Those that can be used, in the order asked: one a row."""
    vectors: Array
    """float32, shape (games, features), columns in catalogue order; read only."""
    missing: tuple[str, ...]
    """Never scored, or expired."""
    refused: dict[str, str]
    """Game -> why its vector must not be used."""
    packed: tuple[Packed, ...]

    def header(self, row: int) -> FeatureHeader:
        """Read when asked for: most readers of a hundred vectors need none."""
        return self.packed[row].read_header()

    @property
    def headers(self) -> list[FeatureHeader]:
        return [one.read_header() for one in self.packed]


class FeatureStore:
    """Reads vectors of one feature set."""

    def __init__(self, client: Redis, prefix: str, feature_set: str) -> None:
        """feature_set: hash that stored vectors must have."""
        self._client, self._prefix, self._feature_set = client, prefix, feature_set

    @classmethod
    def of(cls, settings: Settings) -> "FeatureStore":
        """Raises ConfigError where no Redis is configured; does not connect yet."""
        return cls(connect(settings.redis), settings.redis.prefix, FeatureSet.of(settings).hash)

    def close(self) -> None:
        self._client.close()

    def read(self, games: Sequence[str]) -> StoredVectors:
        """The newest vector of each game, all in one round trip.

        A vector of another feature set, width or format is refused: its numbers would be taken
        for something else. Raises DependencyDown when Redis does not answer.
        """
        asked = tuple(dict.fromkeys(games))
        keys = [feature_key(self._prefix, game_id) for game_id in asked]
        try:
            blobs = cast(list[bytes | None], self._client.mget(keys)) if keys else []
        except (RedisError, OSError) as down:
            raise DependencyDown(f"Redis does not answer: {type(down).__name__}") from None
        found: dict[str, Packed] = {}
        missing, refused = list[str](), dict[str, str]()
        for game_id, blob in zip(asked, blobs, strict=True):
            if blob is None:
                missing.append(game_id)
                continue
            try:
                packed = unpack(blob)
            except ValueError as bad:
                refused[game_id] = str(bad)
                continue
            if (why := packed.refusal(self._feature_set)) is None:
                found[game_id] = packed
            else:
                refused[game_id] = why
        return StoredVectors(
            games=tuple(found),
            vectors=stack([packed.vector for packed in found.values()], len(NAMES)),
            missing=tuple(missing),
            refused=refused,
            packed=tuple(found.values()),
        )

    def expires_seconds(self, games: Sequence[str]) -> list[int | None]:
        """How long each vector is still kept; none where there is none."""
        pipeline = self._client.pipeline(transaction=False)
        for game_id in games:
            pipeline.ttl(feature_key(self._prefix, game_id))
        try:
            left = cast(list[int], pipeline.execute())
        except (RedisError, OSError) as down:
            raise DependencyDown(f"Redis does not answer: {type(down).__name__}") from None
        return [seconds if seconds >= 0 else None for seconds in left]

    def games(self) -> list[str]:
        """Every game with a vector, by id. Walks the keys: for people, not for a hot path."""
        head = feature_key(self._prefix, "")
        # What a prefix may hold is no pattern.
        literal = "".join(f"\\{c}" if c in "*?[]\\" else c for c in head)
        try:
            keys = list(self._client.scan_iter(match=f"{literal}*", count=_SCAN))
        except (RedisError, OSError) as down:
            raise DependencyDown(f"Redis does not answer: {type(down).__name__}") from None
        return sorted(key.decode()[len(head) :] for key in keys)
