"""Messages to rows: which table a topic fills, and what of a message stands in which column.

A column is called as its field, less `_us`: times are `timestamptz` in the database. Fields with
free keys and nested models are `jsonb`.
"""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from operator import itemgetter
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic_core import to_json

from schemas.decisions import DeadLetter
from schemas.errors import RejectedEvent
from schemas.time import from_us
from schemas.topics import CONTRACTS, Topic

Row = list[Any]


class Place(NamedTuple):
    """Where a record was read; partition and offset are none for one out of an archive."""

    topic: str
    partition: int | None
    offset: int | None


@dataclass(frozen=True)
class Table:
    """What a topic fills."""

    topic: Topic
    name: str
    columns: tuple[str, ...]
    row: Callable[[BaseModel, Place], Row]

    @property
    def identity(self) -> str:
        """The column that holds a message's id."""
        return CONTRACTS[self.topic].identity

    def id_of(self, row: Row) -> str:
        return str(row[self.columns.index(self.identity)])

    @cached_property
    def game_at(self) -> int | None:
        """Place in the row of the game that it refers to."""
        return self._place_of("game_id")

    @cached_property
    def book_at(self) -> int | None:
        """Place in the row of the book that it refers to."""
        return self._place_of("book")

    @cached_property
    def source_at(self) -> int:
        """Place in the row of who said it."""
        return self.columns.index("source")

    def _place_of(self, column: str) -> int | None:
        return self.columns.index(column) if column in self.columns else None


_JSON = frozenset(("context", "best", "read_to", "values", "slate", "held", "closing"))
_DROPPED = frozenset(("odds_format",))
"""Says how a price was written; validated prices are decimal."""
_SCORE, _SETTLE = "score", "settle"
"""Flows: the sources of what no source outside told us."""

_NAMES: Mapping[Topic, str] = {
    Topic.LINES: "quotes",
    Topic.SPLITS: "splits",
    Topic.GAMES: "game_updates",
    Topic.RESULTS: "results",
    Topic.PREDICTIONS: "predictions",
    Topic.STAKES: "stakes",
    Topic.ALERTS: "alerts",
    Topic.FILLS: "fills",
    Topic.SETTLEMENTS: "settlements",
    Topic.BANKROLLS: "bankroll_updates",
}


def _table(topic: Topic) -> Table:
    model = CONTRACTS[topic].model
    fields = [name for name in model.model_fields if name not in _DROPPED]
    columns = [name.removesuffix("_us") for name in fields]
    lineage = [] if "source" in model.model_fields else ["source"]
    row = partial(
        _row,
        itemgetter(*fields),
        [at for at, name in enumerate(fields) if name.endswith("_us")],
        [at for at, name in enumerate(fields) if name in _JSON],
        [_SETTLE if topic is Topic.SETTLEMENTS else _SCORE] if lineage else [],
    )
    return Table(topic, _NAMES[topic], (*columns, *lineage, *Place._fields), row)


def _row(
    fields: Callable[[dict[str, Any]], tuple[Any, ...]],
    times: list[int],
    texts: list[int],
    source: list[str],
    message: BaseModel,
    place: Place,
) -> Row:
    cells = list(fields(message.__dict__))
    for at in times:
        if cells[at] is not None:
            cells[at] = from_us(cells[at])
    for at in texts:
        if cells[at] is not None:
            cells[at] = to_json(cells[at]).decode()
    cells += source
    cells += place
    return cells


def _letter_row(message: BaseModel, place: Place) -> Row:
    """Its place is that of the record that was refused, not its own."""
    assert isinstance(message, DeadLetter)
    key = message.key_base64
    try:
        return [
            message.letter_id,
            message.reason,
            message.detail,
            message.source,
            message.topic,
            message.partition,
            message.offset,
            from_us(message.timestamp_us),
            None if key is None else b64decode(key, validate=True),
            b64decode(message.value_base64, validate=True),
        ]
    except NotBase64 as bad:
        raise RejectedEvent("invalid", f"key_base64/value_base64: {bad}") from None
    except OverflowError:
        raise RejectedEvent("invalid", f"timestamp_us: {message.timestamp_us} is no time") from None


_LETTERS = Table(
    Topic.DEAD_LETTERS,
    "dead_letters",
    (
        "letter_id",
        "reason",
        "detail",
        "source",
        "topic",
        "partition",
        "offset",
        "recorded_at",
        "key",
        "value",
    ),
    _letter_row,
)

TABLES: Mapping[Topic, Table] = {topic: _table(topic) for topic in _NAMES} | {
    Topic.DEAD_LETTERS: _LETTERS
}
"""In the order in which they are filled: what others refer to first."""
