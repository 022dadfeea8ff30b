"""What the simulated books quote: each hears the news with its own lag and adds noise and margin.

Arrays are (books, revisions, games): the game axis stands where `Day` wants it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flows.sources.simulated_truth import (
    Array,
    Day,
    Micros,
    Slate,
    mean_row,
    runs_table,
    wins_by_two,
)
from schemas.markets import Market
from schemas.time import US_PER_MINUTE, US_PER_SECOND

Flags = npt.NDArray[np.bool_]

_TOTAL_LINES = np.arange(5.5, 14.0, 0.5)
_SHARP_ERROR = 0.5  # of a mispricing, sharp books share this much; their gap to the rest betrays it


@dataclass(frozen=True)
class Habits:
    """How each book behaves, one entry a book."""

    overround: Array
    lag_us: Array
    """Mean time from news to new price."""
    opening_us: Array
    """Mean time from the game's appearance to a first price."""
    noise: Array
    """Standard deviation of the book's own opinion, in probability."""
    tick: Array
    """American prices are multiples of it."""
    error: Array
    """Share of the market's mispricing that the book makes."""


@dataclass(frozen=True)
class Quotes:
    """One market at every revision of every book."""

    first: Array
    """Decimal price of home or over."""
    second: Array
    line: Array | None
    changed: Flags
    """Where this market's price or line is new: an event."""


@dataclass(frozen=True)
class Board:
    at_us: Micros
    markets: dict[Market, Quotes]


def habits_of(slate: Slate) -> Habits:
    rank = np.arange(len(slate.books), dtype=np.float64)
    sharp = np.array([book in slate.sharp_books for book in slate.books])
    minute = float(US_PER_MINUTE)
    return Habits(
        overround=np.where(sharp, 1.020 + 0.003 * (rank % 5), 1.042 + 0.003 * (rank % 5)),
        lag_us=np.where(sharp, 0.15 + 0.35 * (rank % 5), 3.0 + 2.0 * (rank % 5)) * minute,
        opening_us=np.where(sharp, 5.0, 45.0) * minute,
        noise=np.where(sharp, 0.002, 0.004 + 0.001 * (rank % 4)),
        tick=np.where(sharp | (rank % 2 == 0), 1.0, 5.0),
        error=np.where(sharp, _SHARP_ERROR, 1.0),
    )


def _price(probability: Array, overround: Array, tick: Array) -> Array:
    """Decimal odds with margin, rounded as an American price would be."""
    fair = 1.0 / (np.clip(probability, 0.06, 0.93) * overround)
    underdog = fair >= 2.0
    american = np.where(underdog, (fair - 1.0) * 100.0, 100.0 / (fair - 1.0))
    american = np.maximum(np.rint(american / tick) * tick, 100.0)
    price: Array = np.where(underdog, 1.0 + american / 100.0, 1.0 + 100.0 / american)
    return price


def _over_table() -> Array:
    """P(over | no push), one row a mean, one column a line."""
    runs = np.arange(1, 41)
    over = runs_table() @ (runs[:, None] > _TOTAL_LINES)
    under = runs_table() @ (runs[:, None] < _TOTAL_LINES)
    table: Array = over / (over + under)
    return table


def _market(first: Array, line: Array | None, live: Flags, habits: Habits) -> Quotes:
    shape = (-1, 1, 1)
    overround, tick = habits.overround.reshape(shape), habits.tick.reshape(shape)
    home_over = _price(first, overround, tick)
    away_under = _price(1.0 - first, overround, tick)
    same = np.zeros_like(live)
    same[:, 1:] = live[:, :-1]
    for values in (home_over, away_under) if line is None else (home_over, away_under, line):
        same[:, 1:] &= values[:, 1:] == values[:, :-1]
    return Quotes(home_over, away_under, line, changed=live & ~same)


def board_of(slate: Slate, index: int, day: Day) -> Board:
    """All quotes of a day, openings a day ahead to first pitch."""
    rng = np.random.default_rng([slate.seed, index, 1])
    habits = habits_of(slate)
    books, games = len(slate.books), len(day.games)
    lag = habits.lag_us[:, None, None]

    def heard(news_us: Micros) -> Micros:
        delay = rng.exponential(lag, (books, *news_us.shape)).astype(np.int64)
        return (news_us[None] + delay).transpose(0, 2, 1)

    def own(count: float) -> Micros:
        share = rng.random((books, round(count * slate.activity), games)) ** 1.5
        return day.start_us - ((day.start_us - day.opening_us) * share).astype(np.int64)

    wait = rng.exponential(habits.opening_us[:, None], (books, games)).astype(np.int64)
    opens = (day.opening_us + wait)[:, None, :]
    side_heard, runs_heard = heard(day.side_news_us), heard(day.runs_news_us)
    parts = [opens, side_heard, own(5.0), runs_heard, own(4.0)]
    on_side = np.repeat([True, True, True, False, False], [part.shape[1] for part in parts])
    on_runs = np.repeat([True, False, False, True, True], [part.shape[1] for part in parts])
    at = np.concatenate(parts, axis=1)
    order = np.argsort(at, axis=1, kind="stable")
    at = np.take_along_axis(at, order, axis=1)
    live = (at >= opens) & (at < day.start_us - US_PER_SECOND)

    def opinion(revised: Flags) -> Array:
        draws = rng.normal(0.0, 1.0, at.shape) * habits.noise[:, None, None]
        newest = np.maximum(np.cumsum(revised[order], axis=1) - 1, 0)
        return np.take_along_axis(draws, newest, axis=1)

    def knows(news: Micros) -> Flags:
        known: Flags = news.transpose(0, 2, 1)[:, None] <= at[..., None]
        return known

    error = slate.edge * habits.error[:, None, None]
    home = day.home_chance(knows(side_heard)) + opinion(on_side) - error * day.right_side
    runs = day.runs_mean(knows(runs_heard))
    by_two = wins_by_two(runs)
    favoured = home >= 0.5
    chances = _over_table()[mean_row(runs)]
    nearest = np.abs(chances - 0.5).argmin(axis=-1)
    over = np.take_along_axis(chances, nearest[..., None], axis=-1)[..., 0]
    over = over + opinion(on_runs) - error * day.right_total
    cover = np.where(favoured, home * by_two, 1.0 - (1.0 - home) * by_two)
    return Board(
        at_us=at,
        markets={
            Market.MONEYLINE: _market(home, None, live, habits),
            Market.RUN_LINE: _market(cover, np.where(favoured, -1.5, 1.5), live, habits),
            Market.TOTAL: _market(over, _TOTAL_LINES[nearest], live, habits),
        },
    )
