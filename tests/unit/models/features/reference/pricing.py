"""Market features in plain Python."""

from schemas.markets import Market
from tests.unit.models.features.reference.raw import (
    COARSE,
    FINE,
    MINUTE,
    NAN,
    Raw,
    deviation,
    mean,
    middle,
    single,
    steps,
)


def pricing(raw: Raw) -> dict[str, float]:
    out: dict[str, float] = {}
    for market in Market:
        _prices(raw, market, out)
        _activity(raw, market, out)
    for market in (Market.RUN_LINE, Market.TOTAL):
        seen = raw.consensus(market)
        out[f"{market}_line"] = seen.line
        out[f"{market}_line_dispersion"] = deviation([q.line for q in seen.fresh.values()])
    sharp, soft = (
        middle(raw.changes(Market.MONEYLINE, raw.used(Market.MONEYLINE, sharp=which), 15))
        for which in (True, False)
    )
    out["moneyline_sharp_lead_15m"] = sharp - soft
    return out


def _prices(raw: Raw, market: Market, out: dict[str, float]) -> None:
    seen = raw.consensus(market)
    used = seen.used.values()
    sharp, soft = (
        middle([q.fair for q in raw.used(market, sharp=which).values()]) for which in (True, False)
    )
    overrounds = [1 / q.first + 1 / q.second - 1 for q in used]
    first, second = seen.best_first[1], seen.best_second[1]
    out[f"{market}_consensus"] = seen.fair
    out[f"{market}_sharp_less_soft"] = sharp - soft
    out[f"{market}_dispersion"] = deviation([q.fair for q in used])
    out[f"{market}_books"] = len(used)
    out[f"{market}_stale_books"] = len(seen.quoted) - len(seen.fresh)
    out[f"{market}_overround"] = mean(overrounds)
    out[f"{market}_tightest_overround"] = min(overrounds, default=NAN)
    out[f"{market}_best_first_value"] = first * seen.fair - 1
    out[f"{market}_best_second_value"] = second * (1 - seen.fair) - 1
    out[f"{market}_arbitrage_margin"] = 1 / first + 1 / second - 1
    out[f"{market}_arbitrage_minutes"] = _arbitrage_minutes(raw, market) if used else NAN


def _arbitrage_minutes(raw: Raw, market: Market) -> int:
    minutes = 0
    for end in reversed(raw.ends(market, FINE)):
        best = [
            max((single(price) for price in prices), default=NAN)
            for prices in ([q.first for q in end.values()], [q.second for q in end.values()])
        ]
        if not sum(1 / price for price in best) < 1:
            break
        minutes += 1
    return minutes


def _activity(raw: Raw, market: Market, out: dict[str, float]) -> None:
    moves, hours = raw.moves[market], raw.minutes_since_open(market) / 60
    sizes = [abs(step) for step in steps(raw.path(market, COARSE)) if step]
    out[f"{market}_move_rate"] = len(moves) / hours if hours > 0 else NAN
    out[f"{market}_move_size_180m"] = mean(sizes)
    out[f"{market}_quiet_minutes"] = (raw.as_of - max(moves)) / MINUTE if moves else NAN
    near = raw.start - raw.as_of <= 180 * MINUTE
    moved = any(steps(raw.path(market, FINE)))
    out[f"{market}_late_move"] = float(near and moved) if raw.consensus(market).used else NAN
    sharp, soft = (
        middle([(raw.as_of - q.at) / MINUTE for q in raw.used(market, sharp=which).values()])
        for which in (True, False)
    )
    out[f"{market}_leader_lag"] = soft - sharp
