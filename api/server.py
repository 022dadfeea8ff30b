"""uvicorn, taught to end open streams first, to drop frozen clients, to say where it listens."""

import asyncio
import logging
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.app import create_app
from api.connections import protocol
from api.stream import FrozenClient
from schemas.settings import Settings

log = logging.getLogger(__name__)

GRACE_SECONDS = 3
"""How long a stop waits for answers under way."""


class Server(uvicorn.Server):
    """One API process; `run()` serves until a signal or `should_exit`."""

    def __init__(self, settings: Settings, listening: Callable[[str], None]) -> None:
        """`listening` is called with the address once connections are taken."""
        self._listening = listening
        self._app = create_app(settings)
        self.feed = self._app.state.feed
        super().__init__(
            uvicorn.Config(
                self._answer,
                interface="asgi3",
                http=protocol(settings.api),
                ws="none",
                proxy_headers=False,  # a client is known by its connection
                host=settings.api.host,
                port=settings.api.port,
                log_level="warning",
                log_config=None,  # the process has said how it logs
                server_header=False,
                timeout_keep_alive=settings.api.idle_seconds,
                h11_max_incomplete_event_size=settings.api.max_head,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(dict(scope), receive, send)  # a proxy's word changes it
        except FrozenClient:
            # An orderly close would wait for ever for the client to take what is buffered.
            log.info("client %s takes nothing any more: dropped", scope["client"])
            for connection in list(self.server_state.connections):
                if isinstance(connection, H11Protocol) and connection.client == scope["client"]:
                    connection.transport.abort()
            await asyncio.sleep(0)  # lets uvicorn see that it is gone

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        self._listening(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.feed.close()
        await super().shutdown(sockets)
