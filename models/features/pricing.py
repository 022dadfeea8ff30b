"""Market features: level, agreement, margins, best prices, activity of the books."""

import numpy as np

from models.features.arrays import (
    Array,
    count,
    greatest,
    known,
    masked_deviation,
    masked_least,
    masked_mean,
    masked_median,
)
from models.features.catalogue import LINED, PRICED
from models.features.layout import FINE, ORDER_BITS
from models.features.market import MarketView
from models.features.temporal import MARKET_OF_NAME, minutes_since_open
from models.features.windows import Windows, at_line_now
from schemas.time import US_PER_MINUTE

LATE_MINUTES = 180.0


def pricing(rows: Array, view: MarketView, past: Windows, sharp: Array) -> dict[str, Array]:
    """Catalogue name -> (n,). sharp: (books,) bool."""
    now, used = rows["probability"], view.used
    implied = 1.0 / rows["price_first"] + 1.0 / rows["price_second"]
    first, second = view.best_price[..., 0], view.best_price[..., 1]
    per_market = {
        "consensus": view.consensus,
        "sharp_less_soft": masked_median(now, used & sharp) - masked_median(now, used & ~sharp),
        "dispersion": masked_deviation(now, used),
        "books": view.books,
        "stale_books": count(view.quoted & ~view.fresh),
        "overround": masked_mean(implied, used) - 1.0,
        "tightest_overround": masked_least(implied, used) - 1.0,
        "best_first_value": first * view.consensus - 1.0,
        "best_second_value": second * (1.0 - view.consensus) - 1.0,
        "arbitrage_margin": 1.0 / first + 1.0 / second - 1.0,
        "arbitrage_minutes": _arbitrage_minutes(rows, view),
        **_activity(rows, view, past, sharp),
    }
    out = {
        f"{name}_{what}": values[:, market]
        for what, values in per_market.items()
        for market, name in enumerate(PRICED)
    }
    spread = masked_deviation(rows["line"], view.fresh)
    for name in LINED:
        out[f"{name}_line"] = view.line[:, MARKET_OF_NAME[name]]
        out[f"{name}_line_dispersion"] = spread[:, MARKET_OF_NAME[name]]
    moved = past.book_change[15][:, 0]
    both = used[:, 0] & known(moved)
    out["moneyline_sharp_lead_15m"] = masked_median(moved, both & sharp) - masked_median(
        moved, both & ~sharp
    )
    return out


def _arbitrage_minutes(rows: Array, view: MarketView) -> Array:
    """(n, 3) fine tiles in a row, back from the newest, at whose end both sides paid."""
    same = at_line_now(rows, view, FINE)
    sums = sum(
        1.0 / greatest(np.where(same & known(prices), prices, -np.inf)).astype(np.float64)
        for prices in (rows[name] for name in FINE.quotes[2:])
    )
    paid = (sums < 1.0) & (count(same) > 0)
    in_a_row = np.cumprod(paid[:, ::-1], axis=1).sum(axis=1)
    return np.where(view.books > 0, in_a_row, np.nan)


def _activity(rows: Array, view: MarketView, past: Windows, sharp: Array) -> dict[str, Array]:
    as_of = rows["as_of_us"][:, None]
    hours = minutes_since_open(rows) / 60.0
    sizes = np.abs(np.diff(past.coarse, axis=1))
    newest = rows["quote_order"].max(axis=-1) >> ORDER_BITS
    since = (as_of[..., None] - (rows["quote_order"] >> ORDER_BITS)) / US_PER_MINUTE
    left = (rows["start_us"] - rows["as_of_us"]) / US_PER_MINUTE
    near, scheduled = left <= LATE_MINUTES, rows["start_us"] > 0
    moved = (np.abs(np.diff(past.fine, axis=1)) > 0.0).any(axis=1)
    return {
        "move_rate": np.where(hours > 0.0, rows["moves"] / np.where(hours > 0, hours, 1), np.nan),
        "move_size_180m": masked_mean(sizes, sizes > 0.0, axis=1),
        "quiet_minutes": np.where(newest > 0, (as_of - newest) / US_PER_MINUTE, np.nan),
        "late_move": np.where((view.books > 0) & scheduled[:, None], moved & near[:, None], np.nan),
        "leader_lag": masked_median(since, view.used & ~sharp)
        - masked_median(since, view.used & sharp),
    }
