"""Splits features in plain Python."""

import math

from schemas.events import BettingSplits
from schemas.markets import Market
from tests.unit.models.features.reference.raw import MINUTE, NAN, Raw, deviation, mean


def sentiment(raw: Raw) -> dict[str, float]:
    out: dict[str, float] = {}
    for market in (Market.MONEYLINE, Market.TOTAL):
        _shares(raw, market, out)
        _gaps(raw, market, out)
        _answers(raw, market, out)
        for source in ("vsin", "sbd", "action_network"):
            out[f"{market}_handle_{source}"] = _handle_of(raw, market, source)
    said = [splits.occurred_at_us for reports in raw.shares.values() for splits in reports]
    out["splits_age"] = (raw.as_of - max(said)) / MINUTE if said else NAN
    return out


def _reports(raw: Raw, market: Market) -> dict[str, list[BettingSplits]]:
    return {book: reports for (where, book), reports in raw.shares.items() if where is market}


def _shares(raw: Raw, market: Market, out: dict[str, float]) -> None:
    reports = _reports(raw, market).values()
    for name in ("tickets", "handle"):
        field = f"{name}_home_over_pct"
        pairs = [(getattr(of_book[0], field), getattr(of_book[-1], field)) for of_book in reports]
        out[f"{market}_{name}"] = mean([last for _, last in pairs if last is not None])
        out[f"{market}_{name}_shift"] = mean(
            [last - first for first, last in pairs if None not in (first, last)]
        )
    tickets = [t for of_book in reports if (t := of_book[-1].tickets_home_over_pct) is not None]
    out[f"{market}_divergence"] = out[f"{market}_handle"] - out[f"{market}_tickets"]
    out[f"{market}_tickets_dispersion"] = deviation(tickets)
    out[f"{market}_split_books"] = len(tickets)


def _gaps(raw: Raw, market: Market, out: dict[str, float]) -> None:
    gaps: dict[str, float] = {}
    for book, reports in _reports(raw, market).items():
        tickets, handle = reports[-1].tickets_home_over_pct, reports[-1].handle_home_over_pct
        if tickets is not None and handle is not None:
            gaps[book] = handle - tickets
    twice = [gap for book, gap in gaps.items() if book in raw.sharp]
    out[f"{market}_sharp_score"] = mean([*gaps.values(), *twice])
    for book in ("draftkings", "circa"):
        out[f"{market}_divergence_{book}"] = gaps.get(book, NAN)


def _answers(raw: Raw, market: Market, out: dict[str, float]) -> None:
    tickets, change = out[f"{market}_tickets"], raw.change(market, 180)
    out[f"{market}_public_sentiment"] = tickets - 100 * raw.consensus(market).fair
    lean = tickets - 50
    if math.isnan(lean + change):
        out[f"{market}_reverse_movement"] = out[f"{market}_line_freeze"] = NAN
    else:
        out[f"{market}_reverse_movement"] = change if change * lean < 0 else 0.0
        out[f"{market}_line_freeze"] = lean if abs(change) < 0.005 else 0.0


def _handle_of(raw: Raw, market: Market, source: str) -> float:
    """What this source last said of each book, whatever another has said since."""
    handles = []
    for reports in _reports(raw, market).values():
        own = [splits.handle_home_over_pct for splits in reports if splits.source == source]
        if own and own[-1] is not None:
            handles.append(own[-1])
    return mean(handles)
