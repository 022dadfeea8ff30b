"""The nouns of the field: markets, sides, targets, game states."""

from enum import StrEnum


class Market(StrEnum):
    MONEYLINE = "moneyline"
    RUN_LINE = "run_line"
    TOTAL = "total"


class Side(StrEnum):
    HOME = "home"
    AWAY = "away"
    OVER = "over"
    UNDER = "under"


class Target(StrEnum):
    """What a booster predicts."""

    MONEYLINE = "moneyline"  # P(home wins)
    TOTAL = "total"  # P(over | no push) at the current line
    RUNS = "runs"  # total runs, as a distribution
    MARGIN = "margin"  # home minus away runs, as a distribution; no ties


class GameStatus(StrEnum):
    SCHEDULED = "scheduled"
    LIVE = "live"
    FINAL = "final"
    POSTPONED = "postponed"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"


SIDES: dict[Market, tuple[Side, Side]] = {
    Market.MONEYLINE: (Side.HOME, Side.AWAY),
    Market.RUN_LINE: (Side.HOME, Side.AWAY),
    Market.TOTAL: (Side.OVER, Side.UNDER),
}
"""First side (home or over), second side (away or under)."""

MARKET_OF: dict[Target, Market] = {
    Target.MONEYLINE: Market.MONEYLINE,
    Target.TOTAL: Market.TOTAL,
    Target.RUNS: Market.TOTAL,
    Target.MARGIN: Market.RUN_LINE,
}
"""The market whose no-vig price a target starts from, and whose line it is about."""

PRICED_BY: dict[Market, Target] = {
    Market.MONEYLINE: Target.MONEYLINE,
    Market.RUN_LINE: Target.MARGIN,
    Market.TOTAL: Target.TOTAL,
}
"""The target that prices a market's bets."""
