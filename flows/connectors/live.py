"""One topic of an archive that follows Kafka: rolls of files that also say how far they go.

Each file's footer carries, for every partition of the topic, where the archive began, which offset
comes next, and how many records there were. There is no other memory: a new start takes up what
the newest whole roll says, so what counts as archived is exactly what is on disk.
"""

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from pydantic import BaseModel

from flows.connectors.files import read_note, sync_folder, write_hidden
from flows.connectors.parquet import LINEAGE, TIMESTAMP, arrival, key_columns
from flows.connectors.parts import APART, Listing, part_name, while_merged
from flows.connectors.rows import REPEAT, REUSED_ID, apart_of, rows_of
from flows.steps.decode import DecodeRules
from flows.steps.records import Record
from schemas.errors import Unwritable
from schemas.topics import Topic

_DAYS_REMEMBERED = 4
"""Days whose ids stay in memory; those of others are read from their files again."""


class Reach(BaseModel):
    """Of one partition, since the archive began."""

    begin: int
    """First offset."""
    next: int
    """Offset that comes next."""
    records: int = 0
    """Read from there to here. Offsets without one hold markers of transactions."""
    repeats: int = 0
    """Of those, set apart because the id was there already."""
    refused: int = 0
    """Of those, set apart because they cannot be rows."""
    lost: int = 0
    """Offsets that retention had deleted, passed over on the operator's word."""


class Note(BaseModel):
    """What a file's footer says of the whole topic, as of its newest roll."""

    topic: Topic
    roll: int
    reach: dict[int, Reach]
    """By partition."""


@dataclass
class Rolled:
    """What one roll came to."""

    rows: int
    apart: dict[str, int]
    """Reason -> records."""
    files: int
    bytes: int

    def after(self, other: "Rolled | None") -> "Rolled":
        """Both together."""
        if other is None:
            return self
        apart = dict(Counter(self.apart) + Counter(other.apart))
        return Rolled(
            self.rows + other.rows, apart, self.files + other.files, self.bytes + other.bytes
        )


@dataclass
class _Waiting:
    records: list[Record] = field(default_factory=list)
    bytes: int = 0
    since: float = 0.0


def note_of(listing: Listing, topic: Topic) -> Note:
    """How far the topic's files go; empty where there are none."""
    for part in listing.all():
        if part.last == listing.newest and (found := read_note(part.path)) is not None:
            return Note.model_validate(found)
    return Note(topic=topic, roll=0, reach={})


def newest_note(root: Path, topic: Topic) -> Note:
    """As `note_of`, of the files that are there now."""
    return while_merged(lambda: note_of(Listing(root, topic.value), topic))


class LiveTopic:
    """Collects records and writes them, a roll at a time."""

    def __init__(
        self, root: Path, topic: Topic, rules: DecodeRules, clock: Callable[[], float]
    ) -> None:
        """What an earlier writer left half done is cleared away."""
        self.topic = topic
        self._rules, self._clock = rules, clock
        self._root, self._folder = root, root / f"topic={topic.value}"
        self._waiting = _Waiting()
        self._ids: dict[str, pl.DataFrame] = {}
        for path in (*Listing(root, topic.value).unwanted(), *self._folder.glob("*/.part-*")):
            path.unlink()
        self.note = newest_note(root, topic)

    def begin(self, partition: int, offset: int, lost: int = 0) -> None:
        """The next record of the partition has this offset; so many before it are gone."""
        reach = self.note.reach.setdefault(partition, Reach(begin=offset, next=offset))
        reach.next = offset
        reach.lost += lost

    def next_offsets(self) -> dict[int, int]:
        """By partition; past what has been written, not what has been added."""
        return {partition: reach.next for partition, reach in self.note.reach.items()}

    def add(self, records: list[Record]) -> None:
        """Those of this topic, each partition's in the order of offsets."""
        waiting = self._waiting
        if records and not waiting.records:
            waiting.since = self._clock()
        waiting.records += records
        waiting.bytes += sum(len(record.value) for record in records)

    @property
    def waiting(self) -> tuple[int, int, float]:
        """Records and bytes not yet written, and the seconds since the first of them came."""
        age = self._clock() - self._waiting.since if self._waiting.records else 0.0
        return len(self._waiting.records), self._waiting.bytes, age

    def roll(self) -> Rolled | None:
        """Write what waits, all or nothing; none where nothing does.

        Raises Unwritable where the disk does not take it: then nothing of it shows.
        """
        records = self._waiting.records
        if not records:
            return None
        rows, refused = rows_of(self.topic, records, self._rules)
        days, repeats = self._by_day(rows, records)
        apart = pl.concat([refused, repeats]).sort("kafka_partition", "kafka_offset")
        note = self._after(rows, refused, repeats)
        frames = {f"date={day}": frame.sort(arrival(self.topic)) for day, frame in days.items()}
        if apart.height:
            frames[APART] = apart
        written = self._write(frames, note)
        self.note, self._waiting = note, _Waiting()
        self._remember(days)
        counts = apart.group_by("reason").len().iter_rows()
        return Rolled(sum(map(len, days.values())), dict(counts), len(frames), written)

    def _by_day(
        self, rows: pl.DataFrame, records: list[Record]
    ) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
        """The first row of each id a day, and the records of all others."""
        time, identity, _ = key_columns(self.topic)
        days: dict[str, pl.DataFrame] = {}
        again: list[pl.DataFrame] = []
        dated = rows.with_columns(pl.col(time).dt.date().alias("date"))
        for (date,), frame in dated.partition_by("date", as_dict=True, include_key=False).items():
            day = str(date)
            known = self._ids_of(day)
            ids = frame[identity]
            first = ids.is_first_distinct()
            if known.height:
                first &= ~ids.is_in(known["id"].implode())
            if not first.all():
                others = frame.filter(~first).select(
                    pl.col(identity).alias("id"),
                    pl.col(time).alias("at"),
                    "kafka_partition",
                    "kafka_offset",
                )
                frame = frame.filter(first)
                standing = pl.concat([known, _ids(frame, identity, time)])
                again.append(others.join(standing, on="id", how="left"))
            if frame.height:
                days[day] = frame
        if not again:
            return days, apart_of([])
        by_place = {(one.partition, one.offset): one for one in records}
        return days, apart_of(
            [
                (by_place[partition, offset], REPEAT if at == first_at else REUSED_ID, name)
                for name, at, partition, offset, first_at in pl.concat(again).iter_rows()
            ]
        )

    def _ids_of(self, day: str) -> pl.DataFrame:
        """id and time of the day's rows on disk."""
        if day not in self._ids:
            time, identity, _ = key_columns(self.topic)
            columns = [identity, time]
            nothing = pl.DataFrame(schema=pl.Schema({identity: pl.String(), time: TIMESTAMP}))
            found = while_merged(
                lambda: [
                    pl.read_parquet(part.path, columns=columns)
                    for part in Listing(self._root, self.topic.value).day(day)
                ]
            )
            self._ids[day] = _ids(pl.concat([nothing, *found]), identity, time)
        return self._ids[day]

    def _remember(self, days: dict[str, pl.DataFrame]) -> None:
        time, identity, _ = key_columns(self.topic)
        for day, frame in days.items():
            known = self._ids.pop(day)
            self._ids[day] = pl.concat([known, _ids(frame, identity, time)])
        while len(self._ids) > _DAYS_REMEMBERED:
            del self._ids[next(iter(self._ids))]

    def _after(self, rows: pl.DataFrame, refused: pl.DataFrame, repeats: pl.DataFrame) -> Note:
        """rows: repeats among them."""
        reach = {partition: one.model_copy() for partition, one in self.note.reach.items()}
        places = pl.concat([rows.select(*LINEAGE), refused.select(*LINEAGE)])
        read = places.group_by("kafka_partition").agg(pl.len(), pl.col("kafka_offset").max())
        for partition, count, newest in read.iter_rows():
            reach[partition].records += count
            reach[partition].next = newest + 1
        for partition in refused["kafka_partition"]:
            reach[partition].refused += 1
        for partition in repeats["kafka_partition"]:
            reach[partition].repeats += 1
        return Note(topic=self.topic, roll=self.note.roll + 1, reach=dict(sorted(reach.items())))

    def _write(self, frames: dict[str, pl.DataFrame], note: Note) -> int:
        """Bytes written. All of it shows when the last file has its name."""
        told = note.model_dump_json()
        made: list[Path] = []
        try:
            hidden = []
            for name, frame in frames.items():
                folder = self._folder / name
                folder.mkdir(parents=True, exist_ok=True)
                hidden.append(folder / f".{part_name(note.roll, ends=False)}.partial")
                made.append(hidden[-1])
                write_hidden(hidden[-1], frame, told)
            size = sum(path.stat().st_size for path in hidden)
            for number, path in enumerate(hidden, 1):
                ends = number == len(hidden)
                if ends:
                    # The one that makes the roll count must not outlive those before it.
                    _sync(self._root, [one.parent for one in hidden])
                made.append(path.parent / part_name(note.roll, ends))
                path.rename(made[-1])
            sync_folder(hidden[-1].parent)
        except OSError as full:
            for path in reversed(made):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            raise Unwritable(
                f"{self._folder}: {os.strerror(full.errno or 0)}. What was archived stands, the "
                "rest is still on Kafka: mend it and start again, it goes on where it stopped"
            ) from None
        return size


def _ids(frame: pl.DataFrame, identity: str, time: str) -> pl.DataFrame:
    return frame.select(pl.col(identity).alias("id"), pl.col(time).alias("first_at"))


def _sync(root: Path, folders: list[Path]) -> None:
    for folder in folders:
        sync_folder(folder)
    sync_folder(folders[0].parent)
    sync_folder(root)
