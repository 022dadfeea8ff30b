"""The events of finished days as columns: what the fold would accept of them, and when.

The fold decides event by event; here each of its decisions is a column over all events at once:
accepted or refused, the start known then, the position at which an event enters the features,
and the positions at which the live flow scores.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple, Self

import polars as pl

from models.features.catalogue import CONTEXT
from models.features.fold import PLAYABLE, SEEN_BUCKET_US, FoldRules
from models.features.layout import MARKET_INDEX, MAX_BOOKS, MAX_SOURCES, ORDER_BITS
from models.odds import DEVIG
from schemas.markets import GameStatus
from schemas.sections.scoring import SPLIT_POOLS

GAMES, SPLITS, LINES = 0, 1, 2
"""Kinds of events, in the order of a replay at equal times."""

_MASK = (1 << ORDER_BITS) - 1
_EVENT = ("event_id", "game_id", "source", "occurred_at_us", "settles")
_OWN: dict[int, tuple[str, ...]] = {
    GAMES: ("start_time_us", "status", "context", "context_as_of_us", "quotes_stand"),
    SPLITS: ("book", "market", "tickets_home_over_pct", "handle_home_over_pct"),
    LINES: ("book", "market", "price_home_over", "price_away_under", "line"),
}


class Frames(NamedTuple):
    """Topics of the archive, columns as there, rows in its order.

    Where the first three carry a column `arrival`, an integer, that is the order instead.
    """

    games: pl.DataFrame
    splits: pl.DataFrame
    lines: pl.DataFrame
    results: pl.DataFrame

    def filter(self, *rows: pl.Expr) -> "Frames":
        return Frames(*(frame.filter(*rows) for frame in self))

    def of_games(self, game_ids: list[str]) -> "Frames":
        return self.filter(pl.col("game_id").is_in(game_ids))


def event_table(frames: Frames) -> pl.DataFrame:
    """All events of the score flow's topics in the order in which it would read them."""
    parts = []
    for kind, frame in zip(_OWN, frames[:3], strict=True):
        columns = [name for name in (*_EVENT, *_OWN[kind], "arrival") if name in frame.columns]
        parts.append(
            frame.select(columns)
            .with_columns(pl.col(pl.Datetime("us", "UTC")).cast(pl.Int64))
            .with_columns(pl.lit(kind, pl.Int64).alias("kind"))
            .with_row_index("place")
        )
    table = pl.concat(parts, how="diagonal")
    first = ["arrival"] if "arrival" in table.columns else []
    table = table.sort(*first, "occurred_at_us", "kind", "game_id", "place")
    return table.rename({"occurred_at_us": "at_us"})


@dataclass(frozen=True)
class History:
    """Some games, each from its first event on."""

    rules: FoldRules
    game_ids: list[str]
    """Sorted; `game` below is a place in it."""
    rows: pl.DataFrame
    """Accepted events and their repeats, by game, then arrival: game, row (its number in the
    game), kept (not a repeat), position, what the event says, and what `_known` and `_entered`
    add."""
    results: pl.DataFrame
    """game_id, home_score, away_score, over_us (when that was known) of those that are over."""

    @classmethod
    def of(cls, frames: Frames, rules: FoldRules) -> Self:
        """Books that are not known and events that the fold would refuse are left out."""
        table = event_table(frames)
        game_ids = sorted(table["game_id"].unique().to_list())
        table = table.with_columns(
            pl.col("game_id").cast(pl.Enum(game_ids)).to_physical().cast(pl.Int64).alias("game")
        )
        table = table.filter(
            (pl.col("kind") == GAMES)
            | pl.col("book").is_in([book for book in rules.book_index if book not in SPLIT_POOLS])
            | ((pl.col("kind") == SPLITS) & pl.col("book").is_in(SPLIT_POOLS))
        )
        rows = _accepted(_coded(table, rules), rules)
        rows = _entered(_known(rows, rules))
        results = frames.results.group_by("game_id", maintain_order=True).agg(
            pl.col("home_score", "away_score").last(),
            pl.col("occurred_at_us").cast(pl.Int64).last().alias("over_us"),
        )
        return cls(rules, game_ids, _signalled(rows, rules), results)

    @cached_property
    def entered(self) -> pl.DataFrame:
        """Events that features use, with `entry`, the position from which on they do."""
        return self.rows.filter(pl.col("entry").is_not_null())

    def scored(self) -> pl.DataFrame:
        """game_id, position, as_of_us, start_us at which the live flow scores, in its order."""
        candidate = pl.col("settles") & pl.col("open") & pl.col("kept")
        changes = pl.col("dirty").cum_sum().over("game")
        found = (
            self.rows.with_columns(changes.alias("changes"))
            .filter(candidate)
            .filter(
                pl.col("changes") > pl.col("changes").shift(1, fill_value=0).over("game"),
            )
        )
        return self._named(found).select("game_id", "position", "as_of_us", "start_us")

    def positions_at(self, moments: pl.DataFrame) -> pl.DataFrame:
        """game_id, as_of_us -> game_id, position after all events up to then; rows in order.

        Only of a history in the order of time, as archives are.
        """
        kept = self._named(self.rows.filter("kept")).select("game_id", "at_us", "position")
        found = (
            moments.with_row_index("place")
            .sort("as_of_us")
            .join_asof(
                kept.sort("at_us", "position"),
                left_on="as_of_us",
                right_on="at_us",
                by="game_id",
                check_sortedness=False,
            )
        )
        return found.sort("place").select("game_id", pl.col("position").fill_null(0))

    def _named(self, rows: pl.DataFrame) -> pl.DataFrame:
        names = pl.Series("game_id", self.game_ids, pl.String)
        return rows.with_columns(names.gather(rows["game"]).alias("game_id"))


def _coded(table: pl.DataFrame, rules: FoldRules) -> pl.DataFrame:
    """Ids as hashes, names as numbers, prices as fair probabilities."""
    digests = [
        int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")
        for name in table["event_id"].to_list()
    ]
    table = table.with_columns(pl.Series("digest", digests, pl.UInt64)).with_columns(
        order=pl.col("at_us") * (1 << ORDER_BITS) + (pl.col("digest") % (_MASK + 1)).cast(pl.Int64),
        bucket=pl.col("at_us") // SEEN_BUCKET_US,
        cell=pl.col("market").replace_strict(MARKET_INDEX, return_dtype=pl.Int64) * MAX_BOOKS
        + pl.col("book").replace_strict(rules.book_index, default=None, return_dtype=pl.Int64),
    )
    return _priced(table, rules).select(pl.exclude("event_id", "game_id", "book", "market"))


def _priced(table: pl.DataFrame, rules: FoldRules) -> pl.DataFrame:
    """fair, line, first, second as the fold has them; NaN where nothing is quoted."""
    first, second = pl.col("price_home_over"), pl.col("price_away_under")
    quoted = first.is_not_null() & second.is_not_null()
    pairs = table.filter(quoted).select("price_home_over", "price_away_under").unique()
    devig = DEVIG[rules.devig]
    fair = [devig(one, other) for one, other in pairs.iter_rows()]
    line = pl.when(pl.col("line") != 0.0).then("line").otherwise(0.0)
    return table.join(
        pairs.with_columns(pl.Series("fair", fair, pl.Float64)),
        on=("price_home_over", "price_away_under"),
        how="left",
        maintain_order="left",
    ).with_columns(
        pl.col("fair").fill_null(float("nan")),
        line=pl.when(quoted).then(line).otherwise(float("nan")),
        first=pl.when(quoted).then(first).otherwise(float("nan")),
        second=pl.when(quoted).then(second).otherwise(float("nan")),
        tickets=pl.col("tickets_home_over_pct").fill_null(float("nan")),
        handle=pl.col("handle_home_over_pct").fill_null(float("nan")),
    )


def _accepted(table: pl.DataFrame, rules: FoldRules) -> pl.DataFrame:
    """Without what is too late, names strange features or comes from one source too many.

    Whether an event is accepted depends on those accepted before it. So it is decided again with
    what the last round accepted until that no longer changes: the first event is right after one
    round, and each round puts the next wrong one right.
    """
    table = table.sort("game", maintain_order=True)
    understood = ~pl.col("context").is_in(_strange(table["context"])).fill_null(value=False)
    table = table.with_columns(
        row=pl.int_range(pl.len()).over("game"), understood=understood, kept=understood
    )
    while True:
        newest = pl.when("kept").then("at_us").cum_max().shift(1).forward_fill().over("game")
        on_time = (pl.col("at_us") >= newest - rules.late_us).fill_null(value=True)
        # Step by step: a window within a window would be taken inside the outer one's groups.
        decided = (
            table.with_columns(heard=pl.when(pl.col("understood") & on_time).then("row"))
            .with_columns(heard_source=pl.col("heard").min().over("game", "source"))
            .with_columns(
                known=pl.col("heard").is_not_null()
                & (pl.col("heard_source").rank("dense").over("game") <= MAX_SOURCES)
            )
        )
        first = pl.when("known").then("row").min().over("game", "digest", "bucket")
        decided = decided.with_columns(
            kept=(pl.col("known") & (first == pl.col("row"))).fill_null(value=False)
        )
        settled = decided["kept"].equals(table["kept"])
        table = decided
        if settled:
            break
    return table.filter("known").with_columns(
        position=pl.col("kept").cum_sum().over("game").cast(pl.Int64),
        source_place=pl.col("source").rank("dense").over("game").cast(pl.Int64) - 1,
    )


def _strange(contexts: pl.Series) -> list[str]:
    """Those that name team features which are not in the catalogue."""
    known = frozenset(CONTEXT)
    return [text for text in contexts.drop_nulls().unique() if json.loads(text).keys() - known]


def _known(rows: pl.DataFrame, rules: FoldRules) -> pl.DataFrame:
    """start_us, status_now and cutoff_us as known after each event; which updates said so."""
    update = pl.when(pl.col("kept") & (pl.col("kind") == GAMES)).then("order")
    best = update.cum_max().shift(1).forward_fill().over("game")
    said = update.is_not_null() & (best.is_null() | (update > best))
    rows = rows.with_columns(announces=said).with_columns(
        start_us=pl.when("announces").then("start_time_us").forward_fill().over("game"),
        status_now=pl.when("announces").then("status").forward_fill().over("game"),
    )
    before = {name: pl.col(name).shift(1).over("game") for name in ("start_us", "status_now")}
    return rows.with_columns(
        cutoff_us=pl.col("start_us") - rules.cutoff_us,
        rescheduled=pl.col("announces")
        & (
            (pl.col("start_us") != before["start_us"].fill_null(0))
            | (pl.col("status_now") != before["status_now"].fill_null(GameStatus.SCHEDULED.value))
        ),
    )


def _entered(rows: pl.DataFrame) -> pl.DataFrame:
    """entry: the position from which on features use the event; none where they never do.

    That is its own position, unless it lies past the cutoff known then: it is held back, and
    enters when the start is moved so that it lies before, if no newer one has taken its place.
    """
    past = (pl.col("at_us") > pl.col("cutoff_us")).fill_null(value=False)
    rows = rows.with_columns(
        entry=pl.when(pl.col("kept") & ~past).then("position"),
    )
    held = rows.filter(pl.col("kept") & past).select(
        "game", "row", "at_us", "order", "position", slot=_slots()
    )
    rises = pl.col("cutoff_us") > pl.col("cutoff_us").shift(1).over("game")
    later = rows.filter(pl.col("announces") & rises).select(
        "game", "cutoff_us", pl.col("position").alias("moved")
    )
    freed = (
        held.join(later, on="game")
        .filter((pl.col("moved") > pl.col("position")) & (pl.col("at_us") <= pl.col("cutoff_us")))
        .group_by("game", "row")
        .agg(pl.col("moved").min())
    )
    if freed.is_empty():
        return rows
    held = held.explode("slot").join(freed, on=("game", "row"), how="left")
    never = (1 << 62) - 1
    overtaken = (
        held.filter(pl.col("moved").is_not_null())
        .join(held, on=("game", "slot"), suffix="_other")
        .filter(
            (pl.col("position_other") <= pl.col("moved"))
            & (pl.col("moved_other").fill_null(never) >= pl.col("position"))
            & (
                (pl.col("order_other") > pl.col("order"))
                | (
                    (pl.col("order_other") == pl.col("order"))
                    & (pl.col("position_other") < pl.col("position"))
                )
            )
        )
        .select("game", "row", "slot")
        .unique()
    )
    freed = (
        held.filter(pl.col("moved").is_not_null())
        .join(overtaken, on=("game", "row", "slot"), how="anti")
        .select("game", "row", "moved")
        .unique()
    )
    return (
        rows.join(freed, on=("game", "row"), how="left", maintain_order="left")
        .with_columns(pl.coalesce("entry", "moved"))
        .drop("moved")
    )


def _slots() -> pl.Expr:
    """Numbers of the places in which a newer event would overtake this one while it is held.

    Quotes have one a cell, splits one a cell and source, updates one a source and, with a
    context, another for all sources.
    """
    source = pl.col("source_place")
    return (
        pl.when(pl.col("kind") == LINES)
        .then(pl.concat_list("cell"))
        .when(pl.col("kind") == SPLITS)
        .then(pl.concat_list((pl.col("cell") + 1) * 1_000 + source))
        .when(pl.col("context").is_null())
        .then(pl.concat_list(-1 - source))
        .otherwise(pl.concat_list(-1 - source, -1_000))
    )


def _signalled(rows: pl.DataFrame, rules: FoldRules) -> pl.DataFrame:
    """dirty: features changed with the event; open: the game may be priced; as_of_us after it."""
    entered = rows.filter(pl.col("entry").is_not_null()).sort(
        # What was held back enters after the update that lets it in.
        "game",
        "entry",
        pl.col("position") < pl.col("entry"),
        "row",
    )
    described = pl.when(pl.col("context").is_not_null()).then("order")
    newest = described.cum_max().shift(1).forward_fill().over("game")
    stands = pl.when("quotes_stand").then("at_us")
    confirmed = stands.cum_max().shift(1).forward_fill().over("game", "source")
    changes = (
        (pl.col("kind") != GAMES)
        | (described > newest.fill_null(0))
        | (stands - confirmed.fill_null(0) > rules.stale_us)
    )
    at_entry = (
        entered.with_columns(changes=changes.fill_null(value=False))
        .group_by("game", "entry")
        .agg(pl.col("changes").any(), pl.col("at_us").max().alias("reached_us"))
    )
    newest_us = pl.when("kept").then("at_us").cum_max().forward_fill().over("game")
    playable = pl.col("status_now").is_in([status.value for status in PLAYABLE])
    return (
        rows.join(
            at_entry,
            left_on=("game", "position"),
            right_on=("game", "entry"),
            how="left",
            maintain_order="left",
        )
        .with_columns(
            dirty=pl.col("kept")
            & (pl.col("rescheduled") | pl.col("changes").fill_null(value=False)),
            open=(playable & (newest_us <= pl.col("cutoff_us"))).fill_null(value=False),
            as_of_us=pl.col("reached_us").cum_max().forward_fill().over("game").fill_null(0),
        )
        .drop("changes", "reached_us")
    )
