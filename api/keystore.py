"""Keys and sessions in Postgres. Nothing is remembered here: see `api/keyring.py`."""

import asyncio
import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import asyncpg

from api.keys import Key, Scope, hash_of, new_id, new_secret, written
from schemas.errors import ConfigError, DependencyDown, SteamlineError
from schemas.sections.servers import PostgresSettings
from schemas.time import US_PER_HOUR, from_us, to_us

_TIMEOUT_SECONDS = 2.0
_DSN = "STEAMLINE_POSTGRES_DSN"
_CONNECTIONS = 4
_FIELDS = (
    "key_id, name, scopes, secret_hash, old_hash, old_until, created_at, expires_at, revoked_at, "
    "used_at"
)
DOWN = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ValueError,  # a DSN that is none
)
"""No answer of use: whoever asks must fail closed."""


class KeyRefused(SteamlineError):
    """A key cannot be made, rotated or revoked as asked."""


class Session(NamedTuple):
    key_id: str
    expires_us: int


class KeyStore:
    """A few connections, made when they are needed; every method may raise one of DOWN."""

    def __init__(self, settings: PostgresSettings) -> None:
        """Raises ConfigError where no Postgres is configured."""
        if settings.dsn is None:
            raise ConfigError(
                _DSN,
                "API keys are kept in Postgres, and none is configured",
                "Set it, or run `steamline stack up`",
            )
        self._dsn = settings.dsn.get_secret_value()
        self._pool: asyncpg.Pool[Any] | None = None
        self._making = asyncio.Lock()

    async def find(self, key_ids: Iterable[str]) -> dict[str, Key]:
        """Those that there are, by id."""
        pool = await self._ready()
        rows = await pool.fetch(
            f"SELECT {_FIELDS} FROM api_keys WHERE key_id = ANY($1)", list(key_ids)
        )
        return {row["key_id"]: _key(row) for row in rows}

    async def all(self) -> list[Key]:
        """By name, revoked ones too."""
        pool = await self._ready()
        rows = await pool.fetch(f"SELECT {_FIELDS} FROM api_keys ORDER BY name, created_at")
        return [_key(row) for row in rows]

    async def add(
        self, name: str, scopes: Iterable[Scope], now_us: int, expires_us: int | None
    ) -> tuple[str, str]:
        """(id, the key). It is to be shown once: it cannot be had again.

        Raises KeyRefused for a name in use, or one that is none.
        """
        key_id, secret = new_id(), new_secret()
        pool = await self._ready()
        try:
            await pool.execute(
                "INSERT INTO api_keys (key_id, name, scopes, secret_hash, created_at, expires_at) "
                "VALUES ($1, $2, $3, $4, $5, $6)",
                key_id,
                name,
                sorted(scopes),
                hash_of(secret),
                from_us(now_us),
                None if expires_us is None else from_us(expires_us),
            )
        except asyncpg.UniqueViolationError:
            raise KeyRefused(
                f"key {name}: there is one already. Rotate or revoke it, or choose another name"
            ) from None
        except asyncpg.CheckViolationError:
            raise KeyRefused(
                f"key {name!r}: a name is 1 to 64 of letters, digits, '.', '_' and '-'"
            ) from None
        return key_id, written(key_id, secret)

    async def rotate(self, name: str, now_us: int, overlap_us: int) -> str:
        """The key under a new secret; the old one holds for `overlap_us` more, one before it not.

        Raises KeyRefused where there is none to rotate.
        """
        secret = new_secret()
        pool = await self._ready()
        key_id = await pool.fetchval(
            "UPDATE api_keys SET old_hash = secret_hash, old_until = $3, secret_hash = $2 "
            "WHERE name = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $4) "
            "RETURNING key_id",
            name,
            hash_of(secret),
            from_us(now_us + overlap_us),
            from_us(now_us),
        )
        if key_id is None:
            raise KeyRefused(f"key {name}: there is none that is valid. Make one: `key new`")
        return written(key_id, secret)

    async def revoke(self, name: str, now_us: int) -> str:
        """Id of the key that is valid no more. Raises KeyRefused where there is none."""
        pool = await self._ready()
        key_id = await pool.fetchval(
            "UPDATE api_keys SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL "
            "RETURNING key_id",
            name,
            from_us(now_us),
        )
        if key_id is None:
            raise KeyRefused(f"key {name}: there is none, or it is revoked: see `key ls`")
        return str(key_id)

    async def used(self, key_id: str, now_us: int) -> None:
        """Note it, once an hour."""
        pool = await self._ready()
        await pool.execute(
            "UPDATE api_keys SET used_at = $2 WHERE key_id = $1 "
            "AND (used_at IS NULL OR used_at < $2)",
            key_id,
            from_us(now_us - now_us % US_PER_HOUR),
        )

    async def begin_session(self, token: str, key_id: str, now_us: int, expires_us: int) -> None:
        pool = await self._ready()
        await pool.execute("DELETE FROM api_sessions WHERE expires_at <= $1", from_us(now_us))
        await pool.execute(
            "INSERT INTO api_sessions VALUES ($1, $2, $3)",
            digest(token),
            key_id,
            from_us(expires_us),
        )

    async def session(self, token: str) -> Session | None:
        pool = await self._ready()
        row = await pool.fetchrow(
            "SELECT key_id, expires_at FROM api_sessions WHERE session_hash = $1", digest(token)
        )
        return None if row is None else Session(row["key_id"], to_us(row["expires_at"]))

    async def end_session(self, token: str) -> None:
        pool = await self._ready()
        await pool.execute("DELETE FROM api_sessions WHERE session_hash = $1", digest(token))

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), _TIMEOUT_SECONDS)
            except DOWN:
                pool.terminate()

    async def _ready(self) -> "asyncpg.Pool[Any]":
        async with self._making:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._dsn,
                    min_size=0,
                    max_size=_CONNECTIONS,
                    timeout=_TIMEOUT_SECONDS,
                    command_timeout=_TIMEOUT_SECONDS,
                    server_settings={"application_name": "steamline-api"},
                )
            return self._pool


def digest(token: str) -> bytes:
    """Of random 256 bits: nothing slower is needed."""
    return hashlib.sha256(token.encode()).digest()


def down(problem: BaseException) -> DependencyDown:
    """For a command: what to do where one of DOWN was raised. Never in the client's own words,
    which may repeat the DSN with the password."""
    if isinstance(problem, ValueError):
        return DependencyDown(f"{_DSN} is no DSN of a Postgres")
    if isinstance(problem, asyncpg.UndefinedTableError):
        return DependencyDown("Postgres has no table of keys yet: run `steamline db migrate`")
    if isinstance(problem, asyncpg.InsufficientPrivilegeError):
        return DependencyDown("Postgres: this login may not change keys: use the owner's")
    return DependencyDown(f"Postgres does not answer: {type(problem).__name__}")


def _key(row: "asyncpg.Record") -> Key:
    hashes: list[tuple[str, int | None]] = [(row["secret_hash"], None)]
    if row["old_hash"] is not None:
        hashes.append((row["old_hash"], to_us(row["old_until"])))
    return Key(
        key_id=row["key_id"],
        name=row["name"],
        scopes=frozenset(Scope(one) for one in row["scopes"]),
        created_us=to_us(row["created_at"]),
        hashes=tuple(hashes),
        expires_us=_us(row["expires_at"]),
        revoked_us=_us(row["revoked_at"]),
        used_us=_us(row["used_at"]),
    )


def _us(moment: Any) -> int | None:
    return None if moment is None else to_us(moment)
