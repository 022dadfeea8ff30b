"""The one table of features: name, category, unit, formula in words, sources.

Its order is the order of the vector. A value that cannot be known is NaN, never 0 or 50 %.
Prefixes: moneyline, run_line, total. "Consensus" is the median fair probability over the fresh
books at the consensus line; in the past, that of the books and the line used now. Windows end
at the as-of and begin at a tile bound.
"""

from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    TEMPORAL = "temporal"
    MARKET = "market"
    TEAM = "team"
    SPLITS = "splits"


class Source(StrEnum):
    """What a feature is made from; each has an age of its own."""

    LINES = "lines"
    SPLITS = "splits"
    GAMES = "games"
    CONTEXT = "context"


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
SPLIT_BOOKS = ("draftkings", "circa")
SPLIT_SOURCES = ("vsin", "sbd", "action_network")

STEAM_BOOKS = 3
"""Books that must have moved one way in a tile for it to count as steam."""
FREEZE_CHANGE = 0.005
"""A consensus that moved less than this in 180 min stands still."""


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
        add(
            f"{market}_steam_moves_180m",
            "count",
            "15 min tiles of the last 12 in which the used books that rose at the line of now "
            f"outnumber those that fell by {STEAM_BOOKS} or more, or the reverse",
        )
        add(
            f"{market}_steam_largest_180m",
            "probability",
            "largest absolute consensus change of a steam tile; 0 without steam",
        )
        add(
            f"{market}_steam_age",
            "min",
            "as-of less the start of the newest steam tile; missing without steam in 180 min",
        )
        add(
            f"{market}_sharp_intensity",
            "probability",
            "mean over used sharp books at the same line of the absolute 60 min change",
        )
    for market in PRICED:
        for minutes, tiles in ((15, "15 tiles of 1 min"), (180, "12 tiles of 15 min")):
            add(
                f"{market}_moves_{minutes}m",
                "count",
                f"distinct quotes and withdrawals in the last {tiles}",
            )
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
        add(f"{market}_tightest_overround", "ratio", "least overround of a used book")
        add(
            f"{market}_arbitrage_minutes",
            "min",
            "1 min tiles in a row, back from now and at most 16, at whose end the best prices of "
            "the used books at the line of now implied less than 1 in sum",
        )
        add(
            f"{market}_move_rate",
            "count/h",
            "distinct quotes and withdrawals over the hours since the first quote",
        )
        add(
            f"{market}_move_size_180m",
            "probability",
            "mean absolute 15 min consensus change, over the tiles with a change",
        )
        add(f"{market}_quiet_minutes", "min", "as-of less the newest quote or withdrawal")
        add(
            f"{market}_late_move",
            "flag",
            "1 when the consensus moved from one 1 min tile to the next in the last 15 and first "
            "pitch is within 3 h, else 0",
        )
        add(
            f"{market}_leader_lag",
            "min",
            "median time since the last quote of used soft books less that of used sharp books; "
            "a confirmation is no quote",
        )
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
        add(
            f"{market}_line_freeze",
            "%",
            f"mean tickets less 50 while the absolute 180 min change is below {FREEZE_CHANGE}; "
            "else 0",
        )
        add(
            f"{market}_sharp_score",
            "%",
            "mean over books with both of handle less tickets, sharp books counted twice",
        )
        add(
            f"{market}_public_sentiment",
            "%",
            "mean tickets less 100 x consensus: what the public sees beyond the price",
        )
        for book in SPLIT_BOOKS:
            add(f"{market}_divergence_{book}", "%", f"handle less tickets at {book}")
        for source in SPLIT_SOURCES:
            add(
                f"{market}_handle_{source}", "%", f"mean over books of handle as {source} last said"
            )
    add("splits_age", "min", "as-of less the newest splits")
    return made


def _team() -> list[Feature]:
    made: list[Feature] = []

    def add(name: str, unit: str, formula: str) -> None:
        made.append(Feature(name, Category.TEAM, unit, formula, Source.CONTEXT))

    for team in ("home", "away"):
        add(f"{team}_form", "ratio", "wins, each game weighing half of one 10 games later")
        add(f"{team}_last_5", "ratio", "share won of the last 5 games")
        add(f"{team}_last_10", "ratio", "share won of the last 10 games")
        add(f"{team}_season", "ratio", "share won this season")
        add(f"{team}_runs_for", "runs", "mean runs scored a game this season")
        add(f"{team}_runs_against", "runs", "mean runs allowed a game this season")
        add(f"{team}_starter_era", "runs/9 inn", "starter's earned runs per nine innings to date")
        add(f"{team}_starter_whip", "1/inn", "starter's walks and hits an inning to date")
        add(f"{team}_starter_k9", "1/9 inn", "starter's strikeouts per nine innings to date")
        add(f"{team}_starter_hr9", "1/9 inn", "starter's home runs per nine innings to date")
        add(f"{team}_starter_fip", "runs/9 inn", "fielding-independent pitching, constant 3.10")
        add(f"{team}_starter_rest", "days", "since the starter's last start")
        add(f"{team}_starter_against", "runs/9 inn", "starter's ERA against this opponent")
        add(f"{team}_bullpen_era", "runs/9 inn", "relievers' earned runs per nine innings")
        add(f"{team}_bullpen_fatigue", "inn", "relief innings in the last 3 days")
        add(f"{team}_rest", "days", "full days since the last game")
        add(f"{team}_travel", "km", "great circle from the park of the last game")
        add(f"{team}_zones", "h", "time zones crossed eastward since the last game")
    add("head_to_head", "ratio", "share won by the home team of this season's meetings")
    add("head_to_head_games", "count", "this season's meetings")
    add("park_factor", "ratio", "runs a game in this park over runs a game of its team away")
    add("elo_difference", "points", "home less away rating, home advantage included")
    add("elo_home", "probability", "home win by rating")
    add("elo_home_starters", "probability", "home win by rating with both starters' adjustment")
    add("temperature", "C", "at first pitch, as forecast")
    add("wind_out", "m/s", "towards centre field, as forecast; negative blows in")
    add("roof_closed", "flag", "1 under a closed roof")
    return made


CATALOGUE: tuple[Feature, ...] = (*_temporal(), *_market(), *_team(), *_splits())
NAMES: tuple[str, ...] = tuple(feature.name for feature in CATALOGUE)
COLUMNS_OF: dict[str, list[int]] = {
    category.value: [at for at, one in enumerate(CATALOGUE) if one.category is category]
    for category in Category
}
"""Category -> its columns in a vector."""
CONTEXT: tuple[str, ...] = tuple(
    feature.name for feature in CATALOGUE if feature.source is Source.CONTEXT
)
"""Names that a `GameUpdate.context` may carry, in the order of the record's `context`."""
