"""Game records to feature vectors: numpy only, all rows of a batch at once."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np

from models.features.catalogue import CATALOGUE, NAMES, PRICED, WINDOWS_MINUTES
from models.features.layout import COARSE, FINE, ORDER_BITS, Ring
from models.features.market import Array, MarketView, masked_median, view_market
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE

_RING_OF_WINDOW: dict[int, tuple[Ring, int]] = {
    minutes: (ring, minutes * US_PER_MINUTE // ring.width_us)
    for ring, windows in ((FINE, (5, 15)), (COARSE, (60, 180)))
    for minutes in windows
}
"""Window -> (ring, number of tiles back to the tile whose end is the window's start)."""


def _mean(values: Array, mask: Array) -> Array:
    count = mask.sum(axis=-1)
    total = np.where(mask, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _deviation(values: Array, mask: Array) -> Array:
    """Population standard deviation over the last axis; NaN below two values."""
    mean = _mean(values, mask)
    squares = np.where(mask, (values - mean[..., None]) ** 2, 0.0).sum(axis=-1)
    count = mask.sum(axis=-1)
    return np.where(count > 1, np.sqrt(squares / np.maximum(count, 1)), np.nan)


def _known(values: Array) -> Array:
    return np.equal(values, values)


@dataclass(frozen=True)
class FeatureSet:
    """The kernel with the settings that change what its numbers mean."""

    stale_us: int
    devig: str
    books: tuple[str, ...]
    sharp_books: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> "FeatureSet":
        return cls(
            stale_us=int(settings.score.stale_minutes * US_PER_MINUTE),
            devig=settings.score.devig,
            books=settings.books,
            sharp_books=settings.sharp_books,
        )

    @cached_property
    def hash(self) -> str:
        """What a model must have been trained with to score these vectors."""
        meaning = (CATALOGUE, self.stale_us, self.devig, self.books, self.sharp_books)
        return sha256(repr(meaning).encode()).hexdigest()[:16]

    @cached_property
    def _sharp(self) -> Array:
        width = 16
        sharp = [book in self.sharp_books for book in self.books]
        return np.array(sharp + [False] * (width - len(sharp)))

    def view(self, rows: Array) -> MarketView:
        return view_market(rows, self.stale_us)

    def vectors(self, rows: Array, view: MarketView) -> Array:
        """float32, shape (n, features), columns in catalogue order.

        rows: game records, dtype GAME, shape (n,), each at its own as-of.
        """
        with np.errstate(invalid="ignore"):
            columns = {
                **self._temporal(rows, view),
                **self._market(rows, view),
                **self._splits(rows, view),
            }
        table = np.empty((len(rows), len(NAMES)), np.float32)
        for index, name in enumerate(NAMES):
            table[:, index] = columns[name]
        return table

    def _temporal(self, rows: Array, view: MarketView) -> dict[str, Array]:
        out: dict[str, Array] = {}
        now, line = rows["probability"], rows["line"]

        def change(then: Array, line_then: Array) -> Array:
            return masked_median(now - then, view.used & _known(then) & (line_then == line))

        def line_change(then: Array) -> Array:
            return masked_median(line - then, view.fresh & _known(then))

        changes = {"open": change(rows["open_probability"], rows["open_line"])}
        line_changes = {"open": line_change(rows["open_line"])}
        for window in WINDOWS_MINUTES:
            ring, back = _RING_OF_WINDOW[window]
            line_then = rows[ring.line][:, -1 - back]
            changes[f"{window}m"] = change(rows[ring.probability][:, -1 - back], line_then)
            line_changes[f"{window}m"] = line_change(line_then)
        for market, name in enumerate(PRICED):
            for window_name, values in changes.items():
                out[f"{name}_change_{window_name}"] = values[:, market]
            for window_name, values in line_changes.items():
                out[f"{name}_line_change_{window_name}"] = values[:, market]
        out["moneyline_acceleration"] = changes["15m"][:, 0] / 15.0 - changes["60m"][:, 0] / 60.0

        fine = self._path(rows, view, FINE, 0)
        coarse = self._path(rows, view, COARSE, 0)
        out["moneyline_volatility_15m"] = _root_mean_square(np.diff(fine, axis=1))
        steps = np.diff(coarse, axis=1)
        out["moneyline_volatility_180m"] = _root_mean_square(steps)
        known = _known(steps)
        travelled = np.where(known, np.abs(steps), 0.0).sum(axis=1)
        net = np.where(known, steps, 0.0).sum(axis=1)
        out["moneyline_consistency_180m"] = np.where(
            travelled > 0.0, net / np.where(travelled > 0.0, travelled, 1.0), np.nan
        )
        lines = rows[COARSE.line][:, :, 2].astype(np.float64)
        mean_line = _mean(lines, _known(lines) & view.fresh[:, None, 2])
        out["total_line_volatility_180m"] = _root_mean_square(np.diff(mean_line, axis=1))

        for market, name in ((0, "moneyline"), (2, "total")):
            for window in (5, 15):
                then = rows[FINE.probability][:, -1 - window, market]
                same = view.used[:, market] & (
                    rows[FINE.line][:, -1 - window, market] == line[:, market]
                )
                moved = np.where(
                    same & _known(then), np.sign(now[:, market].astype(np.float32) - then), 0.0
                )
                out[f"{name}_steam_{window}m"] = np.where(
                    same.any(axis=-1), moved.sum(axis=-1), np.nan
                )
        for market, name in enumerate(PRICED):
            out[f"{name}_moves_15m"] = rows[FINE.moves][:, 1:, market].sum(axis=1)
            out[f"{name}_moves_180m"] = rows[COARSE.moves][:, 1:, market].sum(axis=1)

        start, as_of = rows["start_us"], rows["as_of_us"]
        out["minutes_to_start"] = np.where(start > 0, (start - as_of) / US_PER_MINUTE, np.nan)
        opened = rows["open_order"][:, 0]
        first = np.where(opened > 0, opened, np.iinfo(np.int64).max).min(axis=-1) >> ORDER_BITS
        out["minutes_since_open"] = np.where(
            (opened > 0).any(axis=-1), (as_of - first) / US_PER_MINUTE, np.nan
        )
        return out

    def _path(self, rows: Array, view: MarketView, ring: Ring, market: int) -> Array:
        """Consensus at the end of each tile, (n, tiles), over the books used now."""
        values = rows[ring.probability][:, :, market].astype(np.float64)
        return masked_median(values, _known(values) & view.used[:, None, market])

    def _market(self, rows: Array, view: MarketView) -> dict[str, Array]:
        out: dict[str, Array] = {}
        now, used, sharp = rows["probability"], view.used, self._sharp
        gap = masked_median(now, used & sharp) - masked_median(now, used & ~sharp)
        dispersion = _deviation(now, used)
        implied = 1.0 / rows["price_first"] + 1.0 / rows["price_second"]
        margin = _mean(implied, used) - 1.0
        stale = (view.quoted & ~view.fresh).sum(axis=-1)
        first, second = view.best_price[..., 0], view.best_price[..., 1]
        for market, name in enumerate(PRICED):
            out[f"{name}_consensus"] = view.consensus[:, market]
            out[f"{name}_sharp_less_soft"] = gap[:, market]
            out[f"{name}_dispersion"] = dispersion[:, market]
            out[f"{name}_books"] = view.books[:, market]
            out[f"{name}_stale_books"] = stale[:, market]
            out[f"{name}_overround"] = margin[:, market]
            out[f"{name}_best_first_value"] = (first * view.consensus)[:, market] - 1.0
            out[f"{name}_best_second_value"] = (second * (1.0 - view.consensus))[:, market] - 1.0
            out[f"{name}_arbitrage_margin"] = (1.0 / first + 1.0 / second)[:, market] - 1.0
        line_spread = _deviation(rows["line"], view.fresh)
        for market, name in ((1, "run_line"), (2, "total")):
            out[f"{name}_line"] = view.line[:, market]
            out[f"{name}_line_dispersion"] = line_spread[:, market]
        then = rows[FINE.probability][:, -16, 0]
        moved, both = now[:, 0] - then, used[:, 0] & _known(then)
        out["moneyline_sharp_lead_15m"] = masked_median(moved, both & sharp) - masked_median(
            moved, both & ~sharp
        )
        return out

    def _splits(self, rows: Array, view: MarketView) -> dict[str, Array]:
        out: dict[str, Array] = {}
        back = _RING_OF_WINDOW[180][1]
        for market, name in ((0, "moneyline"), (2, "total")):
            tickets, handle = rows["tickets"][:, market], rows["handle"][:, market]
            with_tickets, with_handle = _known(tickets), _known(handle)
            mean_tickets, mean_handle = _mean(tickets, with_tickets), _mean(handle, with_handle)
            first_tickets = rows["open_tickets"][:, market]
            first_handle = rows["open_handle"][:, market]
            out[f"{name}_tickets"] = mean_tickets
            out[f"{name}_handle"] = mean_handle
            out[f"{name}_divergence"] = mean_handle - mean_tickets
            out[f"{name}_tickets_shift"] = _mean(
                tickets - first_tickets, with_tickets & _known(first_tickets)
            )
            out[f"{name}_handle_shift"] = _mean(
                handle - first_handle, with_handle & _known(first_handle)
            )
            out[f"{name}_tickets_dispersion"] = _deviation(tickets, with_tickets)
            out[f"{name}_split_books"] = with_tickets.sum(axis=-1)
            then = rows[COARSE.probability][:, -1 - back, market]
            same = rows[COARSE.line][:, -1 - back, market] == rows["line"][:, market]
            change = masked_median(
                rows["probability"][:, market] - then,
                view.used[:, market] & _known(then) & same,
            )
            against = np.sign(mean_tickets - 50.0) * np.sign(change) < 0.0
            out[f"{name}_reverse_movement"] = np.where(
                _known(mean_tickets) & _known(change), np.where(against, change, 0.0), np.nan
            )
        newest = rows["splits_order"].max(axis=(1, 2)) >> ORDER_BITS
        out["splits_age"] = np.where(
            newest > 0, (rows["as_of_us"] - newest) / US_PER_MINUTE, np.nan
        )
        return out


def _root_mean_square(steps: Array) -> Array:
    """Over axis 1, of the known steps; NaN without any."""
    known = _known(steps)
    count = known.sum(axis=1)
    squares = np.where(known, steps * steps, 0.0).sum(axis=1)
    return np.where(count > 0, np.sqrt(squares / np.maximum(count, 1)), np.nan)
