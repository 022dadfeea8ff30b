"""How good an archive is: what is missing, how fresh it was, who disagrees. Pure polars.

Frames have the columns of their topic's model, times as UTC timestamps in microseconds. A game's
cutoff is counted from its start as last announced: a report in hindsight, no feature.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from models.features.arrays import Array
from models.features.catalogue import CATALOGUE
from schemas.markets import Market

HOURS = (1, 2, 3, 6, 12)
"""Before the start, at which books are held against each other."""

LACKING = {
    "schedule": pl.col("updates") == 0,
    "quotes": pl.col("all_quotes") == 0,
    "quotes_before_cutoff": pl.col("quotes") == 0,
    "splits": pl.col("splits") == 0,
    "context": pl.col("contexts") == 0,
    "result": pl.col("results") == 0,
}
"""What a game can be without, by columns of `Quality.games`."""

LEAST_BOOKS = 3
"""Fewer at one line are no consensus to differ from."""


@dataclass(frozen=True)
class Topics:
    """Everything an archive says, one frame a topic."""

    lines: pl.LazyFrame
    games: pl.LazyFrame
    splits: pl.LazyFrame
    results: pl.LazyFrame


@dataclass(frozen=True)
class QualityRules:
    cutoff: timedelta
    """Before the start."""
    stale: timedelta
    """A quote neither made nor confirmed for longer is not fresh."""
    far: float = 0.03
    """A book's probability this far from the consensus disagrees with it."""


@dataclass(frozen=True)
class Quality:
    """Findings, one frame a question."""

    games: pl.DataFrame
    """One a game: what it has, quotes and books before the cutoff, `fresh_share` of the time
    from its first moneyline quote to the cutoff, `minutes_unconfirmed` before the cutoff."""
    sources: pl.DataFrame
    """One a source: events, games, first, last, gaps, `longest_gap_hours`."""
    gaps: pl.DataFrame
    """Times in which a source said nothing at all for longer than quotes stay fresh, and how
    many `games` it had quoted whose cutoff had not come: without any it may have had no reason
    to speak."""
    books: pl.DataFrame
    """One a market and book: quotes compared, mean and mean absolute difference from the
    consensus, share that is `far`."""
    far: pl.DataFrame
    """Each quote that is far from the consensus, the farthest first."""


def assess(topics: Topics, rules: QualityRules) -> Quality:
    quotes = _quotes(topics.lines)
    schedule = _schedule(topics.games, rules).collect()
    confirmed = (
        topics.games.filter("quotes_stand").select("game_id", "source", at="occurred_at_us")
    ).collect()
    gaps = _gaps(topics, quotes, schedule, rules)
    compared = _compared(quotes, schedule, confirmed, rules)
    return Quality(
        games=_games(topics, quotes, schedule, confirmed, rules),
        sources=_sources(topics, gaps),
        gaps=gaps,
        books=_books(compared, rules),
        far=compared.filter(pl.col("difference").abs() > rules.far)
        .sort(pl.col("difference").abs(), "game_id", "book", "at", descending=[True, *[False] * 3])
        .drop("source"),
    )


def _quotes(lines: pl.LazyFrame) -> pl.DataFrame:
    """Every quote with its fair probability; none where it was withdrawn.

    Multiplicative: exact enough to find who is off, and one division in a frame.
    """
    first, second = 1.0 / pl.col("price_home_over"), 1.0 / pl.col("price_away_under")
    return (
        lines.select(
            "game_id",
            "market",
            "book",
            "source",
            pl.col("line").fill_null(0.0),
            at="occurred_at_us",
            fair=first / (first + second),
        )
        .sort("game_id", "market", "book", "at", maintain_order=True)
        .collect()
    )


def _schedule(games: pl.LazyFrame, rules: QualityRules) -> pl.LazyFrame:
    """Start as last announced, and whether two sources ended with different ones."""
    by_source = (
        games.sort("occurred_at_us", maintain_order=True)
        .group_by("game_id", "source")
        .agg(pl.col("occurred_at_us", "start_time_us").last())
    )
    return (
        by_source.sort("occurred_at_us", "source")
        .group_by("game_id")
        .agg(
            start=pl.col("start_time_us").last(),
            starts_disagree=pl.col("start_time_us").n_unique() > 1,
        )
        .with_columns(cutoff=pl.col("start") - rules.cutoff)
    )


def _games(
    topics: Topics,
    quotes: pl.DataFrame,
    schedule: pl.DataFrame,
    confirmed: pl.DataFrame,
    rules: QualityRules,
) -> pl.DataFrame:
    def ids(frame: pl.LazyFrame, name: str) -> pl.DataFrame:
        return frame.group_by("game_id").agg(pl.len().alias(name)).collect()

    counts = {
        "updates": ids(topics.games, "updates"),
        "contexts": ids(topics.games.filter(pl.col("context").is_not_null()), "contexts"),
        "splits": ids(topics.splits, "splits"),
        "results": ids(topics.results, "results"),
        "all_quotes": ids(topics.lines, "all_quotes"),
    }
    before = quotes.join(schedule, on="game_id").filter(pl.col("at") <= pl.col("cutoff"))
    usable = before.group_by("game_id").agg(
        quotes=pl.len(),
        books=pl.col("book").n_unique(),
        markets=pl.col("market").n_unique(),
        first_quote=pl.col("at").min(),
    )
    every = pl.concat([frame.select("game_id") for frame in counts.values()]).unique()
    found = every.sort("game_id")
    for frame in (*counts.values(), schedule, usable, _fresh(quotes, schedule, confirmed, rules)):
        found = found.join(frame, on="game_id", how="left", maintain_order="left")
    return found.with_columns(pl.col(*counts, "quotes", "books", "markets").fill_null(0))


def _fresh(
    quotes: pl.DataFrame, schedule: pl.DataFrame, confirmed: pl.DataFrame, rules: QualityRules
) -> pl.DataFrame:
    """Per game, of its moneyline: from each moment at which a quote was made or confirmed it is
    fresh for `stale`; what is withdrawn meanwhile is not looked at."""
    open_ = quotes.filter(pl.col("market") == Market.MONEYLINE.value, pl.col("fair").is_not_null())
    quoting = open_.select("game_id", "source").unique()
    stands = pl.concat(
        [
            open_.select("game_id", "at"),
            confirmed.join(quoting, on=["game_id", "source"], how="semi").select("game_id", "at"),
        ]
    )
    opened = open_.group_by("game_id").agg(opened=pl.col("at").min())
    timeline = (
        stands.unique()
        .join(schedule, on="game_id")
        .join(opened, on="game_id")
        .filter(pl.col("at") >= pl.col("opened"), pl.col("at") <= pl.col("cutoff"))
        .sort("game_id", "at")
        .with_columns(until=pl.col("at").shift(-1).over("game_id").fill_null(pl.col("cutoff")))
        .with_columns(fresh=pl.min_horizontal(pl.col("until") - pl.col("at"), pl.lit(rules.stale)))
    )
    length = pl.col("cutoff").first() - pl.col("opened").first()
    return timeline.group_by("game_id").agg(
        fresh_share=pl.when(length > timedelta(0)).then(pl.col("fresh").sum() / length),
        minutes_unconfirmed=(pl.col("cutoff").first() - pl.col("at").max()) / timedelta(minutes=1),
    )


def _spoken(topics: Topics) -> pl.LazyFrame:
    """(source, game, time) of every event of a feed; a result is a fact, not a feed."""
    columns = ["source", "game_id", pl.col("occurred_at_us").alias("at")]
    return pl.concat([one.select(columns) for one in (topics.lines, topics.games, topics.splits)])


def _gaps(
    topics: Topics, quotes: pl.DataFrame, schedule: pl.DataFrame, rules: QualityRules
) -> pl.DataFrame:
    silent = (
        _spoken(topics)
        .select("source", "at")
        .unique()
        .sort("source", "at")
        .with_columns(since=pl.col("at").shift(1).over("source"))
        .filter(pl.col("at") - pl.col("since") > rules.stale)
        .select(
            "source",
            "since",
            until="at",
            hours=(pl.col("at") - pl.col("since")) / timedelta(hours=1),
        )
        .collect()
    )
    waiting = (
        quotes.group_by("game_id", "source")
        .agg(opened=pl.col("at").min())
        .join(schedule, on="game_id")
    )
    games = (
        silent.join(waiting, on="source")
        .filter(pl.col("opened") <= pl.col("since"), pl.col("cutoff") > pl.col("since"))
        .group_by("source", "since")
        .agg(games=pl.len())
    )
    return (
        silent.join(games, on=["source", "since"], how="left")
        .with_columns(pl.col("games").fill_null(0))
        .sort("hours", "source", "since", descending=[True, False, False])
    )


def _sources(topics: Topics, gaps: pl.DataFrame) -> pl.DataFrame:
    told = (
        _spoken(topics)
        .group_by("source")
        .agg(
            events=pl.len(),
            games=pl.col("game_id").n_unique(),
            first=pl.col("at").min(),
            last=pl.col("at").max(),
        )
        .collect()
    )
    silent = gaps.group_by("source").agg(gaps=pl.len(), longest_gap_hours=pl.col("hours").max())
    return (
        told.join(silent, on="source", how="left")
        .with_columns(pl.col("gaps").fill_null(0), pl.col("longest_gap_hours").fill_null(0.0))
        .sort("source")
    )


def _compared(
    quotes: pl.DataFrame, schedule: pl.DataFrame, confirmed: pl.DataFrame, rules: QualityRules
) -> pl.DataFrame:
    """Fresh quotes at the market's line and their difference from its consensus, at `HOURS`."""
    moments = schedule.select("game_id", "start").join(
        pl.DataFrame({"hours": HOURS}, schema={"hours": pl.Int64}), how="cross"
    )
    grid = (
        quotes.select("game_id", "market", "book")
        .unique()
        .join(moments, on="game_id")
        .with_columns(at=pl.col("start") - pl.duration(hours="hours"))
        .sort("at")
    )
    newest = grid.join_asof(
        quotes.sort("at").with_columns(made="at"),
        on="at",
        by=["game_id", "market", "book"],
        check_sortedness=False,
    ).filter(pl.col("fair").is_not_null())
    stood = newest.join_asof(
        confirmed.sort("at").with_columns(confirmed="at"),
        on="at",
        by=["game_id", "source"],
        check_sortedness=False,
    ).with_columns(stood=pl.max_horizontal("made", "confirmed"))
    market = ["game_id", "market", "at"]
    fresh = stood.filter(pl.col("at") - pl.col("stood") <= rules.stale)
    agreed = (
        fresh.group_by(*market, "line")
        .agg(books=pl.len(), consensus=pl.col("fair").median())
        .sort(*market, "books", "line", descending=[False, False, False, True, False])
        .group_by(market, maintain_order=True)
        .first()
        .filter(pl.col("books") >= LEAST_BOOKS)
    )
    return (
        fresh.join(agreed, on=[*market, "line"])
        .with_columns(difference=pl.col("fair") - pl.col("consensus"))
        .select(*market, "hours", "book", "source", "line", "fair", "consensus", "difference")
    )


def _books(compared: pl.DataFrame, rules: QualityRules) -> pl.DataFrame:
    off = pl.col("difference").abs()
    return (
        compared.group_by("market", "book")
        .agg(
            quotes=pl.len(),
            mean=pl.col("difference").mean(),
            mean_absolute=off.mean(),
            far=(off > rules.far).mean(),
        )
        .sort("market", "mean_absolute", "book", descending=[False, True, False])
    )


def coverage(vectors: Array) -> pl.DataFrame:
    """Per feature, in catalogue order, the share of vectors in which it is known.

    vectors: (n, features) in catalogue order; a null share where there are none.
    """
    known = np.isfinite(vectors).mean(axis=0).tolist() if len(vectors) else None
    return pl.DataFrame(
        {
            "feature": [one.name for one in CATALOGUE],
            "category": [one.category.value for one in CATALOGUE],
            "source": [one.source.value for one in CATALOGUE],
            "known": pl.Series(known or [None] * len(CATALOGUE), dtype=pl.Float64),
        }
    )


def by_category(covered: pl.DataFrame) -> pl.DataFrame:
    """Mean over each category's features, how many there are, and how many are never known."""
    return covered.group_by("category", maintain_order=True).agg(
        features=pl.len(), known=pl.col("known").mean(), never=(pl.col("known") == 0.0).sum()
    )


def summary(found: Quality) -> dict[str, Any]:
    """The report in numbers: what lacks what, and how fresh and how complete it all was."""
    games = found.games
    fresh, unconfirmed = games["fresh_share"].drop_nulls(), games["minutes_unconfirmed"]
    return {
        "games": games.height,
        "without": {
            name: games.filter(missing)["game_id"].to_list() for name, missing in LACKING.items()
        },
        "starts_disagree": games.filter("starts_disagree")["game_id"].to_list(),
        "books_per_game": _spread(games["books"]),
        "fresh_share": _spread(fresh),
        "minutes_unconfirmed": _spread(unconfirmed.drop_nulls()),
    }


def _spread(values: pl.Series) -> dict[str, float | None]:
    if values.is_empty():
        return {"least": None, "median": None, "mean": None, "most": None}
    floats = values.cast(pl.Float64)
    return {
        name: round(float(value), 4)
        for name, value in (
            ("least", floats.min()),
            ("median", floats.median()),
            ("mean", floats.mean()),
            ("most", floats.max()),
        )
        if isinstance(value, float)
    }
