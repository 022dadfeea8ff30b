"""Bets on one game of 20 July 2026, Boston at New York, and what became of it."""

from decimal import Decimal
from typing import Any

from schemas.bets import Fill
from schemas.events import GameResult, GameUpdate
from schemas.markets import GameStatus, Market, Side
from schemas.time import US_PER_HOUR
from tests import samples

START = samples.START
DAY = "2026-07-20"


def bet(side: str, line: float | None = None, **over: Any) -> Fill:
    """100 at 1.95 (or as told) on `home`, `away`, `over`, `under`; with a line, not the moneyline.

    The line is the home handicap, whichever side is taken.
    """
    taken = Side(side)
    market = Market.TOTAL if taken in (Side.OVER, Side.UNDER) else Market.RUN_LINE
    fields: dict[str, Any] = {
        "fill_id": "fill-1",
        "game_id": samples.GAME,
        "bankroll": "main",
        "market": Market.MONEYLINE if line is None else market,
        "side": taken,
        "book": "draftkings",
        "line": line,
        "price": 1.95,
        "amount": Decimal(100),
        "filled_at_us": samples.OPEN,
        "source": "test",
    } | over
    return Fill(**fields)


def result(away: int, home: int, half: int | None = 18, **over: Any) -> GameResult:
    """half: half innings that were played out."""
    fields: dict[str, Any] = {
        "scheduled_innings": 9,
        "half_innings": half,
        "postseason": False,
        "played_on": DAY,
        "started_at_us": START,
    } | over
    return samples.result(20 * 3600, home, away, **fields)


def suspended(away: int, home: int, half: int, **over: Any) -> GameUpdate:
    fields: dict[str, Any] = {
        "status": GameStatus.SUSPENDED,
        "away_score": away,
        "home_score": home,
        "half_innings": half,
        "scheduled_innings": 9,
        "postseason": False,
    } | over
    return samples.game(9 * 3600, **fields)


def hours(number: float) -> int:
    """Event time, so long after the listed start."""
    return START + round(number * US_PER_HOUR)
