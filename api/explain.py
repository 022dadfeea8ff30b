"""`GET /v1/games/{game_id}/explanation`: why a model says what it says, off the feed's path.

The vector comes from Redis, the model from the disk cache that the score worker fills.
"""

from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import APIRouter, HTTPException, Path, Query
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from api.board import Board
from api.problems import Problem
from schemas.errors import ConfigError, DataMissing, ModelRefused
from schemas.events import GameId
from schemas.explanation import Explanation
from schemas.markets import Target
from schemas.settings import Settings

if TYPE_CHECKING:
    from models.boosters.scoring import TargetModel
    from models.features.stored import Packed

_TIMEOUT_SECONDS = 0.5


def build(vectors: "Vectors", models: "CachedModels", board: Board) -> APIRouter:
    """board: says which model version the newest prediction comes from."""
    router = APIRouter()

    @router.get(
        "/v1/games/{game_id}/explanation",
        tags=["board"],
        summary="Why the model says so",
        responses={
            404: {"model": Problem, "description": "The game has no vector, or no fresh price"},
            503: {"model": Problem, "description": "Redis or the model is not at hand"},
        },
    )
    def get_explanation(  # not async: it waits for Redis and computes, in a thread of the pool
        game_id: Annotated[GameId, Path(examples=["mlb-2026-07-20-BOS-NYY-1"])],
        target: Annotated[Target, Query(description="Whose prediction")] = Target.MONEYLINE,
        top: Annotated[int, Query(ge=0, le=1_000, description="List so many features")] = 10,
    ) -> Explanation:
        """From the no-vig price to the probability, feature by feature."""
        from models.boosters.explaining import explain
        from models.features.stored import stack

        packed = vectors.read(game_id)
        game = board.games.get(game_id)
        newest = game.predictions.get(target) if game is not None else None
        model = models.of(target, newest.model_version if newest is not None else None)
        vector = stack([packed.vector], len(packed.vector) // 4)[0]
        try:
            return explain(model, packed.read_header(), vector, top)
        except DataMissing as missing:
            raise HTTPException(404, str(missing)) from None
        except ModelRefused as refused:
            raise HTTPException(503, str(refused)) from None

    return router


class Vectors:
    """The feature store."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Redis | None = None
        if settings.redis.url is not None:
            self._client = Redis.from_url(
                settings.redis.url.get_secret_value(),
                socket_timeout=_TIMEOUT_SECONDS,
                socket_connect_timeout=_TIMEOUT_SECONDS,
                retry=Retry(NoBackoff(), 0),
            )

    def read(self, game_id: str) -> "Packed":
        """The newest vector. Raises HTTPException: 404 without one, 503 where it is of no use."""
        found = self.read_all([game_id])[game_id]
        if isinstance(found, HTTPException):
            raise found
        return found

    def read_all(self, game_ids: Iterable[str]) -> "dict[str, Packed | HTTPException]":
        """The newest vectors in one round trip, each or why not, as `read` says it."""
        from models.features.stored import feature_key

        games = list(game_ids)
        if self._client is None:
            none = HTTPException(503, "STEAMLINE_REDIS_URL: no Redis is configured")
            return dict.fromkeys(games, none)
        keys = [feature_key(self._settings.redis.prefix, game_id) for game_id in games]
        try:
            blobs = cast(list[bytes | None], self._client.mget(keys))
        except (RedisError, OSError) as down:
            away = HTTPException(503, f"Redis does not answer: {type(down).__name__}")
            return dict.fromkeys(games, away)
        return {game: self._packed(game, blob) for game, blob in zip(games, blobs, strict=True)}

    def _packed(self, game_id: str, blob: bytes | None) -> "Packed | HTTPException":
        from models.features.kernel import FeatureSet
        from models.features.stored import unpack

        if blob is None:
            return HTTPException(404, f"no vector of {game_id}: never scored, or expired")
        try:
            packed = unpack(blob)
        except ValueError as bad:
            return HTTPException(503, f"{game_id}: {bad}")
        refusal = packed.refusal(FeatureSet.of(self._settings).hash)
        return packed if refusal is None else HTTPException(503, f"{game_id}: {refusal}")


class CachedModels:
    """The models that the worker last loaded, read again when predictions are of other ones."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._models: dict[Target, list[TargetModel]] = {}
        """The champion first, then the challenger if there is one."""
        self._stamp: object = None
        self._bad: HTTPException | None = None
        """Why the cache could not be read when it was as `_stamp` has it."""

    def of(self, target: Target, version: str | None) -> "TargetModel":
        """version: that must have made the explained prediction; none where none is known.

        Raises HTTPException 503 where the cache does not hold it.
        """
        with self._lock:
            found = self._held(target, version)
            if found is None or version is None:
                self._read()
                found = self._held(target, version)
            held = self._models.get(target, [])
        if not held:
            folder = self._settings.home / "models"
            raise HTTPException(503, f"no model in {folder}: no score worker has filled it yet")
        if found is None:
            raise HTTPException(
                503,
                f"the prediction is by {target} model {version}, the cache holds "
                f"{', '.join(model.version for model in held)}: the score worker runs elsewhere, "
                "or has not caught up yet",
            )
        return found

    def _held(self, target: Target, version: str | None) -> "TargetModel | None":
        held = self._models.get(target, [])
        return next((one for one in held if version in (None, one.version)), None)

    def _read(self) -> None:
        """Anew, where a worker has changed it since. Raises HTTPException 503 for a bad one."""
        from models.registry import CHALLENGER, Registry

        try:
            registry = Registry.of(self._settings)
        except ConfigError as bad:
            raise HTTPException(503, str(bad)) from None
        stamp = registry.stamp()
        if stamp != self._stamp:
            self._models, self._stamp, self._bad = {}, stamp, None
            try:
                for model in registry.cached():
                    other = registry.kept(model.card.target, CHALLENGER)
                    self._models[model.card.target] = [model, *([other] if other else [])]
            except ModelRefused as bad:
                self._models, self._bad = {}, HTTPException(503, str(bad))
        if self._bad is not None:
            raise self._bad
