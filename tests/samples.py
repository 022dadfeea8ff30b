"""Sample messages: one game of 20 July 2026, valid by default, any field overridden by name."""

from decimal import Decimal
from typing import Any

from schemas.bets import BankrollUpdate, Fill, Outcome, Settlement
from schemas.decisions import Alert, AlertKind, Prediction, Refusal, SideQuote, Stake
from schemas.events import GameResult, GameUpdate, LineMovement
from schemas.markets import Market, Side, Target
from schemas.time import US_PER_MINUTE, US_PER_SECOND

GAME = "mlb-2026-07-20-BOS-NYY-1"
OTHER = "mlb-2026-07-20-LAD-SFG-1"
START = 1_784_588_700_000_000
"""2026-07-20 23:05 UTC, first pitch."""
OPEN = START - 6 * 60 * US_PER_MINUTE
"""Six hours before it."""


def at(seconds: float) -> int:
    """Event time, `seconds` after `OPEN`."""
    return OPEN + round(seconds * US_PER_SECOND)


BET: dict[str, Any] = {
    "game_id": GAME,
    "bankroll": "main",
    "market": "moneyline",
    "side": "home",
    "book": "pinnacle",
    "price": 1.9,
    "amount": "10.00",
    "filled_at_us": at(10),
}
"""A fill as it is posted."""


def game(second: float = 0, **over: Any) -> GameUpdate:
    fields: dict[str, Any] = {
        "game_id": GAME,
        "source": "schedule",
        "occurred_at_us": at(second),
        "home": "New York Yankees",
        "away": "Boston Red Sox",
        "start_time_us": START,
    } | over
    fields.setdefault("event_id", f"g:{fields['game_id']}:{fields['occurred_at_us']}")
    return GameUpdate(**fields)


def line(
    second: float = 0,
    home: float | None = 1.90,
    away: float | None = 2.00,
    book: str = "pinnacle",
    **over: Any,
) -> LineMovement:
    fields: dict[str, Any] = {
        "game_id": GAME,
        "source": "odds",
        "occurred_at_us": at(second),
        "book": book,
        "market": Market.MONEYLINE,
        "price_home_over": home,
        "price_away_under": away,
    } | over
    market = Market(fields["market"])
    if market is not Market.MONEYLINE:
        fields.setdefault("line", 8.5 if market is Market.TOTAL else -1.5)
    fields.setdefault(
        "event_id",
        f"l:{fields['game_id']}:{fields['book']}:{market}:{fields['occurred_at_us']}",
    )
    return LineMovement(**fields)


def prediction(position: int = 1, probability: float = 0.55, **over: Any) -> Prediction:
    fields: dict[str, Any] = {
        "game_id": GAME,
        "position": position,
        "as_of_us": at(position),
        "target": Target.MONEYLINE,
        "model_version": "1",
        "feature_set": "f00d",
        "start_time_us": START,
        "cutoff_us": START - 60 * US_PER_MINUTE,
        "probability": probability,
        "market_probability": 0.52,
        "fair_price": 1 / probability,
        "best": [
            SideQuote(
                side=Side.HOME,
                book="pinnacle",
                price=1.9,
                age_ms=1_000,
                edge=probability * 1.9 - 1,
            ),
        ],
        "odds_age_ms": 1_000,
        "books": 3,
        "completeness": 0.9,
        "read_to": {"lines": position},
    } | over
    fields.setdefault(
        "prediction_id",
        f"{fields['game_id']}:{position}:{fields['target']}:{fields['model_version']}",
    )
    return Prediction(**fields)


def stake(position: int = 1, fraction: float = 0.01, **over: Any) -> Stake:
    bet = fraction > 0
    fields: dict[str, Any] = {
        "game_id": GAME,
        "position": position,
        "as_of_us": at(position),
        "market": Market.MONEYLINE,
        "model_version": "1",
        "bankroll": "main",
        "side": Side.HOME if bet else None,
        "book": "pinnacle" if bet else None,
        "price": 1.9 if bet else None,
        "probability": 0.55,
        "edge": 0.045,
        "kelly_full": 0.04,
        "fraction": fraction,
        "amount": fraction * 10_000,
        "refusals": [] if bet else [Refusal.EDGE_TOO_SMALL],
    } | over
    fields.setdefault("stake_id", f"{fields['game_id']}:{position}:{fields['market']}:main")
    return Stake(**fields)


def alert(position: int = 1, kind: AlertKind = AlertKind.LOCKED, **over: Any) -> Alert:
    fields: dict[str, Any] = {
        "game_id": GAME,
        "position": position,
        "as_of_us": at(position),
        "kind": kind,
        "detail": "cutoff reached",
    } | over
    fields.setdefault("alert_id", f"{fields['game_id']}:{position}:{kind}")
    return Alert(**fields)


def signal(position: int = 1, kind: AlertKind = AlertKind.STEAM, **over: Any) -> Alert:
    """An alert that is no lock."""
    fields: dict[str, Any] = {"market": Market.MONEYLINE, "side": Side.HOME} | over
    fields.setdefault(
        "alert_id", f"{fields.get('game_id', GAME)}:{position}:{kind}:{fields['market']}"
    )
    return alert(position, kind, **fields)


def result(second: float = 0, home_score: int = 5, away_score: int = 3, **over: Any) -> GameResult:
    fields: dict[str, Any] = {
        "game_id": GAME,
        "source": "schedule",
        "occurred_at_us": at(second),
        "home_score": home_score,
        "away_score": away_score,
    } | over
    fields.setdefault("event_id", f"r:{fields['game_id']}:{fields['occurred_at_us']}")
    return GameResult(**fields)


def fill(second: float = 10, **over: Any) -> Fill:
    """10.00 on the home side at 1.90."""
    fields: dict[str, Any] = _bet() | {"filled_at_us": at(second), "source": "test"} | over
    fields.setdefault("fill_id", f"f:{fields['game_id']}:{fields['market']}:{second}")
    return Fill(**fields)


def settlement(fill_id: str = "f:1", **over: Any) -> Settlement:
    """Of such a bet, won."""
    fields: dict[str, Any] = (
        _bet()
        | {
            "fill_id": fill_id,
            "outcome": Outcome.WIN,
            "payout": Decimal("19.00"),
            "rule": "full game",
            "detail": "5:3",
            "result_id": f"r:{GAME}",
            "settled_at_us": START + 180 * US_PER_MINUTE,
            "closing_missing": "no quote",
        }
        | over
    )
    fields.setdefault("settlement_id", f"{fill_id}:{fields['result_id']}")
    return Settlement(**fields)


def bankroll_update(second: float = 0, **over: Any) -> BankrollUpdate:
    fields: dict[str, Any] = {
        "update_id": f"b:{second}",
        "bankroll": "main",
        "occurred_at_us": at(second),
        "balance": Decimal("10000.00"),
        "source": "ledger",
    }
    return BankrollUpdate(**(fields | over))


def _bet() -> dict[str, Any]:
    return {
        "game_id": GAME,
        "bankroll": "main",
        "market": Market.MONEYLINE,
        "side": Side.HOME,
        "book": "pinnacle",
        "price": 1.9,
        "amount": Decimal("10.00"),
    }
