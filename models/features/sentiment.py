"""Splits features: what the public bets, where the money goes, and how the price answers."""

import numpy as np

from models.features.arrays import Array, count, known, masked_deviation, masked_mean
from models.features.catalogue import FREEZE_CHANGE, SPLIT, SPLIT_BOOKS, SPLIT_SOURCES
from models.features.layout import ORDER_BITS
from models.features.market import MarketView
from models.features.temporal import MARKET_OF_NAME
from models.features.windows import Windows
from schemas.time import US_PER_MINUTE


def sentiment(
    rows: Array, view: MarketView, past: Windows, sharp: Array, books: tuple[str, ...]
) -> dict[str, Array]:
    """Catalogue name -> (n,). sharp: (books,) bool; books: names of the first columns."""
    out: dict[str, Array] = {}
    for name in SPLIT:
        market = MARKET_OF_NAME[name]
        tickets, handle = rows["tickets"][:, market], rows["handle"][:, market]
        with_tickets, with_handle = known(tickets), known(handle)
        mean_tickets = masked_mean(tickets, with_tickets)
        mean_handle = masked_mean(handle, with_handle)
        tickets_shift = tickets - rows["open_tickets"][:, market]
        handle_shift = handle - rows["open_handle"][:, market]
        lean, gap = mean_tickets - 50.0, handle - tickets
        change = past.change[180][:, market]
        answered = known(lean) & known(change)
        against = np.sign(lean) * np.sign(change) < 0.0
        weight = np.where(known(gap), np.where(sharp, 2.0, 1.0), 0.0).sum(axis=-1)
        weighted = np.where(known(gap), gap * np.where(sharp, 2.0, 1.0), 0.0).sum(axis=-1)
        of_market = {
            "tickets": mean_tickets,
            "handle": mean_handle,
            "divergence": mean_handle - mean_tickets,
            "tickets_shift": masked_mean(tickets_shift, known(tickets_shift)),
            "handle_shift": masked_mean(handle_shift, known(handle_shift)),
            "tickets_dispersion": masked_deviation(tickets, with_tickets),
            "split_books": count(with_tickets),
            "reverse_movement": np.where(answered, np.where(against, change, 0.0), np.nan),
            "line_freeze": np.where(
                answered, np.where(np.abs(change) < FREEZE_CHANGE, lean, 0.0), np.nan
            ),
            "sharp_score": np.where(weight > 0.0, weighted / np.maximum(weight, 1.0), np.nan),
            "public_sentiment": mean_tickets - 100.0 * view.consensus[:, market],
        }
        for book in SPLIT_BOOKS:
            of_market[f"divergence_{book}"] = (
                gap[:, books.index(book)] if book in books else np.full(len(rows), np.nan)
            )
        for number, source in enumerate(SPLIT_SOURCES):
            said = rows["source_handle"][:, number, market]
            of_market[f"handle_{source}"] = masked_mean(said, known(said))
        out.update({f"{name}_{what}": values for what, values in of_market.items()})
    newest = rows["splits_order"].max(axis=(1, 2)) >> ORDER_BITS
    out["splits_age"] = np.where(newest > 0, (rows["as_of_us"] - newest) / US_PER_MINUTE, np.nan)
    return out
