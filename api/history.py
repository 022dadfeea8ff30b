"""What was said about one game over time: prices by book, and betting splits."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import ConfigDict

from api.database import Database
from api.paging import After, From, Limit, Listing, Page, Text, To
from api.problems import REFUSED
from api.tags import Tagged
from schemas.events import BettingSplits, GameId, LineMovement
from schemas.markets import Market

_GAME = Path(examples=["mlb-2026-07-20-BOS-NYY-1"])
ODDS = (
    "SELECT event_id, game_id, source, occurred_at, simulated, settles, book, market, status,"
    " price_home_over, price_away_under, line FROM quotes"
)
SPLITS = (
    "SELECT event_id, game_id, source, occurred_at, simulated, settles, book, market,"
    " tickets_home_over_pct, handle_home_over_pct FROM splits"
)
_EXAMPLE: dict[str, Any] = {
    "items": [
        {
            "event_id": "oddsapi:4f1c:pinnacle:h2h:1784579900",
            "game_id": "mlb-2026-07-20-BOS-NYY-1",
            "source": "oddsapi",
            "occurred_at_us": 1784579900000000,
            "simulated": False,
            "settles": True,
            "book": "pinnacle",
            "market": "moneyline",
            "status": "open",
            "odds_format": "decimal",
            "price_home_over": 1.87,
            "price_away_under": 2.06,
            "line": None,
        }
    ],
    "next": None,
}


class Odds(Page[LineMovement]):
    """Prices of a game, oldest first: a row whenever a book moved."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})


class Splits(Page[BettingSplits]):
    """Readings of the splits of a game, oldest first."""


def build(database: Database) -> APIRouter:
    router = APIRouter(tags=["history"], route_class=Tagged)

    @router.get("/v1/games/{game_id}/odds", summary="Line movements of a game", responses=REFUSED)
    async def list_odds(
        game_id: Annotated[GameId, _GAME],
        market: Annotated[Market | None, Query(description="Of this market alone")] = None,
        book: Annotated[Text | None, Query(description="Of this book alone")] = None,
        from_us: From = None,
        to_us: To = None,
        limit: Limit = 500,
        after: After = None,
    ) -> Odds:
        """Every price of every book, oldest first. A game that nobody has named has none."""
        listing = Listing(ODDS, "occurred_at", "event_id", newest_first=False)
        listing.only("game_id = $", game_id).only("market = $", market).only("book = $", book)
        items, more = await listing.within(from_us, to_us).page(
            database, after, limit, LineMovement.model_validate
        )
        return Odds(items=items, next=more)

    @router.get("/v1/games/{game_id}/splits", summary="Betting splits of a game", responses=REFUSED)
    async def list_splits(
        game_id: Annotated[GameId, _GAME],
        market: Annotated[Market | None, Query(description="Of this market alone")] = None,
        book: Annotated[Text | None, Query(description="Of this book or pool alone")] = None,
        from_us: From = None,
        to_us: To = None,
        limit: Limit = 500,
        after: After = None,
    ) -> Splits:
        """Shares of tickets and money as sources gave them, oldest first."""
        listing = Listing(SPLITS, "occurred_at", "event_id", newest_first=False)
        listing.only("game_id = $", game_id).only("market = $", market).only("book = $", book)
        items, more = await listing.within(from_us, to_us).page(
            database, after, limit, BettingSplits.model_validate
        )
        return Splits(items=items, next=more)

    return router
