"""The API process: feed, board, page, health. One app, one board, one reader thread."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
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
from api.kafka_history import History
from api.metrics import Counted, Requests
from api.records import TOPICS, TopicReader
from api.snapshot import Rules
from api.stream import Streams
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE

STATIC = Path(__file__).parent / "static"

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
    past = History(settings, {topic.full(settings.kafka.prefix): topic for topic in TOPICS})
    feed = Feed(
        Board(),
        rules,
        past,
        ring=settings.api.ring,
        client_queue=settings.api.client_queue,
        resume_records=settings.api.resume_records,
    )
    reader = TopicReader(settings, feed)
    streams = Streams(
        feed.counts,
        limit=settings.api.streams_per_client,
        patience_seconds=settings.api.send_timeout_seconds,
    )
    database = Database(settings.postgres)
    registry = CollectorRegistry()
    registry.register(feed.counts)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        reader.start()
        watching = asyncio.create_task(streams.watch())
        try:
            yield
        finally:
            feed.close()
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await reader.stop()
            await past.close()
            if settings.traces.endpoint is not None:
                from api.tracing import send_rest

                await asyncio.to_thread(send_rest)
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
    app.include_router(routes.build(settings, feed, reader, streams, Explainer(store, models)))
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
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    if settings.traces.endpoint is not None:
        from api.tracing import trace_requests

        trace_requests(app)

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    return app
