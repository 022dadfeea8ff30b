"""Bankrolls as the ledger has them: balance, what is reserved and open, and every booking."""

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path
from pydantic import BaseModel, ConfigDict

from api.bets import FILLS, fill_of, money
from api.database import Database, query
from api.paging import After, Cursor, From, Limit, Page, Text, To, cut, span
from api.problems import REFUSED, Problem
from api.tags import Tagged
from models.staking.ledger import Kind
from schemas.bets import Cash, Fill

OPEN_BETS = 500
"""Listed with a bankroll, the newest ones."""
_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "No ledger has this bankroll"}
}
_NAME = Path(examples=["main"], description="As STEAMLINE_BANKROLLS names it")
_OPEN = (
    f"{FILLS} f WHERE bankroll = $1 AND NOT EXISTS"
    " (SELECT FROM settlements s WHERE s.fill_id = f.fill_id)"
    f" ORDER BY filled_at DESC, fill_id DESC LIMIT {OPEN_BETS}"
)
_EXAMPLE: dict[str, Any] = {
    "bankroll": "main",
    "currency": "USD",
    "paper": False,
    "balance": "1012.40",
    "free": "937.40",
    "reserved": "25.00",
    "open": "50.00",
    "stopped": False,
    "stopped_because": None,
    "open_bets": 2,
    "unbooked": 0,
    "told_at_us": 1784580000000000,
}


class BankrollRow(BaseModel):
    """Money as exact decimal text, in the bankroll's currency."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    bankroll: str
    currency: str
    paper: bool
    """Nobody makes its bets."""
    balance: Cash
    """Free, reserved and open money: what stakes are shares of."""
    free: Cash
    reserved: Cash
    """For advice that stands."""
    open: Cash
    """On bets that are not graded, at cost."""
    stopped: bool
    """Nothing is staked: somebody, or the ledger, has stopped it or all bankrolls."""
    stopped_because: str | None
    open_bets: int
    """Bets without a grading."""
    unbooked: int
    """Bets and gradings that the ledger has read and cannot book: `steamline bankroll show`."""
    told_at_us: int | None
    """Event time up to which the balance was last said on the topic `bankrolls`."""


class Bankrolls(BaseModel):
    bankrolls: list[BankrollRow]


class BankrollDetail(BaseModel):
    bankroll: BankrollRow
    open_bets: list[Fill]
    """The newest 500 that are not graded."""


class Booking(BaseModel):
    """One transaction: what it moved, and the balance behind it."""

    number: int
    """In the order of booking."""
    transaction_id: str
    kind: Kind
    at_us: int
    """Event time."""
    free: Cash
    reserved: Cash
    open: Cash
    balance: Cash
    """After it."""
    fill_id: str | None
    stake_id: str | None
    settlement_id: str | None
    reason: str | None
    source: str


class History(Page[Booking]):
    """The bookings of a bankroll, newest first."""


def build(database: Database) -> APIRouter:
    router = APIRouter(tags=["bankrolls"], route_class=Tagged)

    @router.get("/v1/bankrolls", summary="All bankrolls", responses=REFUSED)
    async def list_bankrolls() -> Bankrolls:
        """Every bankroll that has a ledger, by name."""
        rows = await database.rows(query("bankrolls"), None)
        return Bankrolls(bankrolls=[_bankroll(row) for row in rows])

    @router.get("/v1/bankrolls/{name}", summary="One bankroll", responses={**REFUSED, **_UNKNOWN})
    async def get_bankroll(name: Annotated[Text, _NAME]) -> BankrollDetail:
        """One bankroll, and its bets that are not graded."""
        async with database.reading() as connection:
            found = await database.asked(connection, query("bankrolls"), name)
            if not found:
                raise HTTPException(404, f"no ledger has a bankroll {name!r}")
            bets = await database.asked(connection, _OPEN, name)
        return BankrollDetail(
            bankroll=_bankroll(found[0]), open_bets=[fill_of(bet) for bet in bets]
        )

    @router.get(
        "/v1/bankrolls/{name}/history",
        summary="Bookings of a bankroll, newest first",
        responses={**REFUSED, **_UNKNOWN},
    )
    async def list_bookings(
        name: Annotated[Text, _NAME],
        from_us: From = None,
        to_us: To = None,
        limit: Limit = 100,
        after: After = None,
    ) -> History:
        """Every transaction with what it moved and the balance behind it."""
        since, until = span(from_us, to_us)
        before = None if after is None else _number(after)
        async with database.reading() as connection:
            if not await connection.fetchval(
                "SELECT true FROM bankrolls WHERE bankroll = $1", name
            ):
                raise HTTPException(404, f"no ledger has a bankroll {name!r}")
            found = await database.asked(
                connection, query("bankroll_history"), name, since, until, before, limit + 1
            )
        items, more = cut(
            found, limit, _booking, lambda row: Cursor(row["at_us"], str(row["number"]))
        )
        return History(items=items, next=more)

    return router


def _number(cursor: Cursor) -> int:
    """Bookings are told apart by their number alone. Raises HTTPException 422."""
    if not (cursor.name.isascii() and cursor.name.isdigit() and len(cursor.name) <= 18):
        raise HTTPException(422, "query.cursor: is of another list")
    return int(cursor.name)


def _bankroll(row: dict[str, Any]) -> BankrollRow:
    return BankrollRow.model_validate(_exact(row, "balance", "free", "reserved", "open"))


def _booking(row: dict[str, Any]) -> Booking:
    return Booking.model_validate(_exact(row, "balance", "free", "reserved", "open"))


def _exact(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return row | {name: money(Decimal(row[name])) for name in names}
