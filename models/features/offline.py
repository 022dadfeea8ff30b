"""Game records at any positions, from columns: what the live fold would hold there, bit for bit.

No event is folded. Each field of a record is looked up in sorted columns: the newest of a cell
by event time among what had entered by then, or the last step of something that only grows.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from models.features.arrays import Array
from models.features.catalogue import CONTEXT, SPLIT_SOURCES
from models.features.history import GAMES, LINES, SPLITS, History
from models.features.kernel import FeatureSet
from models.features.layout import (
    GAME,
    MARKETS,
    MAX_BOOKS,
    MAX_SOURCES,
    ORDER_BITS,
    RINGS,
    Ring,
    empty_game,
)

BATCH = 512
"""Records to one kernel call: 28 kB each."""

_QUOTE = ("fair", "line", "first", "second")
"""Columns behind `probability, line, price_first, price_second`."""


class Features(NamedTuple):
    """What a decision rests on; rows as the decisions."""

    vectors: Array
    """(n, features) float32."""
    consensus: Array
    """(n, 3)"""
    line: Array
    """(n, 3)"""


def features_at(history: History, decisions: pl.DataFrame, features: FeatureSet) -> Features:
    """decisions: columns game_id, position."""
    vectors, consensus, line = [], [], []
    for rows in records(history, decisions):
        view = features.view(rows)
        vectors.append(features.vectors(rows, view))
        consensus.append(view.consensus)
        line.append(view.line)
    return Features(np.concatenate(vectors), np.concatenate(consensus), np.concatenate(line))


def records(history: History, decisions: pl.DataFrame) -> Iterator[Array]:
    """Batches of records, dtype GAME, in the order of the decisions (game_id, position).

    Position 0 is a game of which nothing is known, and so is a game that is not in the history.
    At least one batch, if an empty one.
    """
    tables = _Tables(history)
    places = {game_id: place for place, game_id in enumerate(history.game_ids)}
    unknown = len(places)
    game = np.array([places.get(name, unknown) for name in decisions["game_id"]], np.int64)
    position = decisions["position"].to_numpy()
    for begin in range(0, max(len(game), 1), BATCH):
        yield tables.records(game[begin : begin + BATCH], position[begin : begin + BATCH])


class _Steps:
    """Rows of groups, each from a position on; the last one at a position is looked up."""

    def __init__(self, group: Array, position: Array) -> None:
        """Sorted by group, then position."""
        self._width = int(position.max(initial=0)) + 2
        self._key = group * self._width + np.minimum(position, self._width - 1)

    def last(self, group: Array, position: Array) -> tuple[Array, Array]:
        """(place of the last row at or before the position, number of rows so far).

        The place is -1 where there is none.
        """
        found = np.searchsorted(
            self._key, group * self._width + np.minimum(position, self._width - 1), side="right"
        )
        count = found - np.searchsorted(self._key, group * self._width)
        return np.where(count > 0, found - 1, -1), count


class _Cells:
    """Events of cells of games in the order of event time, each entering at a position."""

    def __init__(self, rows: pl.DataFrame) -> None:
        """rows: game, cell, order, entry and what is looked up."""
        rows = rows.sort("game", "cell", "order", "entry", descending=[False, False, False, True])
        self.rows = rows
        game, cell = rows["game"].to_numpy(), rows["cell"].to_numpy()
        at = rows["order"].to_numpy() >> ORDER_BITS
        self._entry = rows["entry"].to_numpy()
        self._times = np.unique(at)
        begins = np.flatnonzero(np.diff(game, prepend=-1) | np.diff(cell, prepend=-1))
        self.game, self.cell = game[begins], cell[begins]
        """Of each distinct (game, cell)."""
        self._begins = begins
        number = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(game)))
        self._key = number * (len(self._times) + 1) + np.searchsorted(self._times, at)

    def of_games(self, game: Array) -> tuple[Array, Array]:
        """Every cell of each game: (place in `game`, number of the cell), both flat."""
        first = np.searchsorted(self.game, game)
        count = np.searchsorted(self.game, game, side="right") - first
        where = np.repeat(np.arange(len(game)), count)
        within = np.arange(len(where)) - np.repeat(np.cumsum(count) - count, count)
        return where, first[where] + within

    def newest(self, number: Array, until_us: Array, position: Array) -> Array:
        """Place of the cell's newest row up to a moment that had entered by the position; -1."""
        rank = np.searchsorted(self._times, until_us, side="right")
        place = np.searchsorted(self._key, number * (len(self._times) + 1) + rank) - 1
        first = np.broadcast_to(self._begins[number], place.shape)
        position = np.broadcast_to(position, place.shape)
        # A few rows at most are of that time and still to come: late ones, or held back.
        while (early := (place >= first) & (self._entry[place] > position)).any():
            place = place - early
        return np.where(place >= first, place, -1)


class _Tables:
    """The columns of a history, sorted for look-up."""

    def __init__(self, history: History) -> None:
        kind = pl.col("kind")
        kept, entered = history.rows.filter("kept"), history.entered
        self._lines = _Cells(entered.filter(kind == LINES))
        self._splits = _Cells(entered.filter(kind == SPLITS))
        told = entered.filter((kind == SPLITS) & pl.col("source").is_in(SPLIT_SOURCES))
        number = pl.col("source").replace_strict(
            {name: place for place, name in enumerate(SPLIT_SOURCES)}, return_dtype=pl.Int64
        )
        self._told = _Cells(
            told.with_columns(cell=number * (len(MARKETS) * MAX_BOOKS) + pl.col("cell"))
        )
        self._first_quote = _First(entered.filter((kind == LINES) & pl.col("fair").is_not_nan()))
        self._first_splits = _First(entered.filter(kind == SPLITS))
        self._moves = _Moves(entered.filter(kind == LINES))

        self._kept = kept.select("game", "position", "row")
        self._at = _Steps(*_columns(kept, "game", "position"))
        self._announced = kept.filter("announces")
        self._announcement = _Steps(*_columns(self._announced, "game", "position"))
        # What was held back enters after the update that lets it in.
        ordered = entered.sort("game", "entry", pl.col("position") < pl.col("entry"), "row")
        self._reached = ordered.select(
            "game", "entry", pl.col("at_us").cum_max().over("game").alias("reached_us")
        )
        self._reach = _Steps(*_columns(self._reached, "game", "entry"))
        updates = ordered.filter(kind == GAMES).with_columns(
            seen_us=pl.col("at_us").cum_max().over("game")
        )
        self._updates, self._update = updates, _Steps(*_columns(updates, "game", "entry"))
        best = pl.col("order").cum_max().shift(1).over("game")
        self._described = updates.filter(pl.col("context").is_not_null()).filter(
            best.is_null() | (pl.col("order") > best)
        )
        self._description = _Steps(*_columns(self._described, "game", "entry"))
        self._sources = _Sources(history.rows, updates, len(history.game_ids) + 1)

    def records(self, game: Array, position: Array) -> Array:
        # Bytes, because a numpy copy would leave the padding between fields to chance.
        rows = np.frombuffer(bytearray(empty_game().tobytes() * len(game)), GAME)
        place, _ = self._at.last(game, position)
        arrival = _gather(self._kept["row"], place, -1)

        place, _ = self._reach.last(game, position)
        rows["as_of_us"] = _gather(self._reached["reached_us"], place, 0)
        for ring in RINGS:
            rows[ring.head] = rows["as_of_us"] // ring.width_us
        place, _ = self._announcement.last(game, position)
        rows["start_us"] = _gather(self._announced["start_us"], place, 0)
        rows["start_order"] = _gather(self._announced["order"], place, 0)
        place, _ = self._update.last(game, position)
        rows["games_at_us"] = _gather(self._updates["seen_us"], place, 0)
        self._describe(rows, game, position)
        places = self._sources.fill(rows, game, position, arrival)
        self._quotes(rows, game, position, places)
        self._shares(rows, game, position)
        self._moves.fill(rows, game, position)
        return rows

    def _describe(self, rows: Array, game: Array, position: Array) -> None:
        place, _ = self._description.last(game, position)
        rows["context_order"] = _gather(self._described["order"], place, 0)
        rows["context_as_of_us"] = _gather(self._described["context_as_of_us"], place, 0)
        for text in np.unique(place[place >= 0]):
            said = json.loads(self._described["context"][int(text)])
            rows["context"][place == text] = [said.get(name, np.nan) for name in CONTEXT]

    def _quotes(self, rows: Array, game: Array, position: Array, places: Array) -> None:
        cells, as_of = self._lines, rows["as_of_us"]
        where, number = cells.of_games(game)
        market, book = np.divmod(cells.cell[number], MAX_BOOKS)
        at = (where, market, book)
        newest = cells.newest(number, as_of[where], position[where])
        columns = {name: cells.rows[name] for name in _QUOTE}
        for name, column in zip(
            ("probability", "line", "price_first", "price_second"), columns.values(), strict=True
        ):
            rows[name][at] = _gather(column, newest, np.nan)
        rows["quote_order"][at] = _gather(cells.rows["order"], newest, 0)
        source = _gather(cells.rows["source_place"], newest, -1)
        rows["quote_source"][at] = np.where(source >= 0, places[where, source], 0)
        for ring in RINGS:
            ends = _tiles(rows, ring) * ring.width_us + ring.width_us - 1
            until = np.minimum(ends, as_of[:, None])[where]
            found = cells.newest(number[:, None], until, position[where][:, None])
            tiles = (where, slice(None), market, book)
            rows[ring.order][tiles] = _gather(cells.rows["order"], found, 0)
            for name, column in zip(ring.quotes, columns.values(), strict=False):
                rows[name][tiles] = _gather(column, found, np.nan)
        self._first_quote.fill(
            rows,
            (game, position),
            {"open_probability": "fair", "open_line": "line"},
            "open_order",
        )

    def _shares(self, rows: Array, game: Array, position: Array) -> None:
        for cells, orders, shares in (
            (self._splits, "splits_order", {"tickets": "tickets", "handle": "handle"}),
            (self._told, "source_handle_order", {"source_handle": "handle"}),
        ):
            where, number = cells.of_games(game)
            newest = cells.newest(number, rows["as_of_us"][where], position[where])
            at = (where, *np.unravel_index(cells.cell[number], rows[orders].shape[1:]))
            rows[orders][at] = _gather(cells.rows["order"], newest, 0)
            for name, column in shares.items():
                rows[name][at] = _gather(cells.rows[column], newest, np.nan)
        self._first_splits.fill(
            rows,
            (game, position),
            {"open_tickets": "tickets", "open_handle": "handle"},
            "open_splits_order",
        )


class _First:
    """The oldest event of each cell: another only when an older one comes late."""

    def __init__(self, rows: pl.DataFrame) -> None:
        least = pl.col("order").cum_min().shift(1).over("game", "cell")
        rows = rows.sort("game", "cell", "entry", "position")
        self._rows = rows.filter(least.is_null() | (pl.col("order") < least))
        game, cell = _columns(self._rows, "game", "cell")
        self._steps = _Steps(game * _CELLS + cell, self._rows["entry"].to_numpy())

    def fill(
        self,
        rows: Array,
        at: tuple[Array, Array],  # game, position
        fields: dict[str, str],  # of the record -> column
        order: str,
    ) -> None:
        game, position = (np.repeat(one, _CELLS) for one in at)
        cell = np.tile(np.arange(_CELLS), len(rows))
        place, _ = self._steps.last(game * _CELLS + cell, position)
        shape = rows[order].shape
        rows[order] = _gather(self._rows["order"], place, 0).reshape(shape)
        for name, column in fields.items():
            rows[name] = _gather(self._rows[column], place, np.nan).reshape(shape)


class _Moves:
    """How many quotes had entered, in all and in each tile."""

    def __init__(self, lines: pl.DataFrame) -> None:
        game, cell = _columns(lines, "game", "cell")
        market, entry = game * len(MARKETS) + cell // MAX_BOOKS, lines["entry"].to_numpy()
        self._all = _Steps(*_sorted(market, entry))
        self._in_tile: list[tuple[Array, _Steps]] = []
        for ring in RINGS:
            tile = _tile_key(market, lines["at_us"].to_numpy() // ring.width_us)
            tiles, number = np.unique(tile, return_inverse=True)
            self._in_tile.append((tiles, _Steps(*_sorted(number, entry))))

    def fill(self, rows: Array, game: Array, position: Array) -> None:
        market = game[:, None] * len(MARKETS) + np.arange(len(MARKETS))
        rows["moves"] = self._all.last(market, position[:, None])[1]
        for ring, (tiles, steps) in zip(RINGS, self._in_tile, strict=True):
            wanted = _tile_key(market[:, None, :], _tiles(rows, ring)[:, :, None])
            number = np.searchsorted(tiles, wanted)
            there = number < len(tiles)
            there[there] = tiles[number[there]] == wanted[there]
            count = steps.last(number, position[:, None, None])[1]
            rows[ring.moves] = np.where(there, count, 0)


class _Sources:
    """Sources of each game in the order of their names, from the event on that brought them."""

    def __init__(self, known: pl.DataFrame, updates: pl.DataFrame, games: int) -> None:
        heard = known.group_by("game", "source_place").agg(pl.col("row").min())
        self._since = np.full((games, MAX_SOURCES), np.iinfo(np.int64).max)
        """(games, sources) number of the first row."""
        self._since[heard["game"].to_numpy(), heard["source_place"].to_numpy()] = heard["row"]
        stands = updates.filter("quotes_stand").sort("game", "source_place", maintain_order=True)
        self._confirmed = stands.select(pl.col("at_us").cum_max().over("game", "source_place"))[
            "at_us"
        ]
        game, place = _columns(stands, "game", "source_place")
        self._steps = _Steps(game * MAX_SOURCES + place, stands["entry"].to_numpy())

    def fill(self, rows: Array, game: Array, position: Array, arrival: Array) -> Array:
        """(n, sources) the record's place of each source that the game will ever have."""
        group = game[:, None] * MAX_SOURCES + np.arange(MAX_SOURCES)
        found, _ = self._steps.last(group, position[:, None])
        confirmed = _gather(self._confirmed, found, 0)
        there = self._since[game] <= arrival[:, None]
        places = np.cumsum(there, axis=1) - 1
        where, source = np.nonzero(there)
        rows["confirmed_us"][where, places[where, source]] = confirmed[where, source]
        return places


_CELLS = len(MARKETS) * MAX_BOOKS
_TILE_BITS = 32


def _tile_key(market: Array, tile: Array) -> Array:
    return market << _TILE_BITS | tile


def _tiles(rows: Array, ring: Ring) -> Array:
    """(n, tiles) numbers of a ring's tiles since 1970; below 0 where nothing is known yet."""
    numbers: Array = rows[ring.head][:, None] + np.arange(1 - ring.tiles, 1)
    return numbers


def _sorted(group: Array, entry: Array) -> tuple[Array, Array]:
    order = np.lexsort((entry, group))
    return group[order], entry[order]


def _columns(rows: pl.DataFrame, *names: str) -> list[Array]:
    return [rows[name].to_numpy() for name in names]


def _gather(column: pl.Series, place: Array, missing: float) -> Array:
    """Values at the places, `missing` at -1."""
    values = column.to_numpy()
    if not len(values):
        return np.full(place.shape, missing).astype(values.dtype)
    found: Array = np.where(place >= 0, values[place], missing).astype(values.dtype)
    return found
