"""Temporal features: changes, volatility, steam, activity, time."""

import numpy as np

from models.features.arrays import Array, known, masked_mean, masked_median, root_mean_square
from models.features.catalogue import LINED, PRICED, SPLIT, STEAM_BOOKS, WINDOWS_MINUTES
from models.features.layout import COARSE, FINE, ORDER_BITS
from models.features.market import MarketView
from models.features.windows import Windows
from schemas.time import US_PER_MINUTE

MARKET_OF_NAME = {name: index for index, name in enumerate(PRICED)}


def temporal(rows: Array, view: MarketView, past: Windows, sharp: Array) -> dict[str, Array]:
    """Catalogue name -> (n,). sharp: (books,) bool."""
    return {
        **_changes(rows, view, past),
        **_shape(rows, view, past),
        **_steam(rows, view, past, sharp),
        **_activity(rows),
    }


def _changes(rows: Array, view: MarketView, past: Windows) -> dict[str, Array]:
    out: dict[str, Array] = {}
    line, line_then = rows["line"], rows["open_line"]
    moved = rows["probability"] - rows["open_probability"]
    since_open = masked_median(moved, view.used & known(moved) & (line_then == line))
    line_since_open = masked_median(line - line_then, view.fresh & known(line_then))
    for market, name in enumerate(PRICED):
        out[f"{name}_change_open"] = since_open[:, market]
        for minutes in WINDOWS_MINUTES:
            out[f"{name}_change_{minutes}m"] = past.change[minutes][:, market]
    for name in LINED:
        market = MARKET_OF_NAME[name]
        out[f"{name}_line_change_open"] = line_since_open[:, market]
        for minutes in (60, 180):
            out[f"{name}_line_change_{minutes}m"] = past.line_change[minutes][:, market]
    return out


def _shape(rows: Array, view: MarketView, past: Windows) -> dict[str, Array]:
    steps = np.diff(past.coarse[:, :, 0], axis=1)
    moving = known(steps)
    travelled = np.where(moving, np.abs(steps), 0.0).sum(axis=1)
    net = np.where(moving, steps, 0.0).sum(axis=1)
    lines = rows[COARSE.line][:, :, 2].astype(np.float64)
    mean_line = masked_mean(lines, known(lines) & view.fresh[:, None, 2])
    return {
        "moneyline_acceleration": past.change[15][:, 0] / 15.0 - past.change[60][:, 0] / 60.0,
        "moneyline_volatility_15m": root_mean_square(np.diff(past.fine[:, :, 0], axis=1)),
        "moneyline_volatility_180m": root_mean_square(steps),
        "total_line_volatility_180m": root_mean_square(np.diff(mean_line, axis=1)),
        "moneyline_consistency_180m": np.where(
            travelled > 0.0, net / np.where(travelled > 0.0, travelled, 1.0), np.nan
        ),
    }


def _steam(rows: Array, view: MarketView, past: Windows, sharp: Array) -> dict[str, Array]:
    out: dict[str, Array] = {}
    for name in SPLIT:
        market = MARKET_OF_NAME[name]
        used = view.used[:, market]
        for minutes in (5, 15):
            # Tiles hold float32: compare in it, or rounding alone would look like a move.
            moved = _tile_sign(rows, market, minutes)
            same = used & known(moved)
            out[f"{name}_steam_{minutes}m"] = np.where(
                same.any(axis=-1), np.where(same, moved, 0.0).sum(axis=-1), np.nan
            )
        steam = np.abs(past.net_moves[:, :, market]) >= STEAM_BOOKS
        size = np.abs(np.diff(past.coarse[:, :, market], axis=1))
        largest = np.where(steam & known(size), size, 0.0).max(axis=1)
        seen = view.books[:, market] > 0
        out[f"{name}_steam_moves_180m"] = np.where(seen, steam.sum(axis=1), np.nan)
        out[f"{name}_steam_largest_180m"] = np.where(seen, largest, np.nan)
        newest = steam.shape[1] - 1 - np.argmax(steam[:, ::-1], axis=1)
        back = steam.shape[1] - 1 - newest
        began = (rows[COARSE.head] - back) * COARSE.width_us
        out[f"{name}_steam_age"] = np.where(
            steam.any(axis=1), (rows["as_of_us"] - began) / US_PER_MINUTE, np.nan
        )
        hour = past.book_change[60][:, market]
        out[f"{name}_sharp_intensity"] = masked_mean(np.abs(hour), used & sharp & known(hour))
    return out


def _tile_sign(rows: Array, market: int, minutes: int) -> Array:
    """(n, books) direction of each book since the tile; NaN where the line was another."""
    then = rows[FINE.probability][:, -1 - minutes, market]
    same = rows[FINE.line][:, -1 - minutes, market] == rows["line"][:, market]
    now = rows["probability"][:, market].astype(np.float32)
    return np.where(same, np.sign(now - then), np.nan)


def _activity(rows: Array) -> dict[str, Array]:
    out: dict[str, Array] = {}
    for market, name in enumerate(PRICED):
        out[f"{name}_moves_15m"] = rows[FINE.moves][:, 1:, market].sum(axis=1)
        out[f"{name}_moves_180m"] = rows[COARSE.moves][:, 1:, market].sum(axis=1)
    start, as_of = rows["start_us"], rows["as_of_us"]
    out["minutes_to_start"] = np.where(start > 0, (start - as_of) / US_PER_MINUTE, np.nan)
    out["minutes_since_open"] = minutes_since_open(rows)[:, 0]
    return out


def minutes_since_open(rows: Array) -> Array:
    """(n, 3) as-of less the first quote of any book; NaN without any."""
    opened = rows["open_order"]
    first = np.where(opened > 0, opened, np.iinfo(np.int64).max).min(axis=-1) >> ORDER_BITS
    return np.where(
        (opened > 0).any(axis=-1), (rows["as_of_us"][:, None] - first) / US_PER_MINUTE, np.nan
    )
