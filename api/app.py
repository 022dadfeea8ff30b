"""The API process: feed, board, page, health. One app, one board, one reader thread."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette import types
from starlette.middleware.cors import CORSMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

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
    session,
    system,
    vectors,
    versions,
)
from api.access import REFUSALS, needs
from api.board import Board
from api.database import Database
from api.explained import Explainer
from api.feed import Feed
from api.gate import Gate
from api.headers import SecurityHeaders
from api.kafka_history import History
from api.keyring import Keyring
from api.keys import Scope
from api.keystore import KeyStore
from api.loopback import require_loopback
from api.metrics import Counted, Requests
from api.records import TOPICS, TopicReader
from api.stream import Streams
from schemas.errors import ConfigError
from schemas.feed import Rules
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE


class App(FastAPI):
    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Around everything, so that an error of our own has the headers too. Not as the outermost
        of the middlewares: tracing looks for Starlette's own there, and else leaves requests to
        FastAPI's spans, which have the query in them."""
        await SecurityHeaders(super().__call__)(scope, receive, send)


def create_app(settings: Settings) -> FastAPI:
    """Raises ConfigError when no broker is configured, or when others could use the API without a
    key; a broker that is down is waited for.

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
    keyring = _keyring(settings)
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
            if keyring is not None:
                await keyring.close()
            if settings.traces.endpoint is not None:
                from api.tracing import send_rest

                await asyncio.to_thread(send_rest)
            await database.close()

    app = App(
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
    _arm(app, settings, keyring)
    app.add_middleware(Counted, requests=Requests(registry))
    problems.install(app)
    store, models = explain.Vectors(settings), explain.CachedModels(settings)
    read, stake = needs(Scope.READ), needs(Scope.STAKE)
    for router in (
        routes.build(settings, feed, streams, Explainer(store, models)),
        explain.build(store, models, feed.board),
        vectors.build(store),
        versions.build(settings, feed.board),
        kelly.router,
        history.build(database),
        decisions.build(database),
        bets.build(database),
        bankrolls.build(database),
        quality.build(database, settings),
        experiments.build(database),
        backtests.build(settings),
        dead_letters.build(database),
        system.build(settings, reader.status, lambda: feed.board.newest_us, registry),
    ):
        app.include_router(router, **read)
    app.include_router(fills.build(settings), **stake)
    app.include_router(routes.build_health(settings, reader))
    if keyring is not None:
        app.include_router(session.build(keyring, settings.api.session_hours), responses=REFUSALS)
    description.describe(app)
    pages.install(app)
    if settings.traces.endpoint is not None:
        from api.tracing import trace_requests

        trace_requests(app)
    return app


def _keyring(settings: Settings) -> Keyring | None:
    """None where no keys are asked for. Raises ConfigError where that would be open to others."""
    api = settings.api
    if api.auth == "keys":
        return Keyring(KeyStore(settings.postgres), api.key_memory_seconds)
    require_loopback(api.host)
    for key, value in (("PROXIES", api.proxies), ("CORS_ORIGINS", api.cors_origins)):
        if value:
            raise ConfigError(
                f"STEAMLINE_API_{key}",
                "lets others ask, and no key is asked for",
                "Set STEAMLINE_API_AUTH=keys too, or leave it out",
            )
    return None


def _arm(app: FastAPI, settings: Settings, keyring: Keyring | None) -> None:
    """What stands before the routes; the last added is the first asked."""
    app.add_middleware(Gate, settings=settings.api, keyring=keyring)
    if settings.api.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.api.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            expose_headers=["ETag", "Retry-After"],
            max_age=600,
        )
    if settings.api.proxies:
        trusted = [str(network) for network in settings.api.proxies]
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=trusted)
