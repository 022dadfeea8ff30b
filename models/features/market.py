"""What the books say together: fresh quotes, consensus and best prices."""

from dataclasses import dataclass

import numpy as np

from models.features.arrays import Array, count, known, masked_median
from models.features.layout import ORDER_BITS


@dataclass(frozen=True)
class MarketView:
    """Shapes: n rows, 3 markets, books. Probabilities are of the home or over side."""

    age_us: Array
    """(n, 3, books) since the quote was last sent or confirmed; meaningless where not quoted."""
    quoted: Array
    """(n, 3, books) bool: the book has a price up."""
    fresh: Array
    """(n, 3, books) bool: quoted and not stale."""
    used: Array
    """(n, 3, books) bool: fresh and at the consensus line."""
    line: Array
    """(n, 3) the line that most fresh books have (first book in column order breaks ties)."""
    consensus: Array
    """(n, 3) median fair probability of the used quotes; NaN without any."""
    books: Array
    """(n, 3) number of used quotes."""
    best_book: Array
    """(n, 3, 2) column of the best used price on either side; valid where books > 0."""
    best_price: Array
    """(n, 3, 2) NaN without any."""
    best_age_us: Array
    """(n, 3, 2)"""
    newest_age_us: Array
    """(n, 3) age of the newest used quote."""


def view_market(rows: Array, stale_us: int) -> MarketView:
    """The market of each row of game records (dtype GAME, shape (n,)) at its own as-of."""
    as_of = rows["as_of_us"][:, None, None]
    sent = rows["quote_order"] >> ORDER_BITS
    confirmed = np.take_along_axis(
        rows["confirmed_us"][:, None, :], rows["quote_source"].astype(np.intp), axis=2
    )
    age = as_of - np.maximum(sent, confirmed)
    quoted = known(rows["probability"])
    fresh = quoted & (age <= stale_us)

    line = rows["line"]
    agreeing = count((line[..., :, None] == line[..., None, :]) & fresh[..., None, :])
    leader = np.argmax(np.where(fresh, agreeing, -1), axis=-1)
    consensus_line = np.take_along_axis(line, leader[..., None], axis=-1)[..., 0]
    used = fresh & (line == consensus_line[..., None])

    prices = np.stack((rows["price_first"], rows["price_second"]), axis=2)
    candidates = np.where(used[:, :, None, :], prices, -np.inf)
    best = np.argmax(candidates, axis=-1)
    price = np.take_along_axis(candidates, best[..., None], axis=-1)[..., 0]
    books = count(used)
    return MarketView(
        age_us=age,
        quoted=quoted,
        fresh=fresh,
        used=used,
        line=np.where(books > 0, consensus_line, np.nan),
        consensus=masked_median(rows["probability"], used),
        books=books,
        best_book=best,
        best_price=np.where(np.isfinite(price), price, np.nan),
        best_age_us=np.take_along_axis(age, best, axis=-1),
        newest_age_us=np.where(used, age, np.iinfo(np.int64).max).min(axis=-1),
    )
