"""The one table of features: name, category, unit, formula in words, sources.

Its order is the order of the vector. A value that cannot be known is NaN, never 0 or 50 %.
Prefixes: moneyline, run_line, total. "Consensus" is the median fair probability over the fresh
books at the consensus line. Windows end at the as-of and begin at a tile bound.
"""

from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    TEMPORAL = "temporal"
    MARKET = "market"
    SPLITS = "splits"


class Source(StrEnum):
    LINES = "lines"
    SPLITS = "splits"
    GAMES = "games"


@dataclass(frozen=True)
class Feature:
    name: str
    category: Category
    unit: str
    formula: str
    source: Source = Source.LINES


WINDOWS_MINUTES: tuple[int, ...] = (5, 15, 60, 180)
PRICED = ("moneyline", "run_line", "total")
LINED = ("run_line", "total")
SPLIT = ("moneyline", "total")


def _temporal() -> list[Feature]:
    made: list[Feature] = []

    def add(name: str, unit: str, formula: str, source: Source = Source.LINES) -> None:
        made.append(Feature(name, Category.TEMPORAL, unit, formula, source))

    for market in PRICED:
        add(f"{market}_change_open", "probability", "median over used books of now less opening")
        for window in WINDOWS_MINUTES:
            add(
                f"{market}_change_{window}m",
                "probability",
                f"median over used books at the same line of now less {window} min ago",
            )
    for market in LINED:
        add(f"{market}_line_change_open", "runs", "median over fresh books of line less opening")
        for window in (60, 180):
            add(
                f"{market}_line_change_{window}m",
                "runs",
                f"median over fresh books of line less line {window} min ago",
            )
    add(
        "moneyline_acceleration",
        "probability/min",
        "change per minute of the last 15 min less that of the last 60 min",
    )
    add("moneyline_volatility_15m", "probability", "root mean square of 1 min consensus changes")
    add("moneyline_volatility_180m", "probability", "root mean square of 15 min consensus changes")
    add("total_line_volatility_180m", "runs", "root mean square of 15 min mean line changes")
    add(
        "moneyline_consistency_180m",
        "ratio",
        "net consensus change over the sum of absolute 15 min changes; missing without movement",
    )
    for market in ("moneyline", "total"):
        for window in (5, 15):
            add(
                f"{market}_steam_{window}m",
                "books",
                f"books whose probability rose less books whose fell in the last {window} min",
            )
    for market in PRICED:
        add(f"{market}_moves_15m", "count", "distinct quotes in the last 15 tiles of 1 min")
        add(f"{market}_moves_180m", "count", "distinct quotes in the last 12 tiles of 15 min")
    add("minutes_to_start", "min", "first pitch as last announced less as-of", Source.GAMES)
    add("minutes_since_open", "min", "as-of less the first moneyline quote")
    return made


def _market() -> list[Feature]:
    made: list[Feature] = []

    def add(name: str, unit: str, formula: str) -> None:
        made.append(Feature(name, Category.MARKET, unit, formula))

    for market in PRICED:
        add(f"{market}_consensus", "probability", "consensus of the home or over side")
        add(f"{market}_sharp_less_soft", "probability", "median of sharp less median of soft books")
        add(f"{market}_dispersion", "probability", "standard deviation over used books")
        add(f"{market}_books", "count", "used books")
        add(f"{market}_stale_books", "count", "quoted books that are stale")
        add(f"{market}_overround", "ratio", "mean over used books of implied probabilities less 1")
        add(f"{market}_best_first_value", "ratio", "best home or over price x consensus less 1")
        add(
            f"{market}_best_second_value", "ratio", "best away or under price x (1 - consensus) - 1"
        )
        add(f"{market}_arbitrage_margin", "ratio", "implied probabilities of both best prices - 1")
    for market in LINED:
        add(f"{market}_line", "runs", "line that most fresh books have")
        add(f"{market}_line_dispersion", "runs", "standard deviation of the line over fresh books")
    add(
        "moneyline_sharp_lead_15m",
        "probability",
        "15 min change of the sharp median less that of the soft median",
    )
    return made


def _splits() -> list[Feature]:
    made: list[Feature] = []

    def add(name: str, unit: str, formula: str) -> None:
        made.append(Feature(name, Category.SPLITS, unit, formula, Source.SPLITS))

    for market in SPLIT:
        add(f"{market}_tickets", "%", "mean over books of tickets on home or over")
        add(f"{market}_handle", "%", "mean over books of handle on home or over")
        add(f"{market}_divergence", "%", "mean handle less mean tickets")
        add(f"{market}_tickets_shift", "%", "mean over books of tickets less first tickets")
        add(f"{market}_handle_shift", "%", "mean over books of handle less first handle")
        add(f"{market}_tickets_dispersion", "%", "standard deviation of tickets over books")
        add(f"{market}_split_books", "count", "books with tickets")
        add(
            f"{market}_reverse_movement",
            "probability",
            "180 min change against the ticket majority; 0 when it goes with it",
        )
    add("splits_age", "min", "as-of less the newest splits")
    return made


CATALOGUE: tuple[Feature, ...] = (*_temporal(), *_market(), *_splits())
NAMES: tuple[str, ...] = tuple(feature.name for feature in CATALOGUE)
