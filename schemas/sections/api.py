"""The API and its feed."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, IPvAnyNetwork

from schemas.sections.base import Section

Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$")]


class ApiSettings(Section):
    host: str = "127.0.0.1"
    """Address to listen on; one that others reach needs `STEAMLINE_API_AUTH=keys`."""
    port: int = Field(default=8000, ge=0, le=65_535)
    """0 picks a free one."""
    auth: Literal["loopback", "keys"] = "loopback"
    """Who is answered: programs and pages on this machine alone, or whoever has a key
    (`steamline key new`, kept in Postgres)."""
    key_memory_seconds: float = Field(default=300.0, ge=0.0)
    """How long keys in use go on while Postgres does not answer. While it does, what is revoked
    or expired is refused within two seconds."""
    session_hours: float = Field(default=12.0, gt=0.0)
    """How long a browser stays signed in."""
    key_requests: int = Field(default=1_200, ge=1)
    """Requests a minute of one key, at once or spread; counted by each API process."""
    address_requests: int = Field(default=2_400, ge=1)
    """The same of one address, with or without a key."""
    address_failures: int = Field(default=20, ge=1)
    """Wrong keys a minute from one address."""
    proxies: tuple[IPvAnyNetwork, ...] = ()
    """As JSON: addresses or networks of the reverse proxies whose `X-Forwarded-For` and
    `X-Forwarded-Proto` are believed. Without it a client is known by its connection."""
    cors_origins: tuple[Origin, ...] = ()
    """As JSON: origins, as `https://board.example`, whose pages may use the API with a key."""
    ring: int = Field(default=10_000, ge=1)
    """Newest feed messages held in memory; who is further behind is served from Kafka."""
    heartbeat_ms: int = Field(default=10_000, ge=100)
    """A silent feed sends a heartbeat this often."""
    send_timeout_seconds: float = Field(default=30.0, gt=0.0)
    """A client that takes no byte for this long is closed."""
    client_queue: int = Field(default=1_000, ge=10)
    """Messages waiting for one client before they are conflated: the newest a key, no other."""
    resume_records: int = Field(default=100_000, ge=0)
    """Kafka records read for one client that comes back; further behind it gets a gap."""
    streams_per_client: int = Field(default=100, ge=1)
    """Feed streams open at once of one key, or without keys of one address."""
    backtests: Path | None = None
    """Folder whose folders `steamline backtest --out` wrote; without it
    `STEAMLINE_HOME/backtests`."""
    request_seconds: float = Field(default=10.0, gt=0.0)
    """A request that is not complete, head and body, after this long is refused."""
    idle_seconds: int = Field(default=30, ge=1)
    """A connection on which nothing is asked for this long is closed."""
    max_head: int = Field(default=16_384, ge=1_024)
    """Bytes of a request's first line and headers."""
    max_body: int = Field(default=1_048_576, ge=1_024)
    """Bytes of a request's body."""
    max_connections: int = Field(default=10_000, ge=1)
    """Connections at once; a further one is told so and closed."""
