"""Records to the rows that one transaction brings, or to dead letters."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from flows.steps.decode import DecodeRules, dead_letter, decode, parse
from flows.steps.records import Outgoing, Record
from flows.steps.rows import TABLES, Place, Row
from schemas.bets import Bet
from schemas.decisions import Message
from schemas.errors import RejectedEvent
from schemas.events import Event, day_of
from schemas.topics import CONTRACTS, Topic

REFUSED_BY_DATABASE = "refused_by_database"
"""Reason of a dead letter about what could be decoded and a table did not take."""

log = logging.getLogger(__name__)

_LONGEST = CONTRACTS[Topic.DEAD_LETTERS].max_message_bytes // 2
"""In base64, and with the rest of the letter around it, it must fit on the topic itself."""
_NAMES = {topic: topic.value for topic in Topic}
_EVENTS = frozenset(t for t, contract in CONTRACTS.items() if issubclass(contract.model, Event))


class Entry(NamedTuple):
    """A row on its way into a table."""

    number: int
    """Of the record in its batch."""
    row: Row


class Sighting(NamedTuple):
    """What named a game first, for the row that stands for it until an update comes."""

    game_id: str
    source: str
    event_id: str
    simulated: bool
    place: Place


@dataclass
class Load:
    """Everything that one transaction brings."""

    entries: dict[Topic, list[Entry]] = field(default_factory=dict)
    games: dict[str, Sighting] = field(default_factory=dict)
    books: set[str] = field(default_factory=set)
    days: set[date] = field(default_factory=set)
    """Of quotes, in UTC."""

    def without(self, refused: Mapping[int, str]) -> "Load":
        """Less the rows of some records."""
        kept = {
            topic: [one for one in entries if one.number not in refused]
            for topic, entries in self.entries.items()
        }
        return Load(kept, self.games, self.books, self.days)


class Prepared(NamedTuple):
    load: Load
    letters: list[Outgoing]


def prepare(records: Sequence[Record], rules: DecodeRules, placed: bool = True) -> Prepared:
    """placed: the records were read where they say; false for an archive's."""
    load, letters = Load(), list[Outgoing]()
    entries = load.entries = {topic: [] for topic in TABLES}
    for number, record in enumerate(records):
        topic = record.topic
        name = _NAMES[topic]
        place = Place(name, record.partition, record.offset) if placed else Place(name, None, None)
        try:
            message = decode(record, rules) if topic in _EVENTS else parse(record)
            table = TABLES[topic]
            row = table.row(message, place)
            if b"\\u0000" in record.value and any(isinstance(c, str) and "\0" in c for c in row):
                raise RejectedEvent("invalid", "a text holds a NUL, which Postgres cannot keep")
            if table.game_at is not None and row[table.game_at] not in load.games:
                assert isinstance(message, Event | Message | Bet)
                _check_day(message.game_id)
                load.games[message.game_id] = Sighting(
                    message.game_id,
                    str(row[table.source_at]),
                    table.id_of(row),
                    message.simulated,
                    place,
                )
        except RejectedEvent as rejected:
            letters += letter_of(record, rejected)
        else:
            entries[topic].append(Entry(number, row))
    _refer(load)
    return Prepared(load, letters)


def _refer(load: Load) -> None:
    """Note the books and days of the rows."""
    for topic, some in load.entries.items():
        at = TABLES[topic].book_at
        if at is not None:
            load.books.update(one.row[at] for one in some if one.row[at] is not None)
    at = TABLES[Topic.LINES].columns.index("occurred_at")
    load.days = {one.row[at].date() for one in load.entries[Topic.LINES]}


def letter_of(record: Record, rejected: RejectedEvent) -> list[Outgoing]:
    """None about a letter about a letter, or about one that is too long for another: it stays on
    its topic, and letters must not breed."""
    if record.topic is Topic.DEAD_LETTERS:
        about_one = f'"topic":"{Topic.DEAD_LETTERS.value}"'.encode() in record.value
        if about_one or len(record.value) > _LONGEST:
            log.error("a dead letter cannot be stored, offset %d: %s", record.offset, rejected)
            return []
    return [dead_letter(record, rejected)]


def _check_day(game_id: str) -> None:
    try:
        day_of(game_id)
    except ValueError as bad:
        raise RejectedEvent("invalid", f"game_id: {game_id!r}: {bad}") from None
