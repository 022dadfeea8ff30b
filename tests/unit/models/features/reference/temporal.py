"""Temporal features in plain Python."""

import itertools

from schemas.markets import Market
from tests.unit.models.features.reference.raw import (
    COARSE,
    FINE,
    MINUTE,
    NAN,
    WIDTH,
    Quote,
    Raw,
    mean,
    middle,
    root_mean_square,
    single,
    steps,
)


def temporal(raw: Raw) -> dict[str, float]:
    out: dict[str, float] = {}
    for market in Market:
        _changes(raw, market, out)
    for market in (Market.RUN_LINE, Market.TOTAL):
        _lines(raw, market, out)
    for market in (Market.MONEYLINE, Market.TOTAL):
        _steam(raw, market, out)
    _moneyline(raw, out)
    out["total_line_volatility_180m"] = root_mean_square(steps(_mean_lines(raw)))
    out["minutes_to_start"] = (raw.start - raw.as_of) / MINUTE
    out["minutes_since_open"] = raw.minutes_since_open(Market.MONEYLINE)
    return out


def _changes(raw: Raw, market: Market, out: dict[str, float]) -> None:
    out[f"{market}_change_open"] = middle(
        [
            now.fair - then.fair
            for book, now in raw.consensus(market).used.items()
            if (then := raw.opening(market, book)) is not None and then.line == now.line
        ]
    )
    for minutes in WIDTH:
        out[f"{market}_change_{minutes}m"] = raw.change(market, minutes)
    for minutes in (15, 180):
        begin = raw.bound(minutes, WIDTH[minutes])
        out[f"{market}_moves_{minutes}m"] = sum(at >= begin for at in raw.moves[market])


def _lines(raw: Raw, market: Market, out: dict[str, float]) -> None:
    fresh = raw.consensus(market).fresh
    out[f"{market}_line_change_open"] = middle(
        [q.line - then.line for b, q in fresh.items() if (then := raw.opening(market, b))]
    )
    for minutes in (60, 180):
        bound = raw.bound(minutes, 15)
        out[f"{market}_line_change_{minutes}m"] = middle(
            [q.line - then.line for b, q in fresh.items() if (then := raw.before(market, b, bound))]
        )


def _mean_lines(raw: Raw) -> list[float]:
    fresh = raw.consensus(Market.TOTAL).fresh
    return [
        mean(
            [
                quote.line
                for book in fresh
                if (quote := raw.before(Market.TOTAL, book, raw.bound(back * 15, 15)))
            ]
        )
        for back in range(12, -1, -1)
    ]


def _sign(now: Quote, then: Quote) -> int:
    return (single(now.fair) > single(then.fair)) - (single(now.fair) < single(then.fair))


def _steam(raw: Raw, market: Market, out: dict[str, float]) -> None:
    used = raw.consensus(market).used
    for minutes in (5, 15):
        bound = raw.bound(minutes, 1)
        signs = [
            _sign(now, then)
            for book, now in used.items()
            if (then := raw.before(market, book, bound)) is not None and then.line == now.line
        ]
        out[f"{market}_steam_{minutes}m"] = sum(signs) if signs else NAN
    sizes: list[float] = []
    newest = NAN
    ends = list(itertools.pairwise(raw.ends(market, COARSE)))
    for back, (first, last) in zip(range(len(ends) - 1, -1, -1), ends, strict=True):
        if abs(sum(_sign(last[book], first[book]) for book in last.keys() & first.keys())) >= 3:
            levels = (middle([single(q.fair) for q in end.values()]) for end in (first, last))
            sizes.append(abs(next(levels) - next(levels)))
            newest = (raw.as_of - (raw.as_of // (15 * MINUTE) - back) * 15 * MINUTE) / MINUTE
    out[f"{market}_steam_moves_180m"] = len(sizes) if used else NAN
    out[f"{market}_steam_largest_180m"] = max(sizes, default=0.0) if used else NAN
    out[f"{market}_steam_age"] = newest
    hour = raw.changes(market, raw.used(market, sharp=True), 60)
    out[f"{market}_sharp_intensity"] = mean([abs(change) for change in hour])


def _moneyline(raw: Raw, out: dict[str, float]) -> None:
    market = Market.MONEYLINE
    out["moneyline_acceleration"] = raw.change(market, 15) / 15 - raw.change(market, 60) / 60
    fine, coarse = (steps(raw.path(market, tiles)) for tiles in (FINE, COARSE))
    out["moneyline_volatility_15m"] = root_mean_square(fine)
    out["moneyline_volatility_180m"] = root_mean_square(coarse)
    travelled = sum(abs(step) for step in coarse)
    out["moneyline_consistency_180m"] = sum(coarse) / travelled if travelled else NAN
