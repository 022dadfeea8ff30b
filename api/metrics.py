"""Requests counted, by the template of their route: a path of ids would be a metric a game."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNKNOWN = "none"
"""Of a path that no route has."""
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Requests:
    """What has been answered."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["route", "method"]
        self._answers = Counter(
            "steamline_api_requests", "Answers.", [*labels, "status"], registry=registry
        )
        self._seconds = Histogram(
            "steamline_api_request_seconds",
            "From the request to the first byte of its answer.",
            labels,
            buckets=_SECONDS,
            registry=registry,
        )

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or UNKNOWN
        # Whatever a client makes up as a method is one label value.
        method = scope["method"] if scope["method"] in METHODS else UNKNOWN
        self._answers.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)


class Counted:
    """Plain ASGI, so that streams pass through untouched: they count when they begin."""

    def __init__(
        self, app: ASGIApp, requests: Requests, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._app, self._requests, self._clock = app, requests, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._clock()

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests.answered(scope, message["status"], self._clock() - began)
            await send(message)

        await self._app(scope, receive, counting)
