"""The routes: the feed, the board as JSON, health."""

from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Path, Query, Response
from pydantic import BaseModel
from sse_starlette import EventSourceResponse

from api.explained import Explainer
from api.feed import Feed
from api.filters import Filter, Kind
from api.health import Readiness, readiness
from api.problems import Problem
from api.records import TopicReader
from api.rows import GameDetail, GameRow, Games, detail, game_row
from api.tags import Tagged
from schemas.events import GameId
from schemas.markets import Market
from schemas.settings import Settings

_FEED_EXAMPLE = """\
id: 7f3a19c2-41
event: prediction
data: {"game_id":"mlb-2026-07-20-BOS-NYY-1","position":812,"target":"moneyline", ...}

id: 7f3a19c2-41
event: heartbeat
data: {"server_us":1784580000000000,"newest_us":1784579998000000,"stale":false,"broker":true}
"""

_ANY = Query(description="Repeat it for several; without it, all.", max_length=100)


class Alive(BaseModel):
    status: str = "alive"


def build(settings: Settings, feed: Feed, reader: TopicReader, explainer: Explainer) -> APIRouter:
    """All routes, bound to this process's feed."""
    router = APIRouter()
    board = APIRouter(tags=["board"], route_class=Tagged)

    @router.get(
        "/v1/feed",
        tags=["feed"],
        response_class=EventSourceResponse,
        responses={
            200: {
                "description": "A snapshot, then every change; docs/api.md is the contract",
                "content": {"text/event-stream": {"example": _FEED_EXAMPLE}},
            }
        },
    )
    async def follow(
        game: Annotated[frozenset[GameId], _ANY] = frozenset(),
        market: Annotated[frozenset[Market], _ANY] = frozenset(),
        event: Annotated[frozenset[Kind], _ANY] = frozenset(),
        explain: Annotated[
            bool, Query(description="Predictions say why: `explanation`, or `unexplained`")
        ] = False,
        last_event_id: Annotated[
            str | None, Query(max_length=64, description="For clients that cannot set headers")
        ] = None,
        last_event_id_header: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
    ) -> EventSourceResponse:
        """Live board by Server-Sent Events, from a snapshot or from the id a client has."""
        wanted = Filter(games=game, markets=market, kinds=event)
        return EventSourceResponse(
            # A browser that reconnects by itself repeats the first address but a newer header.
            feed.stream(
                wanted,
                last_event_id_header or last_event_id,
                explainer if explain else None,
            ),
            ping=0,  # the feed has heartbeats of its own
            send_timeout=settings.api.send_timeout_seconds,
        )

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

    @router.get("/health", tags=["health"], summary="Does the process answer")
    async def get_health() -> Alive:
        """The process answers."""
        return Alive()

    @router.get(
        "/ready",
        tags=["health"],
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
