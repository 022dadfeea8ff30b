"""What can be bet, made up for tests."""

from typing import Any

from models.staking.candidate import Candidate, Priced
from schemas.markets import SIDES, Market
from tests import samples

MINUTE = 60_000_000
HOUR = 60 * MINUTE


def candidate(
    price: float | None = 2.0,
    probability: float | None = 0.55,
    market: Market = Market.MONEYLINE,
    **over: Any,
) -> Candidate:
    """On the first side at one book, with the edge that price and probability make."""
    known = price is not None and probability is not None
    fields: dict[str, Any] = {
        "market": market,
        "side": SIDES[market][0] if known else None,
        "book": "pinnacle" if known else None,
        "line": {Market.RUN_LINE: -1.5, Market.TOTAL: 8.5}.get(market) if known else None,
        "price": price,
        "probability": probability,
        "edge": price * probability - 1.0 if price and probability else None,
        "push": 0.0,
        "quoted_books": 3,
        "fresh_books": 2,
        "model_version": "1-abc",
        "paper": False,
    } | over
    return Candidate(**fields)


def game(number: int = 1, *candidates: Candidate, at_us: int = 0, **over: Any) -> Priced:
    """Game `number` of a day, six hours before first pitch plus `at_us`."""
    now_us = samples.START - 6 * HOUR + at_us
    fields: dict[str, Any] = {
        "game_id": f"mlb-2026-07-20-BOS-N{number:02d}-1",
        "position": 1,
        "as_of_us": now_us,
        "now_us": now_us,
        "start_us": samples.START,
        "cutoff_us": samples.START - HOUR,
        "simulated": False,
        "locked": False,
        "completeness": 0.9,
        "candidates": candidates,
    } | over
    return Priced(**fields)
