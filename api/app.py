"""The API process: feed, board, page, health. One app, one board, one reader thread."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import explain, fills, kelly, pages, problems, routes, versions
from api.board import Board
from api.explained import Explainer
from api.feed import Feed
from api.records import TopicReader
from api.snapshot import Rules
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class SecurityHeaders:
    """Adds `HEADERS` to every answer; plain ASGI, so that streams pass through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def create_app(settings: Settings) -> FastAPI:
    """Raises ConfigError when no broker is configured; a broker that is down is waited for.

    `app.state.feed` is the feed: a server closes it before it waits for open connections.
    """
    rules = Rules(
        bankroll=settings.all_bankrolls[0].name,
        cutoff_us=round(settings.score.cutoff_minutes * US_PER_MINUTE),
        stale_us=round(settings.score.stale_minutes * US_PER_MINUTE),
        heartbeat_ms=settings.api.heartbeat_ms,
    )
    feed = Feed(Board(), rules, ring=settings.api.ring, client_queue=settings.api.client_queue)
    reader = TopicReader(settings, feed)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        reader.start()
        beating = asyncio.create_task(feed.keep_beating())
        try:
            yield
        finally:
            feed.close()
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating
            await reader.stop()

    app = FastAPI(
        title="Steamline",
        summary="Live fair prices, predictions and stakes.",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # both pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.feed = feed
    app.add_middleware(SecurityHeaders)
    problems.install(app)
    vectors, models = explain.Vectors(settings), explain.CachedModels(settings)
    app.include_router(routes.build(settings, feed, reader, Explainer(vectors, models)))
    app.include_router(explain.build(vectors, models, feed.board))
    app.include_router(versions.build(settings, feed.board))
    app.include_router(kelly.router)
    app.include_router(fills.build(settings))
    pages.install(app)
    return app
