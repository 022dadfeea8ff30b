"""A seeded slate for those without data: books, news, steam, public splits and results.

The market is calibrated to the truth except for a planted edge: in some games every book is
wrong in the same direction, soft books by `Slate.edge` in probability and sharp ones by half.
Two things give the right side away, as in real markets: sharp books stand on its side of the
soft ones, and money (handle) leans to it against the tickets. All events say `simulated`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import polars as pl

from flows.sources.simulated_books import board_of
from flows.sources.simulated_truth import Day, Slate, expected_runs, truth_of
from flows.sources.tally import Draft, Tally
from flows.sources.teams import CLUBS
from schemas.errors import SteamlineError
from schemas.events import BettingSplits, Event, GameResult, GameUpdate, LineMovement, QuoteStatus
from schemas.markets import GameStatus, Market
from schemas.time import US_PER_MINUTE

SOURCE = "simulator"
SPLIT_BOOKS = ("draftkings", "circa")
POLL_US = 15 * US_PER_MINUTE
SPLITS_EVERY_US = 60 * US_PER_MINUTE
SPLITS_FOR_US = 10 * 60 * US_PER_MINUTE

_UPDATE, _SPLITS, _LINE, _RESULT = range(4)
Timed = tuple[int, int, Draft]
"""When, rank of the topic at equal times, what."""

TRUTH_SCHEMA = {
    "game_id": pl.String(),
    "as_of_us": pl.Datetime("us", "UTC"),
    "p_home": pl.Float64(),
    "total_mean": pl.Float64(),
    "market_error_home": pl.Float64(),
    "market_error_over": pl.Float64(),
}


@dataclass(frozen=True)
class SimulatedDay:
    """One day's games."""

    events: list[Event]
    """Game after game, each in the order of time."""
    truth: pl.DataFrame
    """TRUTH_SCHEMA: the true chance at opening and at each news; the last row of a game is what
    its result was drawn from. market_error: soft books' price of home (over) minus the truth."""


def _common(slate: Slate, game_id: str, at_us: int, what: str) -> dict[str, object]:
    return {
        "event_id": f"sim{slate.seed}-{game_id}-{what}-{at_us}",
        "game_id": game_id,
        "source": SOURCE,
        "occurred_at_us": at_us,
        "simulated": True,
    }


def _updates(slate: Slate, day: Day, game: int) -> Iterator[Timed]:
    """First sight, every poll, the news of a delay; the first poll after first pitch says live."""
    game_id, home, away = day.games[game]
    opening, start = int(day.opening_us[game]), int(day.start_us[game])
    warned = int(day.delay_known_us[game])
    polls = range(-(-opening // POLL_US) * POLL_US, start + POLL_US, POLL_US)
    for at in sorted({opening, *polls, *((warned,) if warned else ())}):
        known_start = int(day.listed_us[game]) if at < warned else start
        fields = _common(slate, game_id, at, "game") | {
            "home": CLUBS[home],
            "away": CLUBS[away],
            "start_time_us": known_start,
            "status": GameStatus.SCHEDULED if at < known_start else GameStatus.LIVE,
            "quotes_stand": at % POLL_US == 0 and opening < at < start,
        }
        yield at, _UPDATE, (GameUpdate, fields)


def _lines(slate: Slate, index: int, day: Day) -> list[list[Timed]]:
    """Per game: every price change, and each book's withdrawal at first pitch."""
    timed: list[list[Timed]] = [[] for _ in day.games]
    board = board_of(slate, index, day)
    rng = np.random.default_rng([slate.seed, index, 2])
    shut = day.start_us + rng.integers(0, 60_000_000, (len(slate.books), len(day.games)))
    for market, quotes in board.markets.items():
        where = np.nonzero(quotes.changed)
        times, first = board.at_us[where].tolist(), quotes.first[where].tolist()
        second = quotes.second[where].tolist()
        line = [None] * len(times) if quotes.line is None else quotes.line[where].tolist()
        owners = zip(where[0].tolist(), where[2].tolist(), strict=True)
        for (book, game), at, home_over, away_under, point in zip(
            owners, times, first, second, line, strict=True
        ):
            name = slate.books[book]
            fields = _common(slate, day.games[game][0], at, f"{name}-{market}") | {
                "book": name,
                "market": market,
                "price_home_over": home_over,
                "price_away_under": away_under,
                "line": point,
            }
            timed[game].append((at, _LINE, (LineMovement, fields)))
        for book, name in enumerate(slate.books):
            for game, (game_id, _, _) in enumerate(day.games):
                at = int(shut[book, game])
                fields = _common(slate, game_id, at, f"{name}-{market}") | {
                    "book": name,
                    "market": market,
                    "status": QuoteStatus.WITHDRAWN,
                }
                timed[game].append((at, _LINE, (LineMovement, fields)))
    return timed


def _splits(slate: Slate, index: int, day: Day) -> list[list[Timed]]:
    """Per game, hourly: tickets follow favourites and overs; money knows more."""
    rng = np.random.default_rng([slate.seed, index, 3])
    timed: list[list[Timed]] = [[] for _ in day.games]
    taste = rng.normal(0.0, 5.0, (len(day.games), len(SPLIT_BOOKS), len(Market)))
    for game, (game_id, _, _) in enumerate(day.games):
        start = int(day.start_us[game])
        first = -(-(start - SPLITS_FOR_US) // SPLITS_EVERY_US) * SPLITS_EVERY_US
        for at in range(first, start, SPLITS_EVERY_US):
            chance = day.home_chance(day.side_news_us <= at)[game]
            chance -= slate.edge * day.right_side[game]
            favourite = 50.0 + 160.0 * (chance - 0.5)
            for b, book in enumerate(SPLIT_BOOKS):
                for m, market in enumerate(Market):
                    over_under = market is Market.TOTAL
                    right = (day.right_total if over_under else day.right_side)[game]
                    tickets = (58.0 if over_under else favourite) + taste[game, b, m]
                    tickets += rng.normal(0.0, 1.0)
                    handle = tickets + 10.0 * right + rng.normal(0.0, 4.0)
                    fields = _common(slate, game_id, at, f"{book}-{market}-splits") | {
                        "book": book,
                        "market": market,
                        "tickets_home_over_pct": round(min(max(tickets, 1.0), 99.0), 1),
                        "handle_home_over_pct": round(min(max(handle, 1.0), 99.0), 1),
                    }
                    timed[game].append((at, _SPLITS, (BettingSplits, fields)))
    return timed


def _truth(slate: Slate, day: Day) -> pl.DataFrame:
    at = np.concatenate([day.opening_us[:, None], day.side_news_us, day.runs_news_us], axis=1)
    at = np.sort(np.maximum(at, day.opening_us[:, None]), axis=1).T  # (times, games)
    chance = day.home_chance(day.side_news_us <= at[..., None])
    runs = expected_runs(day.runs_mean(day.runs_news_us <= at[..., None]))
    times = len(at)
    return pl.DataFrame(
        {
            "game_id": np.repeat([game_id for game_id, _, _ in day.games], times),
            "as_of_us": at.T.ravel(),
            "p_home": chance.T.ravel(),
            "total_mean": runs.T.ravel(),
            "market_error_home": np.repeat(0.0 - slate.edge * day.right_side, times),
            "market_error_over": np.repeat(0.0 - slate.edge * day.right_total, times),
        },
    ).cast(TRUTH_SCHEMA)  # type: ignore[arg-type]


def simulate_day(slate: Slate, index: int) -> SimulatedDay:
    """Day `index` (0..) of the slate, the same whatever the number of days."""
    day = truth_of(slate, index)
    lines, splits = _lines(slate, index, day), _splits(slate, index, day)
    tally, events = Tally(), list[Event]()
    for game, (game_id, _, _) in enumerate(day.games):
        known = int(day.result_us[game])
        result: Draft = (
            GameResult,
            _common(slate, game_id, known, "result")
            | {
                "home_score": int(day.home_score[game]),
                "away_score": int(day.away_score[game]),
            },
        )
        timed = [*_updates(slate, day, game), *splits[game], *lines[game], (known, _RESULT, result)]
        timed.sort(key=lambda one: one[:2])
        for _, payload in groupby(timed, key=lambda one: one[0]):
            events += tally.payload([draft for _, _, draft in payload])
    if tally.rejected:
        raise SteamlineError(f"simulator: its own events were refused: {dict(tally.rejected)}")
    return SimulatedDay(events, _truth(slate, day))


def simulate(slate: Slate) -> Iterator[Event]:
    """All events of all days, day after day; the archive puts them in the order of time."""
    for index in range(slate.days):
        yield from simulate_day(slate, index).events


def write_truth(slate: Slate, path: Path) -> None:
    """The truth of all days (TRUTH_SCHEMA) as Parquet: a test instrument, never an input."""
    pl.concat(_truth(slate, truth_of(slate, i)) for i in range(slate.days)).write_parquet(path)
