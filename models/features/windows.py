"""What the market did over windows: values at tile ends against now.

All of it compares each book with itself, at the line it has now, over the books used now.
"""

from dataclasses import dataclass

import numpy as np

from models.features.arrays import Array, known, masked_median
from models.features.catalogue import WINDOWS_MINUTES
from models.features.layout import COARSE, FINE, Ring
from models.features.market import MarketView
from schemas.time import US_PER_MINUTE

RING_OF_WINDOW: dict[int, tuple[Ring, int]] = {
    minutes: (ring, minutes * US_PER_MINUTE // ring.width_us)
    for ring, windows in ((FINE, (5, 15)), (COARSE, (60, 180)))
    for minutes in windows
}
"""Window -> (ring, number of tiles back to the tile whose end is the window's start)."""


@dataclass(frozen=True)
class Windows:
    """Shapes: n rows, 3 markets. Changes are of the home or over side's fair probability."""

    book_change: dict[int, Array]
    """Window in minutes -> (n, 3, books) now less then; NaN where the line was another."""
    change: dict[int, Array]
    """Window -> (n, 3) median of it over used books."""
    line_change: dict[int, Array]
    """Window -> (n, 3) median over fresh books of the line now less then."""
    fine: Array
    """(n, tiles, 3) consensus at the end of each fine tile."""
    coarse: Array
    """(n, tiles, 3) the same of coarse tiles."""
    net_moves: Array
    """(n, coarse tiles - 1, 3) books that rose less books that fell from one end to the next."""


def windows(rows: Array, view: MarketView) -> Windows:
    now, line = rows["probability"], rows["line"]
    book_change: dict[int, Array] = {}
    change: dict[int, Array] = {}
    line_change: dict[int, Array] = {}
    for minutes in WINDOWS_MINUTES:
        ring, back = RING_OF_WINDOW[minutes]
        line_then = rows[ring.line][:, -1 - back]
        moved = np.where(line_then == line, now - rows[ring.probability][:, -1 - back], np.nan)
        book_change[minutes] = moved
        change[minutes] = masked_median(moved, view.used & known(moved))
        line_change[minutes] = masked_median(line - line_then, view.fresh & known(line_then))
    _, fine = _path(rows, view, FINE)
    books, coarse = _path(rows, view, COARSE)
    steps = np.sign(np.diff(books, axis=1))
    return Windows(
        book_change=book_change,
        change=change,
        line_change=line_change,
        fine=fine,
        coarse=coarse,
        net_moves=np.where(known(steps), steps, 0.0).sum(axis=-1),
    )


def at_line_now(rows: Array, view: MarketView, ring: Ring) -> Array:
    """(n, tiles, 3, books) bool: used now, and at the same line at the end of the tile."""
    same: Array = view.used[:, None] & (rows[ring.line] == rows["line"][:, None])
    return same


def _path(rows: Array, view: MarketView, ring: Ring) -> tuple[Array, Array]:
    """Per tile end: each book's probability, and their median."""
    values = rows[ring.probability].astype(np.float64)
    same = at_line_now(rows, view, ring) & known(values)
    return np.where(same, values, np.nan), masked_median(values, same)
