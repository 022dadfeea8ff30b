"""What a model is measured against: the market's opening and closing price, and Elo.

The price is the kernel's own consensus (`models/features/market`), read off a game's record like
any feature; only the cutoff is gone, and first pitch, as last announced, ends it.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl

from models.features.arrays import Array
from models.features.catalogue import CONTEXT
from models.features.fold import FoldRules
from models.features.history import LINES, Frames, History
from models.features.kernel import FeatureSet
from models.features.layout import MARKET_INDEX, MARKETS, MAX_BOOKS
from models.features.offline import records
from schemas.markets import GameStatus
from schemas.time import US_PER_SECOND

OPEN, CLOSE = "open", "close"

_UTC = pl.Datetime("us", "UTC")
_NO_CUTOFF_US = -(10**15)
"""Some thirty years after first pitch."""
_ELO = CONTEXT.index("elo_home")

PRICES = pl.Schema(
    {
        "game_id": pl.String(),
        "market": pl.String(),
        "moment": pl.String(),
        "as_of_us": pl.Int64(),
        "probability": pl.Float64(),
        "line": pl.Float64(),
        "books": pl.Int64(),
        "seconds_before_start": pl.Float64(),
    }
)
"""One row a game, market and moment (`open`, `close`); a price that never was has none.

`line` is null for the moneyline. `seconds_before_start`: from when the newest of the `books`
quotes was last known to stand, to first pitch as last announced."""


class References(NamedTuple):
    prices: pl.DataFrame
    """Columns `PRICES`."""
    elo: pl.DataFrame
    """game_id, as_of_us, probability that home wins; without the games that have no rating."""


def first_pitch(games: pl.DataFrame) -> pl.DataFrame:
    """game_id, start_us as last announced; when a suspended game goes on is no first pitch.

    games: columns as the archive has them.
    """
    return (
        games.filter(pl.col("status") != GameStatus.SUSPENDED.value)
        .sort("occurred_at_us", maintain_order=True)
        .group_by("game_id", maintain_order=True)
        .agg(pl.col("start_time_us").cast(pl.Int64).last().alias("start_us"))
    )


def before_first_pitch(frames: Frames) -> Frames:
    """Events strictly before it, of games that have one. Later prices are of another bet."""
    starts = first_pitch(frames.games)

    def early(frame: pl.DataFrame) -> pl.DataFrame:
        joined = frame.join(starts, on="game_id", how="inner", maintain_order="left")
        return joined.filter(pl.col("occurred_at_us").cast(pl.Int64) < pl.col("start_us")).drop(
            "start_us"
        )

    return Frames(early(frames.games), early(frames.splits), early(frames.lines), frames.results)


def market_prices(frames: Frames, rules: FoldRules, features: FeatureSet) -> pl.DataFrame:
    """Opening and closing consensus of each game and market, columns `PRICES`.

    Open: the first consensus, once the payload that brought it is in. Close: the last one before
    first pitch; where all books had withdrawn or gone stale by then, the last before that.
    """
    history = History.of(before_first_pitch(frames), replace(rules, cutoff_us=_NO_CUTOFF_US))
    starts = first_pitch(frames.games)
    pending, found = _attempts(history), []
    while pending.height:
        now = pending.filter(pl.col("attempt") == pl.col("attempt").min().over(*_WHICH))
        priced = _priced(history, features, now)
        there = priced.filter(pl.col("probability").is_not_nan())
        found.append(there)
        pending = pending.join(now, on=(*_WHICH, "attempt"), how="anti")
        pending = pending.join(there, on=_WHICH, how="anti")
    if not found:
        return pl.DataFrame(schema=PRICES)
    left = (pl.col("start_us") - pl.col("stood_us")) / US_PER_SECOND
    names = {place: market.value for place, market in enumerate(MARKETS)}
    moneyline = pl.col("market") == MARKET_INDEX["moneyline"]
    return (
        pl.concat(found)
        .join(starts, on="game_id", how="left")
        .with_columns(
            seconds_before_start=left,
            line=pl.when(~moneyline).then("line"),
            market=pl.col("market").replace_strict(names, return_dtype=pl.String),
        )
        .select(PRICES.names())
        .cast(PRICES)
        .sort("game_id", "market", "moment")
    )


_WHICH = ("game_id", "market", "moment")


def _attempts(history: History) -> pl.DataFrame:
    """game_id, market (number), moment, position, attempt: where to look, in this order.

    A consensus can begin only where a quote comes or is confirmed, so these positions are enough;
    for the close the last of all comes first.
    """
    names = pl.Series("game_id", history.game_ids, pl.String)
    rows = history.rows.filter("kept").sort("game", "position")
    rows = rows.with_columns(names.gather(rows["game"]).alias("game_id"))
    parts = []
    for number in range(len(MARKETS)):
        quoted = (
            (pl.col("kind") == LINES)
            & (pl.col("cell") // MAX_BOOKS == number)
            & pl.col("fair").is_not_nan()
        )
        told = quoted | pl.col("quotes_stand").fill_null(value=False)
        settled = (
            rows.with_columns(
                seen=quoted.fill_null(value=False).cum_sum().over("game"),
                told=told.fill_null(value=False).cum_sum().over("game"),
            )
            .filter("settles")
            .with_columns(before=pl.col("told").shift(1, fill_value=0).over("game"))
            .filter(pl.col("seen") > 0)
        )
        news = settled.filter(pl.col("told") > pl.col("before"))
        last = settled.group_by("game_id").agg(pl.col("position").max())
        place = pl.col("position").cast(pl.Int64)
        parts += [
            news.select("game_id", "position", moment=pl.lit(OPEN), attempt=place),
            news.select("game_id", "position", moment=pl.lit(CLOSE), attempt=-place),
            last.select("game_id", "position", moment=pl.lit(CLOSE), attempt=-place),
        ]
        parts[-3:] = [part.with_columns(market=pl.lit(number)) for part in parts[-3:]]
    return pl.concat(parts).unique([*_WHICH, "attempt"])


def _priced(history: History, features: FeatureSet, wanted: pl.DataFrame) -> pl.DataFrame:
    """The market then: as_of_us, probability (NaN without one), line, books, stood_us."""
    decisions = wanted.select("game_id", "position").unique(maintain_order=True)
    numbers: list[tuple[Array, ...]] = []
    for rows in records(history, decisions):
        view = features.view(rows)
        as_of = rows["as_of_us"]
        stood = as_of[:, None] - np.where(view.books > 0, view.newest_age_us, 0)
        numbers.append((as_of, view.consensus, view.line, view.books, stood))
    as_of, consensus, line, books, stood = map(np.concatenate, zip(*numbers, strict=True))
    place = wanted.join(decisions.with_row_index("place"), on=("game_id", "position"), how="left")
    at = place["place"].to_numpy(), place["market"].to_numpy()
    return place.select(*_WHICH).with_columns(
        as_of_us=as_of[at[0]],
        probability=consensus[at],
        line=line[at],
        books=books[at],
        stood_us=stood[at],
    )


def ratings(history: History, decisions: pl.DataFrame) -> pl.DataFrame:
    """Elo's chance of the home team as the features had it: game_id, as_of_us, probability.

    decisions: game_id, as_of_us. Rows without a rating are left out.
    """
    wanted = decisions.select("game_id", "as_of_us").unique(maintain_order=True)
    positions = history.positions_at(wanted)
    chance = np.concatenate([rows["context"][:, _ELO] for rows in records(history, positions)])
    return wanted.with_columns(probability=chance).filter(pl.col("probability").is_not_nan())
