"""The routes: the feed, the board as JSON, health."""

from pathlib import Path as File
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import AfterValidator, BaseModel, BeforeValidator

from api.clients import client_of
from api.explained import Explainer
from api.feed import Feed
from api.filters import MEMBERS, Filter, Options
from api.health import Readiness, readiness
from api.problems import Problem
from api.records import TopicReader
from api.rows import GameDetail, GameRow, Games, detail, game_row
from api.stream import EventStream, Streams
from api.tags import Tagged
from api.tokens import MAX_TOKEN
from schemas.events import GameId
from schemas.feed import Kind
from schemas.markets import Market
from schemas.settings import Settings

_FEED_EXAMPLE = """\
id: 7f3a19c2-BKwCAAAAAA
event: prediction
data: {"game_id":"mlb-2026-07-20-BOS-NYY-1","position":812,"target":"moneyline", ...}

id: 7f3a19c2-BK0CAAAAAA
event: heartbeat
data: {"server_us":1784580000000000,"newest_us":1784579998000000,"stale":false,"broker":true}
"""

_ANY = Query(description="Repeat it for several; without it, all.", max_length=100)


PROTOCOL = File(__file__).parent / "protocol.md"


class Markdown(PlainTextResponse):
    media_type = "text/markdown"


def _split(names: object) -> object:
    """Given once with commas, or several times."""
    if not isinstance(names, (list, tuple, set, frozenset)):
        return names
    return [part for name in names for part in str(name).split(",")]


def _known(names: frozenset[str]) -> frozenset[str]:
    if unknown := sorted(names - MEMBERS):
        raise ValueError(f"no message has the member {unknown[0]!r}")
    return names


Fields = Annotated[frozenset[str], BeforeValidator(_split), AfterValidator(_known)]


class Alive(BaseModel):
    status: str = "alive"


def build(
    settings: Settings,
    feed: Feed,
    streams: Streams,
    explainer: Explainer,
) -> APIRouter:
    """The feed and the board, bound to this process."""
    router = APIRouter()
    board = APIRouter(tags=["board"], route_class=Tagged)

    @router.get(
        "/v1/feed",
        tags=["feed"],
        status_code=200,
        response_class=EventStream,
        responses={
            200: {
                "description": "A snapshot, then every change; /v1/feed/protocol is the contract",
                "content": {"text/event-stream": {"example": _FEED_EXAMPLE}},
            },
            429: {"model": Problem, "description": "Too many streams open"},
        },
    )
    async def follow(
        request: Request,
        game: Annotated[frozenset[GameId], _ANY] = frozenset(),
        market: Annotated[frozenset[Market], _ANY] = frozenset(),
        event: Annotated[frozenset[Kind], _ANY] = frozenset(),
        min_edge: Annotated[
            float | None,
            Query(
                ge=-1,
                le=10,
                allow_inf_nan=False,
                description="Predictions and stakes below this edge, which took the place of none "
                "above it, are left out; other events pass",
            ),
        ] = None,
        conflate_ms: Annotated[
            int, Query(ge=0, le=60_000, description="One value a key in so long, the newest")
        ] = 0,
        heartbeat_ms: Annotated[
            int | None, Query(ge=1_000, le=60_000, description="Without it, the server's")
        ] = None,
        fields: Annotated[
            Fields,
            Query(max_length=100, description="Members of the data to keep; ids always are"),
        ] = frozenset(),
        explain: Annotated[
            bool, Query(description="Predictions say why: `explanation`, or `unexplained`")
        ] = False,
        last_event_id: Annotated[
            str | None, Query(max_length=MAX_TOKEN, description="For clients without headers")
        ] = None,
        last_event_id_header: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
    ) -> EventStream:
        """Live board by Server-Sent Events, from a snapshot or from the id a client has."""
        client = client_of(request)
        if streams.full(client):
            raise HTTPException(
                429,
                f"{settings.api.streams_per_client} streams are open from {client} already: "
                "close one, or raise STEAMLINE_API_STREAMS_PER_CLIENT",
                {"Retry-After": "10"},
            )
        wanted = Filter(games=game, markets=market, kinds=event, min_edge=min_edge)
        options = Options(wanted, conflate_ms, heartbeat_ms, fields, explain)
        # A browser that reconnects by itself repeats the first address but a newer header.
        last_id = last_event_id_header or last_event_id
        return EventStream(
            lambda: feed.stream(options, last_id, explainer if explain else None), streams, client
        )

    @router.get("/v1/feed/protocol", tags=["feed"], response_class=Markdown)
    async def protocol() -> Markdown:
        """The feed's contract in words."""
        return Markdown(PROTOCOL.read_text())

    @board.get("/v1/games", summary="The board")
    async def list_games() -> Games:
        """The board: one row a game, by start time."""
        now_us = feed.board.newest_us
        rows: list[GameRow] = []
        if now_us is not None:
            rows = [game_row(game, now_us, feed.rules) for game in feed.board.ordered()]
        return Games(newest_us=now_us, stale=feed.stale, games=rows)

    @board.get(
        "/v1/games/{game_id}",
        summary="One game of the board",
        responses={404: {"model": Problem, "description": "Not on the board"}},
    )
    async def get_game(
        game_id: Annotated[GameId, Path(examples=["mlb-2026-07-20-BOS-NYY-1"])],
    ) -> GameDetail:
        """One game with every book's quotes and its latest predictions."""
        found, now_us = feed.board.games.get(game_id), feed.board.newest_us
        if found is None or now_us is None:
            raise HTTPException(404, f"no game {game_id} on the board")
        return detail(found, now_us, feed.rules)

    router.include_router(board)
    return router


def build_health(settings: Settings, reader: TopicReader) -> APIRouter:
    """Open to all: who balances load has no key."""
    router = APIRouter(tags=["health"])

    @router.get("/health", summary="Does the process answer")
    async def get_health() -> Alive:
        """The process answers."""
        return Alive()

    @router.get(
        "/ready",
        summary="Can it do its work",
        responses={503: {"model": Readiness, "description": "Not caught up with Kafka"}},
    )
    async def get_readiness(response: Response) -> Readiness:
        """Each dependency; 503 while the board is not complete and current."""
        answer = await readiness(reader.status, settings.redis, settings.postgres)
        if not answer.ready:
            response.status_code = 503
        return answer

    return router
