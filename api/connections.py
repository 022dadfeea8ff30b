"""A connection that may not dawdle: uvicorn's, with limits that it lacks.

- A request, head and body, is complete in time or answered 408. Without that a client that sends
  a byte now and then holds a connection for ever.
- One connection too many is told so and closed; uvicorn's own limit looks at requests only, and
  leaves it open.
- What is no HTTP gets a problem document; uvicorn would raise where an answer has begun.
"""

import asyncio
import json
import logging
import sys
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from schemas.sections.api import ApiSettings

log = logging.getLogger(__name__)

_INCOMPLETE = (h11.IDLE, h11.SEND_BODY)
_CAN_ANSWER = (h11.IDLE, h11.SEND_RESPONSE)


def protocol(settings: ApiSettings) -> type[H11Protocol]:
    """For uvicorn, which makes one a connection."""

    class Connection(H11Protocol):
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > settings.max_connections:
                log.info("%s connections: one more is refused", settings.max_connections)
                self._refuse(503, "too many connections (STEAMLINE_API_MAX_CONNECTIONS)")
                return
            self._set_limit()

        def connection_lost(self, exc: Exception | None) -> None:
            self._lift_limit()
            super().connection_lost(exc)

        def handle_events(self) -> None:
            super().handle_events()
            if self.conn.their_state not in _INCOMPLETE or self.transport.is_closing():
                self._lift_limit()
            # Nothing was asked since the last answer: the limit of idleness holds.
            elif self.timeout_keep_alive_task is None:
                self._set_limit()

        def send_400_response(self, msg: str) -> None:
            error = sys.exc_info()[1]
            status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
            self._refuse(status, "this is no HTTP/1.1, or its head is too large")

        def _set_limit(self) -> None:
            if self._late is None:
                self._late = self.loop.call_later(settings.request_seconds, self._too_late)

        def _lift_limit(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def _too_late(self) -> None:
            self._late = None
            if not self.transport.is_closing():
                self._refuse(408, f"no complete request within {settings.request_seconds:g} s")

        def _refuse(self, status: int, detail: str) -> None:
            """Answer where none has begun, and close."""
            if self.conn.our_state in _CAN_ANSWER:
                self.transport.write(_answer(status, detail))
            if self.cycle is not None:
                # Whoever waits for the rest of the body is to wait no more.
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self._lift_limit()
            self.transport.close()

    return Connection


def _answer(status: int, detail: str) -> bytes:
    phrase = HTTPStatus(status).phrase
    body = json.dumps(
        {"type": "about:blank", "title": phrase, "status": status, "detail": detail, "instance": ""}
    )
    return (
        f"HTTP/1.1 {status} {phrase}\r\n"
        "content-type: application/problem+json\r\n"
        "x-content-type-options: nosniff\r\n"
        "cache-control: no-store\r\n"
        f"content-length: {len(body)}\r\n"
        "connection: close\r\n"
        f"\r\n{body}"
    ).encode()
