"""What really happens on a simulated day: chances, news that moves them, and final scores.

A game's home side wins when prior + news + residual > 0, all normal. Given the news so far, the
chance is therefore Phi(sum / sd of what is still to come): a martingale, so every price made
from it is calibrated, early and late ones alike. Total runs are negative binomial around a mean
that news moves; the margin has the parity of the total and is never zero.
"""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from flows.sources.teams import CLUBS
from schemas.errors import ConfigError
from schemas.sections.scoring import KNOWN_BOOKS, SHARP_BOOKS
from schemas.time import US_PER_MINUTE, to_us

Array = npt.NDArray[np.float64]
Micros = npt.NDArray[np.int64]

EASTERN = ZoneInfo("America/New_York")
_FIRST_PITCHES = (
    ("12:35", 0.06), ("13:05", 0.14), ("13:35", 0.06), ("14:10", 0.06), ("16:05", 0.08),
    ("18:40", 0.14), ("19:05", 0.14), ("19:10", 0.10), ("20:05", 0.08), ("21:40", 0.08),
    ("22:10", 0.06),
)  # fmt: skip
_NEWS_SIDE, _NEWS_RUNS = 6, 4
_NEWS_SIDE_SD, _NEWS_RUNS_SD = 0.08, 0.45
_DISPERSION = 8.0  # variance 2.1 x the mean at 8.9 runs, as in the real seasons
_MARGIN_DECAY = 2.6
_MEAN_GRID = np.arange(4.0, 16.0, 0.01)
_RUNS = np.arange(1, 41)
_NORMAL_GRID = np.linspace(-6.0, 6.0, 12_001)


@dataclass(frozen=True)
class Slate:
    """What to simulate. Equal slates give equal events."""

    seed: int = 1
    days: int = 60
    games: int = 15
    """A day."""
    edge: float = 0.03
    """By how much probability the market is wrong in a mispriced game; 0: nowhere."""
    mispriced: float = 0.5
    """Share of games with a wrong moneyline, and (independently) with a wrong total."""
    start_date: date = date(2026, 4, 1)
    activity: float = 1.0
    """Scales the price revisions that no news explains; 1 gives about 530 lines a game."""
    books: tuple[str, ...] = KNOWN_BOOKS
    sharp_books: tuple[str, ...] = SHARP_BOOKS

    def __post_init__(self) -> None:
        for key, value, low, high in (
            ("seed", self.seed, 0, 2**63),
            ("days", self.days, 1, 3_660),
            ("games", self.games, 1, len(CLUBS) // 2),
            ("edge", self.edge, 0.0, 0.25),
            ("mispriced", self.mispriced, 0.0, 1.0),
            ("activity", self.activity, 0.0, 20.0),
        ):
            if not low <= value <= high:
                raise ConfigError(key, f"{value} is out of range", f"Use {low} to {high}")


@dataclass(frozen=True)
class Day:
    """The truth of one day; arrays have one row a game."""

    games: list[tuple[str, str, str]]
    """(game_id, home code, away code)"""
    listed_us: Micros
    """First pitch as first scheduled."""
    start_us: Micros
    """First pitch after any delay."""
    delay_known_us: Micros
    """When the delay is announced; zero where there is none."""
    opening_us: Micros
    """When the game appears on the board."""
    side_prior: Array
    side_news: Array
    """(games, news)"""
    side_news_us: Micros
    runs_prior: Array
    runs_news: Array
    runs_news_us: Micros
    right_side: npt.NDArray[np.int64]
    """+1: home is worth `edge` more than the market thinks, -1: away is, 0: priced right."""
    right_total: npt.NDArray[np.int64]
    """The same for over and under."""
    home_score: npt.NDArray[np.int64]
    away_score: npt.NDArray[np.int64]
    result_us: Micros

    def home_chance(self, known: npt.NDArray[np.bool_]) -> Array:
        """P(home wins) when only the `known` (..., games, news) is."""
        news = np.where(known, self.side_news, 0.0).sum(axis=-1)
        unknown = (~known).sum(axis=-1) * _NEWS_SIDE_SD**2
        return normal_cdf((self.side_prior + news) / np.sqrt(1.0 + unknown))

    def runs_mean(self, known: npt.NDArray[np.bool_]) -> Array:
        """Parameter of the distribution of total runs when only the `known` news is."""
        mean: Array = self.runs_prior + np.where(known, self.runs_news, 0.0).sum(axis=-1)
        return mean


@cache
def _normal_table() -> Array:
    return np.array([0.5 * math.erfc(-x / math.sqrt(2.0)) for x in _NORMAL_GRID])


def normal_cdf(x: Array) -> Array:
    """Exact to 1e-7; the run-time has no scipy."""
    p: Array = np.interp(x, _NORMAL_GRID, _normal_table())
    return p


@cache
def runs_table() -> Array:
    """P(total = 1..40), one row a grid mean; no game ends without a run."""
    mean = _MEAN_GRID[:, None]
    log_gamma = np.array([math.lgamma(k + _DISPERSION) - math.lgamma(k + 1) for k in _RUNS])
    log_p = log_gamma + _RUNS * np.log(mean / (mean + _DISPERSION))
    p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
    table: Array = p / p.sum(axis=1, keepdims=True)
    return table


def mean_row(mean: Array) -> npt.NDArray[np.int64]:
    """Row of `runs_table` for a mean."""
    rows = np.rint((mean - _MEAN_GRID[0]) / 0.01).astype(np.int64)
    inside: npt.NDArray[np.int64] = np.clip(rows, 0, len(_MEAN_GRID) - 1)
    return inside


def expected_runs(mean: Array) -> Array:
    expected: Array = (runs_table() @ _RUNS)[mean_row(mean)]
    return expected


@cache
def margin_table() -> Array:
    """P(|margin| = 1..40 given total = 1..40), one row a total."""
    margin = np.arange(1, 41)
    fits = (margin[None, :] <= _RUNS[:, None]) & ((_RUNS[:, None] - margin[None, :]) % 2 == 0)
    weight = np.where(fits, np.exp(-margin / _MARGIN_DECAY)[None, :], 0.0)
    table: Array = weight / weight.sum(axis=1, keepdims=True)
    return table


def wins_by_two(mean: Array) -> Array:
    """P(the winner wins by two or more)."""
    by_total = 1.0 - margin_table()[:, 0]
    result: Array = (runs_table() @ by_total)[mean_row(mean)]
    return result


def _draw(rng: np.random.Generator, p: Array) -> npt.NDArray[np.int64]:
    """One outcome 1.. a row of probabilities."""
    below = np.cumsum(p, axis=1) < rng.random((len(p), 1))
    drawn: npt.NDArray[np.int64] = np.minimum(below.sum(axis=1) + 1, p.shape[1])
    return drawn


def _schedule(rng: np.random.Generator, day: date, count: int) -> Micros:
    slots, weights = zip(*_FIRST_PITCHES, strict=True)
    picked = np.sort(rng.choice(len(slots), size=count, p=weights))
    clocks = [time.fromisoformat(slots[i]) for i in picked]
    return np.array([to_us(datetime.combine(day, at, EASTERN).astimezone(UTC)) for at in clocks])


def _news_times(rng: np.random.Generator, opening: Micros, start: Micros, count: int) -> Micros:
    """More of it near the start."""
    share = rng.random((len(start), count)) ** 1.8
    return start[:, None] - ((start - opening)[:, None] * share).astype(np.int64)


def truth_of(slate: Slate, index: int) -> Day:
    """Day `index` of the slate; depends on no other day."""
    rng = np.random.default_rng([slate.seed, index])
    n, day = slate.games, slate.start_date + timedelta(days=index)
    listed = _schedule(rng, day, n)
    clubs = rng.permutation(list(CLUBS))[: 2 * n].reshape(n, 2)
    games = [(f"mlb-{day}-{away}-{home}-1", str(home), str(away)) for home, away in clubs]

    late = rng.random(n) < 0.04
    delay = np.where(late, rng.integers(3, 16, n) * 5 * US_PER_MINUTE, 0)
    warned = listed - rng.integers(20, 100, n) * US_PER_MINUTE
    start = listed + delay
    opening = listed - (rng.uniform(18.0, 26.0, n) * 60 * US_PER_MINUTE).astype(np.int64)

    side_prior = rng.normal(0.09, 0.20, n)
    side_news = rng.normal(0.0, _NEWS_SIDE_SD, (n, _NEWS_SIDE))
    runs_prior = np.clip(rng.normal(8.7, 0.8, n), 6.8, 11.2)
    runs_news = rng.normal(0.0, _NEWS_RUNS_SD / math.sqrt(_NEWS_RUNS), (n, _NEWS_RUNS))
    wrong = rng.random((2, n)) < (slate.mispriced if slate.edge else 0.0)
    right = np.where(wrong, rng.choice([-1, 1], (2, n)), 0)

    final_side = normal_cdf(side_prior + side_news.sum(axis=1))
    final_runs = mean_row(runs_prior + runs_news.sum(axis=1))
    home_wins = rng.random(n) < final_side
    total = _draw(rng, runs_table()[final_runs])
    margin = _draw(rng, margin_table()[total - 1])
    more, less = (total + margin) // 2, (total - margin) // 2
    return Day(
        games=games,
        listed_us=listed,
        start_us=start,
        delay_known_us=np.where(late, warned, 0),
        opening_us=opening,
        side_prior=side_prior,
        side_news=side_news,
        side_news_us=_news_times(rng, opening, start, _NEWS_SIDE),
        runs_prior=runs_prior,
        runs_news=runs_news,
        runs_news_us=_news_times(rng, opening, start, _NEWS_RUNS),
        right_side=right[0],
        right_total=right[1],
        home_score=np.where(home_wins, more, less),
        away_score=np.where(home_wins, less, more),
        result_us=start + rng.integers(165, 215, n) * US_PER_MINUTE,
    )
