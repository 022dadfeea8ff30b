"""A game's state as one numpy record: copied, stacked and stored as plain bytes.

Axes: markets (moneyline, run line, total), books (columns in the order of `settings.books`),
and tiles, oldest first, newest last.
"""

from functools import cache
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from schemas.markets import Market
from schemas.time import US_PER_MINUTE

MARKETS: tuple[Market, ...] = (Market.MONEYLINE, Market.RUN_LINE, Market.TOTAL)
MARKET_INDEX: dict[str, int] = {market.value: index for index, market in enumerate(MARKETS)}

MAX_BOOKS = 16
MAX_SOURCES = 6


class Ring(NamedTuple):
    """One resolution of tiles and the names of its fields."""

    tiles: int
    width_us: int
    head: str
    probability: str
    line: str
    order: str
    moves: str


def _ring(name: str, minutes: int, tiles: int) -> Ring:
    fields = (f"{name}_{field}" for field in ("head", "probability", "line", "order", "moves"))
    return Ring(tiles, minutes * US_PER_MINUTE, *fields)


FINE = _ring("fine", minutes=1, tiles=16)
COARSE = _ring("coarse", minutes=15, tiles=13)
RINGS = (FINE, COARSE)

_QUOTE = (len(MARKETS), MAX_BOOKS)
_FINE = (FINE.tiles, *_QUOTE)
_COARSE = (COARSE.tiles, *_QUOTE)

GAME = np.dtype(
    [
        # schedule
        ("start_us", np.int64),  # first pitch as last announced; 0 before any schedule
        ("start_order", np.int64),  # order key of the announcement
        ("as_of_us", np.int64),  # newest event time that features may use
        ("games_at_us", np.int64),
        # latest quote per market and book: NaN probability = none or withdrawn
        ("probability", np.float64, _QUOTE),  # fair, of the home or over side
        ("line", np.float64, _QUOTE),  # 0 for the moneyline
        ("price_first", np.float64, _QUOTE),
        ("price_second", np.float64, _QUOTE),
        ("quote_order", np.int64, _QUOTE),
        ("quote_source", np.int8, _QUOTE),
        ("confirmed_us", np.int64, (MAX_SOURCES,)),  # when each source last said "still stands"
        # first quote per market and book
        ("open_probability", np.float64, _QUOTE),
        ("open_line", np.float64, _QUOTE),
        ("open_order", np.int64, _QUOTE),
        ("moves", np.int32, (len(MARKETS),)),  # distinct quotes since open
        # value at the end of each tile, and what decided it
        ("fine_head", np.int64),  # number of the newest fine tile since 1970
        ("fine_probability", np.float32, _FINE),
        ("fine_line", np.float32, _FINE),
        ("fine_order", np.int64, _FINE),
        ("fine_moves", np.int32, (FINE.tiles, len(MARKETS))),
        ("coarse_head", np.int64),
        ("coarse_probability", np.float32, _COARSE),
        ("coarse_line", np.float32, _COARSE),
        ("coarse_order", np.int64, _COARSE),
        ("coarse_moves", np.int32, (COARSE.tiles, len(MARKETS))),
        # splits per market and book, percent
        ("tickets", np.float64, _QUOTE),
        ("handle", np.float64, _QUOTE),
        ("splits_order", np.int64, _QUOTE),
        ("open_tickets", np.float64, _QUOTE),
        ("open_handle", np.float64, _QUOTE),
        ("open_splits_order", np.int64, _QUOTE),
    ],
    align=True,
)
"""Order keys are `occurred_at_us << 10 | hash`: later wins, and equal times break the same way
whatever order they arrive in. 0 = never."""

ORDER_BITS = 10

_NAN_FIELDS = (
    "probability",
    "line",
    "price_first",
    "price_second",
    "open_probability",
    "open_line",
    "fine_probability",
    "fine_line",
    "coarse_probability",
    "coarse_line",
    "tickets",
    "handle",
    "open_tickets",
    "open_handle",
)


@cache
def layout_hash() -> str:
    """Names a record's exact bytes, so that no other layout is ever read as this one."""
    return sha256(repr(GAME.descr).encode()).hexdigest()[:12]


def empty_game() -> np.ndarray:
    """A record, shape (1,), in which nothing is known."""
    record = np.zeros(1, GAME)
    for name in _NAN_FIELDS:
        record[name] = np.nan
    return record
