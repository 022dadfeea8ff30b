"""Does a builder of features look at what it must not see?

A builder turns columns of events into vectors at decision times. It is run twice: with everything
and with what it may use alone. Equal bytes, or it leaks; the event is found by halving.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import polars as pl

from models.features.arrays import Array
from models.features.catalogue import NAMES
from models.features.fold import FoldRules
from models.features.history import Frames, History
from models.features.kernel import FeatureSet
from models.features.offline import features_at
from schemas.time import US_PER_MINUTE

Builder = Callable[[Frames, pl.DataFrame], Array]
"""(events, decisions: game_id, as_of_us) -> float32 vectors, shape (decisions, features)."""

WARM_UP_HOURS = (6, 12, 24, 48)
_UTC = pl.Datetime("us", "UTC")
AT_US = pl.col("occurred_at_us").cast(pl.Int64)


class Kind(StrEnum):
    FUTURE = "future"
    """An event after the decision."""
    OTHER_GAME = "other_game"
    """An event of another game, though before the decision."""
    PAST_CUTOFF = "past_cutoff"
    """A quote, split, context or confirmation later than any cutoff announced by then."""


@dataclass(frozen=True)
class Leak:
    kind: Kind
    feature: str
    """The first in catalogue order."""
    features: int
    """How many of them leak."""
    game_id: str
    as_of_us: int
    event_id: str
    event_game_id: str
    event_at_us: int


@dataclass(frozen=True)
class _Hidden:
    """Events with some of them taken out, which can be given back oldest first."""

    marked: Frames
    """With `rank`: null where an event stays, else its place among those taken out."""
    listed: pl.DataFrame
    """event_id, game_id, occurred_at_us of those taken out, in the order of `rank`."""
    blank: bool
    """Updates stay as announcements of the start; only what else they say is taken out."""

    @classmethod
    def of(cls, frames: Frames, hidden: Sequence[pl.Expr], blank: bool = False) -> "_Hidden":
        """hidden: which rows, a condition a frame."""
        placed = [
            frame.with_row_index("place").with_columns(gone=gone)
            for frame, gone in zip(frames, hidden, strict=True)
        ]
        listed = pl.concat(
            frame.filter("gone").select(
                "event_id",
                "game_id",
                "occurred_at_us",
                pl.lit(topic).alias("topic"),
                "place",
            )
            for topic, frame in enumerate(placed)
        )
        listed = listed.sort("occurred_at_us", "topic", "place").with_row_index("rank")
        marked = (
            frame.join(
                listed.filter(pl.col("topic") == topic).select("place", "rank"),
                on="place",
                how="left",
                maintain_order="left",
            ).drop("place", "gone")
            for topic, frame in enumerate(placed)
        )
        return cls(Frames(*marked), listed, blank)

    def with_first(self, count: int) -> Frames:
        """The oldest so many given back."""
        gone = (pl.col("rank") >= count).fill_null(value=False)
        frames = [frame.filter(~gone).drop("rank") for frame in self.marked]
        if self.blank:
            frames[0] = self.marked.games.with_columns(
                pl.when(~gone).then("context").alias("context"),
                pl.when(~gone).then("context_as_of_us").alias("context_as_of_us"),
                (~gone & pl.col("quotes_stand")).alias("quotes_stand"),
            ).drop("rank")
        return Frames(*frames)


def offline_builder(rules: FoldRules, features: FeatureSet) -> Builder:
    """The builder that trains models."""

    def build(frames: Frames, decisions: pl.DataFrame) -> Array:
        games = frames.of_games(decisions["game_id"].unique().to_list())
        history = History.of(games, rules)
        return features_at(history, history.positions_at(decisions), features).vectors

    return build


@dataclass(frozen=True)
class Check:
    """One builder and what it makes."""

    build: Builder
    cutoff_us: int
    """Length of the cutoff."""
    names: tuple[str, ...] = NAMES
    kinds: tuple[Kind, ...] = tuple(Kind)

    def at(self, frames: Frames, as_of_us: int, game_ids: Sequence[str]) -> Iterator[Leak]:
        """Leaks into the vectors of these games at one moment, at most one a kind and game.

        Whether other games get in is tried on the first game alone.
        """
        if Kind.FUTURE in self.kinds:
            hidden = _Hidden.of(frames, [as_of_us < AT_US] * 4)
            yield from self._leaks(Kind.FUTURE, hidden, as_of_us, game_ids)
        known = frames.filter(as_of_us >= AT_US)
        if Kind.OTHER_GAME in self.kinds:
            foreign = pl.col("game_id") != game_ids[0]
            hidden = _Hidden.of(known, [foreign] * 4)
            yield from self._leaks(Kind.OTHER_GAME, hidden, as_of_us, game_ids[:1])
        if Kind.PAST_CUTOFF in self.kinds:
            hidden = self._past_cutoff(known)
            yield from self._leaks(Kind.PAST_CUTOFF, hidden, as_of_us, game_ids)

    def _past_cutoff(self, known: Frames) -> _Hidden:
        """Before the first announcement nobody knows a cutoff; `reopened` games are not judged."""
        again = pl.col("game_id").is_in(reopened(known, self.cutoff_us))
        cutoffs = known.games.group_by("game_id").agg(
            (pl.col("start_time_us").cast(pl.Int64).max() - self.cutoff_us).alias("cutoff"),
            AT_US.min().alias("announced"),
        )
        joined = (
            frame.join(cutoffs, on="game_id", how="left", maintain_order="left") for frame in known
        )
        past = ((pl.col("cutoff") < AT_US) & (pl.col("announced") <= AT_US)).fill_null(value=False)
        says = pl.col("context").is_not_null() | pl.col("quotes_stand")
        past &= ~again
        found = _Hidden.of(Frames(*joined), [past & says, past, past, pl.lit(False)], blank=True)
        marked = Frames(*(frame.drop("cutoff", "announced") for frame in found.marked))
        return _Hidden(marked, found.listed, blank=True)

    def _leaks(
        self, kind: Kind, hidden: _Hidden, as_of_us: int, game_ids: Sequence[str]
    ) -> Iterator[Leak]:
        if hidden.listed.is_empty():
            return
        allowed = self._vectors(hidden.with_first(0), as_of_us, game_ids)
        whole = self._vectors(hidden.with_first(hidden.listed.height), as_of_us, game_ids)
        for game_id, one, other in zip(game_ids, allowed, whole, strict=True):
            columns = np.flatnonzero(differ(one, other))
            if len(columns):
                column = int(columns[0])
                event = self._culprit(hidden, as_of_us, game_id, one, column)
                yield Leak(
                    kind, self.names[column], len(columns), game_id, as_of_us,
                    *hidden.listed.select("event_id", "game_id", AT_US).row(event),
                )  # fmt: skip

    def _culprit(
        self, hidden: _Hidden, as_of_us: int, game_id: str, allowed: Array, column: int
    ) -> int:
        """The event that changes the feature when it is given back after all before it."""
        equal, different = 0, hidden.listed.height
        while different - equal > 1:
            middle = (equal + different) // 2
            (vector,) = self._vectors(hidden.with_first(middle), as_of_us, [game_id])
            if differ(allowed, vector)[column]:
                different = middle
            else:
                equal = middle
        return different - 1

    def _vectors(self, frames: Frames, as_of_us: int, game_ids: Sequence[str]) -> Array:
        return self.build(frames, decisions_at(as_of_us, game_ids))


def reopened(known: Frames, cutoff_us: int) -> list[str]:
    """Games whose start was moved later when their cutoff had passed already.

    Of what is held back past a cutoff only the newest is kept, so a quote past the new cutoff can
    have taken the place of one before it. Nothing is priced while that can be: the game is locked.
    """
    cutoff = pl.col("start_time_us").cast(pl.Int64) - cutoff_us
    updates = known.games.sort("occurred_at_us", maintain_order=True).select(
        "game_id", AT_US.alias("at"), cutoff.alias("cutoff")
    )
    before = pl.col("cutoff").shift(1).over("game_id")
    found = updates.filter((pl.col("cutoff") > before) & (pl.col("at") > before))
    return found["game_id"].unique().sort().to_list()


def decisions_at(as_of_us: int, game_ids: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"game_id": list(game_ids), "as_of_us": [as_of_us] * len(game_ids)},
        schema={"game_id": pl.String, "as_of_us": pl.Int64},
    )


def differ(one: Array, other: Array) -> Array:
    """Where float32 vectors differ in their bits; one missing value is as good as another."""
    both = np.isnan(one) & np.isnan(other)
    different: Array = (one.view(np.uint32) != other.view(np.uint32)) & ~both
    return different


def since_open(name: str) -> bool:
    """Whether a feature by its definition looks back to a game's first event."""
    return name == "minutes_since_open" or name.endswith(
        ("_change_open", "_move_rate", "_tickets_shift", "_handle_shift")
    )


def warm_up(
    build: Builder, frames: Frames, as_of_us: int, game_ids: Sequence[str], hours: float
) -> Array:
    """(features,) in how many vectors each feature is another when the events begin so late.

    Hours count back from each game's newest event, where its windows end. What stood when they
    begin is known: the last quote, splits, schedule, context and word that quotes stand, as a
    source gives them to whoever joins.
    """
    decisions = decisions_at(as_of_us, game_ids)
    known = frames.filter(as_of_us >= AT_US).of_games(list(game_ids))
    length_us = int(hours * 60 * US_PER_MINUTE)
    whole, short = build(known, decisions), build(_beginning(known, length_us), decisions)
    counts: Array = differ(whole, short).sum(axis=0)
    return counts


def _beginning(frames: Frames, length_us: int) -> Frames:
    newest = pl.concat(frame.select("game_id", AT_US.alias("begins")) for frame in frames[:3])
    begins = newest.group_by("game_id").agg(pl.col("begins").max() - length_us)
    frames = Frames(
        *(frame.join(begins, on="game_id", how="left", maintain_order="left") for frame in frames)
    )
    before = pl.col("begins") >= AT_US

    def standing(keys: Sequence[str], rows: pl.Expr | None = None) -> pl.Expr:
        """The newest of each before, and all others at its time."""
        some = before if rows is None else before & rows
        newest = pl.when(some).then(AT_US).max().over(keys)
        return some & (newest == AT_US)

    described = pl.col("context").is_not_null()
    begun = Frames(
        frames.games.filter(
            ~before
            | standing(["game_id"])
            | standing(["game_id"], described)
            | standing(["game_id", "source"], pl.col("quotes_stand"))
        ),
        frames.splits.filter(~before | standing(["game_id", "market", "book", "source"])),
        frames.lines.filter(~before | standing(["game_id", "market", "book"])),
        frames.results.filter(~before),
    )
    return Frames(*(frame.drop("begins") for frame in begun))
