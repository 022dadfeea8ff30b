"""Postgres for the REST routes: one small pool, and read-only transactions out of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
from fastapi import HTTPException

from schemas.sections.servers import PostgresSettings
from schemas.time import to_us

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
QUERIES = Path(__file__).parents[1] / "sql" / "queries"
TIMES = frozenset(
    (
        "as_of",
        "at",
        "cutoff",
        "decided",
        "filled_at",
        "newest",
        "occurred_at",
        "recorded_at",
        "settled_at",
        "start_time",
        "told_at",
    )
)
"""Columns that hold a moment; on the wire they are called `<name>_us`."""

_CONNECTIONS = 8
_CONNECT_SECONDS = 2.0
_QUERY_SECONDS = 10.0
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
)
_UNREADABLE = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedObjectError,
    asyncpg.InsufficientPrivilegeError,
)


def query(name: str) -> str:
    """The text of `sql/queries/<name>.sql`."""
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")


class Database:
    """Connects when first asked; what is down now may be up for the next request."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._dsn = settings.dsn
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """One read-only transaction: all that is asked in it is of one moment.

        Raises HTTPException 503 where Postgres is not configured, does not answer in time, or has
        not got the tables.
        """
        try:
            pool = await self._opened()
            async with (
                pool.acquire(timeout=_CONNECT_SECONDS) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield connection
        except _AWAY as down:
            # The class only: the message may repeat the address with its password.
            raise HTTPException(503, f"Postgres does not answer: {type(down).__name__}") from None
        except _UNREADABLE as bad:
            raise HTTPException(
                503,
                f"Postgres: {type(bad).__name__}: run `steamline db migrate`, with a login that "
                "may read the tables",
            ) from None

    async def rows(self, text: str, *values: object) -> list[dict[str, Any]]:
        """Every row by column, moments as `<name>_us`. Raises HTTPException as `reading`."""
        async with self.reading() as connection:
            return await self.asked(connection, text, *values)

    @staticmethod
    async def asked(connection: Connection, text: str, *values: object) -> list[dict[str, Any]]:
        """As `rows`, inside of a transaction."""
        return [plain(row) for row in await connection.fetch(text, *values)]

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    async def _opened(self) -> asyncpg.Pool:
        if self._dsn is None:
            raise HTTPException(503, "STEAMLINE_POSTGRES_DSN: no Postgres is configured")
        async with self._opening:
            if self._pool is None:
                try:
                    async with asyncio.timeout(_CONNECT_SECONDS):
                        self._pool = await asyncpg.create_pool(
                            self._dsn.get_secret_value(),
                            min_size=1,
                            max_size=_CONNECTIONS,
                            command_timeout=_QUERY_SECONDS,
                            init=_prepare,
                        )
                except ValueError:
                    # asyncpg repeats the DSN, and with it the password.
                    raise HTTPException(
                        503, "STEAMLINE_POSTGRES_DSN: is no DSN of a Postgres"
                    ) from None
            return self._pool


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
    )


def plain(row: asyncpg.Record) -> dict[str, Any]:
    """{column: value}, moments as integer microseconds."""
    return {
        (f"{name}_us" if name in TIMES else name): (
            to_us(value) if name in TIMES and value is not None else value
        )
        for name, value in row.items()
    }
