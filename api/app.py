"""The API process: feed, board, page, health. One app, one board, one reader thread."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from api import explain, fills, kelly, problems, routes, session, versions
from api.access import REFUSALS, needs
from api.board import Board
from api.explained import Explainer
from api.feed import Feed
from api.gate import Gate
from api.headers import SecurityHeaders
from api.keyring import Keyring
from api.keys import Scope
from api.keystore import KeyStore
from api.loopback import require_loopback
from api.records import TopicReader
from api.snapshot import Rules
from schemas.errors import ConfigError
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE

STATIC = Path(__file__).parent / "static"


class App(FastAPI):
    def build_middleware_stack(self) -> ASGIApp:
        """Around everything, so that an error of our own has the headers too."""
        return SecurityHeaders(super().build_middleware_stack())


def create_app(settings: Settings) -> FastAPI:
    """Raises ConfigError when no broker is configured, or when others could use the API without a
    key; a broker that is down is waited for.

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
    keyring = _keyring(settings)

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
            if keyring is not None:
                await keyring.close()

    app = App(
        title="Steamline",
        summary="Live fair prices, predictions and stakes.",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # both pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.feed = feed
    _arm(app, settings, keyring)
    problems.install(app)
    vectors, models = explain.Vectors(settings), explain.CachedModels(settings)
    read, stake = needs(Scope.READ), needs(Scope.STAKE)
    board = routes.build(settings, feed, reader, Explainer(vectors, models))
    app.include_router(board, **read)
    app.include_router(explain.build(vectors, models, feed.board), **read)
    app.include_router(versions.build(settings, feed.board), **read)
    app.include_router(kelly.router, **read)
    app.include_router(fills.build(settings), **stake)
    app.include_router(routes.health)
    if keyring is not None:
        app.include_router(session.build(keyring, settings.api.session_hours), responses=REFUSALS)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

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
