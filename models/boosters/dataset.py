"""Training rows: what the live flow's features were when it scored, at decision times."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from hashlib import sha256

import numpy as np
import polars as pl

from models.features.arrays import Array
from models.features.catalogue import NAMES
from models.features.history import History
from models.features.kernel import FeatureSet
from models.features.layout import MARKETS
from models.features.offline import Features, features_at
from schemas.errors import DataMissing
from schemas.events import day_of
from schemas.time import US_PER_MINUTE

DECISION_MINUTES: tuple[int, ...] = (60, 120, 180, 360, 720)
"""Minutes before first pitch; of the positions from one to the next earlier, the last is taken."""

_BOOKS = [NAMES.index(f"{market}_books") for market in MARKETS]


@dataclass(frozen=True)
class Sample:
    """Decisions of some games and what they rest on."""

    rows: pl.DataFrame
    """game_id, position, as_of_us, start_us (as known then), home_score, away_score, over_us (null
    where the game is not over), by game, then position."""
    features: Features
    """Rows in the same order."""


@dataclass(frozen=True)
class TrainingSet:
    """One row a game and decision time, in order of first pitch, then decision time."""

    game: Array
    """(n,) int, index of the game; rows of one game are neighbours."""
    game_ids: list[str]
    as_of_us: Array
    start_us: Array
    vectors: Array
    """(n, features) float32."""
    consensus: Array
    """(n, 3) no-vig probability of home or over; NaN without quotes."""
    line: Array
    """(n, 3)"""
    books: Array
    """(n, 3) int, books that made the consensus."""
    over_us: Array
    """(n,) when the result was known."""
    day: Array
    """(n,) days since 1970 of the date in the game id."""
    home_score: Array
    away_score: Array

    def __len__(self) -> int:
        return len(self.game)

    @cached_property
    def fingerprint(self) -> str:
        """Of every byte of it: equal rows have an equal one, wherever they were read."""
        digest = sha256("\n".join(self.game_ids).encode())
        for field in fields(self):
            if field.name != "game_ids":
                column = np.ascontiguousarray(getattr(self, field.name))
                digest.update(f"{field.name} {column.dtype} {column.shape}".encode())
                digest.update(column.tobytes())
        return digest.hexdigest()


def sample(
    history: History,
    features: FeatureSet,
    minutes: Sequence[int] = DECISION_MINUTES,
    over: bool = True,
) -> Sample:
    """The last position that was scored before each decision time.

    over: only games that have a result.
    """
    left = pl.col("start_us") - pl.col("as_of_us")
    reached = [(left >= one * US_PER_MINUTE).cast(pl.Int32) for one in minutes]
    rows = (
        history.scored()
        .with_columns(pl.sum_horizontal(reached).alias("reached"))
        .filter(pl.col("reached") > 0)
        .group_by("game_id", "reached", maintain_order=True)
        .last()
        .join(history.results, on="game_id", how="inner" if over else "left", maintain_order="left")
        .drop("reached")
        .sort("game_id", "position")
    )
    return Sample(rows, features_at(history, rows, features))


def build_training_set(samples: Iterable[Sample]) -> TrainingSet:
    """All rows of games that have a result. Raises DataMissing without any."""
    parts = list(samples)
    rows = pl.concat([part.rows for part in parts]) if parts else pl.DataFrame()
    if rows.is_empty():
        raise DataMissing("no game with both prices before the cutoff and a result")
    if rows.select("game_id", "position").is_duplicated().any():
        twice = rows.filter(rows.select("game_id", "position").is_duplicated())["game_id"][0]
        raise DataMissing(f"{twice} is in more than one archive: its games would count twice")
    # A start that moved splits a game's rows: all of them go to its last known start.
    last = pl.col("start_us").sort_by("as_of_us", "position").last().over("game_id")
    rows = rows.with_row_index("place").with_columns(last_us=last)
    over = pl.col("home_score").is_not_null()
    rows = rows.filter(over).sort("last_us", "game_id", "as_of_us", "position")
    place = rows["place"].to_numpy()
    game_ids = rows["game_id"].unique(maintain_order=True)
    game = rows["game_id"].cast(pl.Enum(game_ids)).to_physical().cast(pl.Int64).to_numpy()
    vectors, consensus, line = (
        np.concatenate([part.features[field] for part in parts])[place] for field in range(3)
    )
    days = np.array([day_of(game_id) for game_id in game_ids], "datetime64[D]").astype(np.int64)
    return TrainingSet(
        game=game,
        game_ids=game_ids.to_list(),
        as_of_us=rows["as_of_us"].to_numpy(),
        start_us=rows["last_us"].to_numpy(),
        vectors=vectors,
        consensus=consensus,
        line=line,
        books=np.nan_to_num(vectors[:, _BOOKS]).astype(np.int32),
        over_us=rows["over_us"].to_numpy(),
        day=days[game],
        home_score=rows["home_score"].cast(pl.Float64).to_numpy(),
        away_score=rows["away_score"].cast(pl.Float64).to_numpy(),
    )


def newest(data: TrainingSet, days: int) -> TrainingSet:
    """The games of the last so many days."""
    return only(data, data.day > data.day.max() - days)


def only(data: TrainingSet, rows: Array) -> TrainingSet:
    """The rows under the mask, which holds all rows of a game or none."""
    games, game = np.unique(data.game[rows], return_inverse=True)
    kept = {
        field.name: getattr(data, field.name)[rows]
        for field in fields(data)
        if field.name not in ("game", "game_ids")
    }
    return TrainingSet(game=game, game_ids=[data.game_ids[one] for one in games], **kept)
