"""A game's state as one numpy record: copied, stacked and stored as plain bytes.

Axes: markets (moneyline, run line, total), books (columns in the order of `settings.books`, then
`SPLIT_POOLS`), and tiles, oldest first, newest last.
"""

from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from models.features.catalogue import CONTEXT, SPLIT_SOURCES
from schemas.markets import Market
from schemas.time import US_PER_MINUTE

MARKETS: tuple[Market, ...] = (Market.MONEYLINE, Market.RUN_LINE, Market.TOTAL)
MARKET_INDEX: dict[str, int] = {market.value: index for index, market in enumerate(MARKETS)}

MAX_BOOKS = 16
"""Columns: fourteen books and the pools of splits. Eight bytes are counted at once: keep to 8s."""
MAX_SOURCES = 8


class Ring(NamedTuple):
    """One resolution of tiles and the names of its fields."""

    tiles: int
    width_us: int
    head: str
    moves: str
    order: str
    quotes: tuple[str, ...]
    """What a tile keeps of each quote: probability, line and, where kept, both prices."""

    @property
    def probability(self) -> str:
        return self.quotes[0]

    @property
    def line(self) -> str:
        return self.quotes[1]


def _ring(name: str, minutes: int, tiles: int, quotes: tuple[str, ...]) -> Ring:
    head, moves, order, *kept = (f"{name}_{field}" for field in ("head", "moves", "order", *quotes))
    return Ring(tiles, minutes * US_PER_MINUTE, head, moves, order, tuple(kept))


FINE = _ring("fine", 1, 16, ("probability", "line", "price_first", "price_second"))
COARSE = _ring("coarse", 15, 13, ("probability", "line"))
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
        # team features in the order of catalogue.CONTEXT
        ("context", np.float64, (len(CONTEXT),)),
        ("context_order", np.int64),
        ("context_as_of_us", np.int64),
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
        ("fine_price_first", np.float32, _FINE),
        ("fine_price_second", np.float32, _FINE),
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
        # handle in percent as each of catalogue.SPLIT_SOURCES last said
        ("source_handle", np.float64, (len(SPLIT_SOURCES), *_QUOTE)),
        ("source_handle_order", np.int64, (len(SPLIT_SOURCES), *_QUOTE)),
    ],
    align=True,
)
"""Order keys are `occurred_at_us << 10 | hash`: later wins, and equal times break the same way
whatever order they arrive in. 0 = never."""

ORDER_BITS = 10
_ORDER_MASK = (1 << ORDER_BITS) - 1


def digest_of(event_id: str) -> int:
    return int.from_bytes(blake2b(event_id.encode(), digest_size=8).digest(), "little")


def order_at(moment_us: int, digest: int) -> int:
    """The order key of an event at that time."""
    return moment_us << ORDER_BITS | digest & _ORDER_MASK


@cache
def describe_layout() -> list[list[Any]]:
    """[name, numpy type, shape] of each field, to be kept beside a stored record."""
    found = []
    for name in GAME.names or ():
        field = GAME[name]
        found.append([name, field.base.str, list(field.shape)])
    return found


def read_record(stored: bytes, fields: list[list[Any]], context: list[str]) -> np.ndarray:
    """A record from its bytes, shape (1,), whatever layout wrote them.

    fields: as `describe_layout` gave them when it was written; context: the names then. Fields
    of the same name, type and shape are taken over, context by name; the rest is not known.
    """
    # Through a bytearray: a numpy copy would leave the padding between fields to chance.
    if fields == describe_layout() and tuple(context) == CONTEXT:
        return np.frombuffer(bytearray(stored), GAME)
    written = np.dtype([(name, kind, tuple(shape)) for name, kind, shape in fields], align=True)
    old = np.frombuffer(stored, written)
    record = empty_game()
    for name in GAME.names or ():
        if name in (written.names or ()) and written[name] == GAME[name] and name != "context":
            record[name] = old[name]
    if "context" in (written.names or ()):
        known = dict(zip(context, old["context"][0], strict=True))
        record["context"] = [[known.get(name, np.nan) for name in CONTEXT]]
    return record


def move_books(record: np.ndarray, then: list[str], now: list[str]) -> np.ndarray:
    """The record with columns of the books `now`; of one that was not there nothing is known."""
    if then == now:
        return record
    moved, both = empty_game(), [book for book in now if book in then]
    source, target = ([names.index(book) for book in both] for names in (then, now))
    for name in GAME.names or ():
        if GAME[name].shape[-1:] == (MAX_BOOKS,):
            moved[name][..., target] = record[name][..., source]
        else:
            moved[name] = record[name]
    return moved


def empty_game() -> np.ndarray:
    """A record, shape (1,), in which nothing is known."""
    record = np.zeros(1, GAME)
    for name in GAME.names or ():
        if record[name].dtype.kind == "f":
            record[name] = np.nan
    return record
