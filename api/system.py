"""`GET /v1/system` and `GET /metrics`: how everything stands, asked once for all who look."""

import asyncio
import platform
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import confluent_kafka
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel, ConfigDict

from api.health import Readiness, readiness
from api.kept import Kept
from api.lag import Broker, GroupLag, TopicNews
from api.records import Status
from schemas.settings import Settings

KEPT_SECONDS = 2.0
_EXAMPLE: dict[str, Any] = {
    "server_us": 1784580000000000,
    "newest_us": 1784579998000000,
    "readiness": {
        "ready": True,
        "dependencies": {"kafka": {"state": "ok", "detail": ""}},
        "records": 10234,
        "rejected": {},
        "repeats": 0,
    },
    "topics": [
        {
            "topic": "lines",
            "partitions": 8,
            "records": 9120,
            "newest_us": 1784579998000000,
            "age_ms": 2000,
        }
    ],
    "lag": [{"group": "steamline-score", "topic": "lines", "behind": 0}],
    "unknown": None,
    "versions": {"steamline": "0.1.0", "python": "3.12.3"},
}


class System(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    server_us: int
    """When this was looked up, by the server's clock; others may get it a moment later."""
    newest_us: int | None
    """Newest event time on the board."""
    readiness: Readiness
    topics: list[TopicNews]
    lag: list[GroupLag]
    """Every consumer group with committed offsets on our topics, by name."""
    unknown: str | None
    """What could not be asked, and why: then `topics` and `lag` are empty."""
    versions: dict[str, str]


def build(
    settings: Settings,
    status: Status,
    newest_us: Callable[[], int | None],
    registry: CollectorRegistry,
    clock_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
) -> APIRouter:
    router = APIRouter(tags=["operations"])
    broker, kept = Broker(settings), Kept[System](KEPT_SECONDS)

    async def look() -> System:
        now_us = clock_us()
        ready, traffic = await asyncio.gather(
            readiness(status, settings.redis, settings.postgres),
            asyncio.to_thread(broker.look, now_us),
        )
        return System(
            server_us=now_us,
            newest_us=newest_us(),
            readiness=ready,
            topics=traffic.topics,
            lag=traffic.lag,
            unknown=traffic.wrong,
            versions=await asyncio.to_thread(_versions, settings),
        )

    @router.get("/v1/system", summary="Lag, ages, readiness, versions")
    async def get_system() -> System:
        """How far each consumer group is behind, how new each topic is, which dependency answers.

        Looked up at most every two seconds, whoever asks.
        """
        return await kept.get((), look)

    @router.get(
        "/metrics",
        summary="Prometheus metrics of this process",
        response_class=Response,
        responses={
            200: {
                "description": "Prometheus text format",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            }
        },
    )
    async def get_metrics() -> Response:
        """Requests by route and status, their time, and what the feed does."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _versions(settings: Settings) -> dict[str, str]:
    from models.features.kernel import FeatureSet

    try:
        ours = metadata.version("steamline")
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        ours = "unknown"
    return {
        "steamline": ours,
        "python": platform.python_version(),
        "librdkafka": confluent_kafka.libversion()[0],
        "feature_set": FeatureSet.of(settings).hash,
    }
