"""Bets that were made and how they were graded, newest first, as their topics had them."""

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.database import Database
from api.decisions import Game, OfBankroll, OfMarket
from api.paging import After, From, Limit, Listing, Page, To
from api.problems import REFUSED
from api.tags import Tagged
from schemas.bets import Fill, Outcome, Settlement

_BET = (
    "SELECT fill_id, game_id, bankroll, market, side, book, line, price, amount, paper, simulated,"
    " stake_id,"
)
FILLS = f"{_BET} filled_at, terms, home_starter, away_starter, source FROM fills"
SETTLEMENTS = (
    f"{_BET} settlement_id, outcome, payout, rule, detail, result_id, settled_at, supersedes,"
    " closing, closing_missing FROM settlements"
)
_CENT = Decimal("0.01")

Paper = Annotated[bool | None, Query(description="True: only bets that nobody made; false: real")]


class Fills(Page[Fill]):
    """Bets as taken."""


class Settlements(Page[Settlement]):
    """Gradings; one that `supersedes` another takes its place, and the other stays in the list."""


def build(database: Database) -> APIRouter:
    router = APIRouter(tags=["bets"], route_class=Tagged)

    @router.get("/v1/fills", summary="Bets that were made, newest first", responses=REFUSED)
    async def list_fills(
        game: Game = None,
        market: OfMarket = None,
        bankroll: OfBankroll = None,
        paper: Paper = None,
        from_us: From = None,
        to_us: To = None,
        limit: Limit = 100,
        after: After = None,
    ) -> Fills:
        """Bets at the price that was really got, by when they were made."""
        listing = Listing(FILLS, "filled_at", "fill_id").only("game_id = $", game)
        listing.only("market = $", market).only("bankroll = $", bankroll).only("paper = $", paper)
        items, more = await listing.within(from_us, to_us).page(database, after, limit, fill_of)
        return Fills(items=items, next=more)

    @router.get("/v1/settlements", summary="Graded bets, newest first", responses=REFUSED)
    async def list_settlements(
        game: Game = None,
        market: OfMarket = None,
        bankroll: OfBankroll = None,
        outcome: Annotated[Outcome | None, Query(description="Of this outcome alone")] = None,
        paper: Paper = None,
        from_us: From = None,
        to_us: To = None,
        limit: Limit = 100,
        after: After = None,
    ) -> Settlements:
        """How bets were graded, by which rule, and their value against the close."""
        listing = Listing(SETTLEMENTS, "settled_at", "settlement_id").only("game_id = $", game)
        listing.only("market = $", market).only("bankroll = $", bankroll)
        listing.only("outcome = $", outcome).only("paper = $", paper).within(from_us, to_us)
        items, more = await listing.page(database, after, limit, _settlement_of)
        return Settlements(items=items, next=more)

    return router


def fill_of(row: dict[str, Any]) -> Fill:
    return Fill.model_validate(row | {"amount": money(row["amount"])})


def _settlement_of(row: dict[str, Any]) -> Settlement:
    amounts = {name: money(row[name]) for name in ("amount", "payout")}
    return Settlement.model_validate(row | amounts)


def money(amount: Decimal) -> Decimal:
    """As people write it: the column's eight places, less what says nothing."""
    short = amount.normalize()
    return amount.quantize(_CENT) if short == amount.quantize(_CENT) else short
