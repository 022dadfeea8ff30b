"""The API process: feed, board, page, health. One app, one board, one reader thread."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import (
    backtests,
    bankrolls,
    bets,
    dead_letters,
    decisions,
    description,
    experiments,
    explain,
    fills,
    history,
    kelly,
    pages,
    problems,
    quality,
    routes,
    system,
    vectors,
    versions,
)
from api.board import Board
from api.database import Database
from api.explained import Explainer
from api.feed import Feed
from api.metrics import Counted, Requests
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
    """Adds `HEADERS` to every answer that does not bring its own; plain ASGI, so that streams pass
    through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answer.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def create_app(settings: Settings) -> FastAPI:
    """Raises ConfigError when no broker is configured; a broker that is down is waited for.

    `app.state.feed` is the feed: a server closes it before it waits for open connections.
    `app.state.metrics` is the registry that `/metrics` shows.
    """
    rules = Rules(
        bankroll=settings.all_bankrolls[0].name,
        cutoff_us=round(settings.score.cutoff_minutes * US_PER_MINUTE),
        stale_us=round(settings.score.stale_minutes * US_PER_MINUTE),
        heartbeat_ms=settings.api.heartbeat_ms,
    )
    feed = Feed(Board(), rules, ring=settings.api.ring, client_queue=settings.api.client_queue)
    reader = TopicReader(settings, feed)
    database = Database(settings.postgres)
    registry = CollectorRegistry()

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
            await database.close()

    app = FastAPI(
        title="Steamline",
        summary="Live fair prices, predictions and stakes.",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # both pages load scripts from elsewhere
        redoc_url=None,
        openapi_tags=description.TAGS,
        generate_unique_id_function=description.operation_id,
    )
    app.state.feed = feed
    app.state.metrics = registry
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Counted, requests=Requests(registry))
    problems.install(app)
    store, models = explain.Vectors(settings), explain.CachedModels(settings)
    app.include_router(routes.build(settings, feed, reader, Explainer(store, models)))
    app.include_router(explain.build(store, models, feed.board))
    app.include_router(vectors.build(store))
    app.include_router(versions.build(settings, feed.board))
    app.include_router(kelly.router)
    app.include_router(fills.build(settings))
    app.include_router(history.build(database))
    app.include_router(decisions.build(database))
    app.include_router(bets.build(database))
    app.include_router(bankrolls.build(database))
    app.include_router(quality.build(database, settings))
    app.include_router(experiments.build(database))
    app.include_router(backtests.build(settings))
    app.include_router(dead_letters.build(database))
    app.include_router(
        system.build(settings, reader.status, lambda: feed.board.newest_us, registry)
    )
    description.describe(app)
    pages.install(app)
    return app
