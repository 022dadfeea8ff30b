"""Is this process alive, and can it do its work: one answer per dependency."""

import asyncio
from enum import StrEnum

import asyncpg
from pydantic import BaseModel, ConfigDict
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.records import Status
from schemas.sections.servers import PostgresSettings, RedisSettings

_TIMEOUT_SECONDS = 1.0


class State(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    """Works, with less: what is shown is right, something else is missing."""
    DOWN = "down"


class Dependency(BaseModel):
    state: State
    detail: str = ""


class Readiness(BaseModel):
    """`ready` is what the HTTP status says too: 200 or 503."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "ready": True,
                "dependencies": {
                    "kafka": {"state": "degraded", "detail": "waiting for steamline.alerts"},
                    "redis": {"state": "ok", "detail": ""},
                },
                "records": 10234,
                "rejected": {"schema": 2},
                "repeats": 0,
            }
        }
    )

    ready: bool
    dependencies: dict[str, Dependency]
    records: int
    """Kafka records read."""
    rejected: dict[str, int]
    """Records that were not shown, by reason."""
    repeats: int
    """Records dropped because their id was seen before."""


async def readiness(status: Status, redis: RedisSettings, postgres: PostgresSettings) -> Readiness:
    """Ready when every record that was there at the start is on the board."""
    checks = {"redis": _redis(redis), "postgres": _postgres(postgres)}
    answers = await asyncio.gather(*checks.values())
    configured = {name: one for name, one in zip(checks, answers, strict=True) if one}
    return Readiness(
        ready=status.caught_up and status.reachable,
        dependencies={"kafka": _kafka(status), **configured},
        records=status.records,
        rejected=dict(status.rejected),
        repeats=status.repeats,
    )


def _kafka(status: Status) -> Dependency:
    if not status.reachable:
        return Dependency(state=State.DOWN, detail="the broker does not answer")
    if not status.caught_up:
        return Dependency(state=State.DOWN, detail="still reading what was there at the start")
    if status.missing:
        return Dependency(state=State.DEGRADED, detail=f"waiting for {', '.join(status.missing)}")
    return Dependency(state=State.OK)


async def _redis(settings: RedisSettings) -> Dependency | None:
    if settings.url is None:
        return None
    client = Redis.from_url(
        settings.url.get_secret_value(),
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
    )
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await client.ping()
    except (RedisError, OSError, TimeoutError) as down:
        return Dependency(state=State.DEGRADED, detail=type(down).__name__)
    finally:
        await client.aclose()
    return Dependency(state=State.OK)


async def _postgres(settings: PostgresSettings) -> Dependency | None:
    if settings.dsn is None:
        return None
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            connection = await asyncpg.connect(settings.dsn.get_secret_value())
            try:
                await connection.fetchval("select 1")
            finally:
                await connection.close()
    except (asyncpg.PostgresError, OSError, TimeoutError, ValueError) as down:
        # The class only: the message may repeat the address with its password.
        return Dependency(state=State.DEGRADED, detail=type(down).__name__)
    return Dependency(state=State.OK)
