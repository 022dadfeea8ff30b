"""The API and its feed."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from schemas.sections.base import Section


class ApiSettings(Section):
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8000, ge=0, le=65_535)
    """0 picks a free one."""
    ring: int = Field(default=10_000, ge=1)
    """How many feed messages a reconnecting client can be behind."""
    heartbeat_ms: int = Field(default=10_000, ge=100)
    """A silent feed sends a heartbeat this often."""
    send_timeout_seconds: float = Field(default=30.0, gt=0.0)
    """A client that takes no byte for this long is closed."""
    fills_from: Literal["loopback", "anywhere"] = "loopback"
    """Who may record bets by POST /v1/fills: programs on this machine alone, or whoever reaches
    the port. There are no keys yet, so open it only behind something that asks for one."""
    client_queue: int = Field(default=1_000, ge=10)
    """Messages waiting for one client before it is told of a gap and sent a fresh snapshot."""
    backtests: Path | None = None
    """Folder whose folders `steamline backtest --out` wrote; without it
    `STEAMLINE_HOME/backtests`."""
