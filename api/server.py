"""uvicorn, taught to end open streams first and to say where it listens."""

import socket
from collections.abc import Callable

import uvicorn

from api.app import create_app
from schemas.settings import Settings

GRACE_SECONDS = 3
"""How long a stop waits for answers under way."""


class Server(uvicorn.Server):
    """One API process; `run()` serves until a signal or `should_exit`."""

    def __init__(self, settings: Settings, listening: Callable[[str], None]) -> None:
        """`listening` is called with the address once connections are taken."""
        self._listening = listening
        self._app = create_app(settings)
        super().__init__(
            uvicorn.Config(
                self._app,
                host=settings.api.host,
                port=settings.api.port,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        self._listening(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.feed.close()
        await super().shutdown(sockets)
