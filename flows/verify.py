"""Whether an archive holds what it should: everything is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from flows.archive import read_origin
from flows.connectors.files import read_note
from flows.connectors.live import Note, note_of
from flows.connectors.parquet import arrival, key_columns, live_rows, live_schema, topic_schema
from flows.connectors.parts import APART as APART_FOLDER
from flows.connectors.parts import Listing, Part, while_merged
from flows.connectors.reading import ends_of
from flows.connectors.rows import APART, REPEAT, REUSED_ID
from flows.holdings import require_archive
from schemas.errors import DataMissing, DependencyDown
from schemas.sections.servers import KafkaSettings
from schemas.topics import Topic


@dataclass
class Verified:
    """What a verification looked at, and what it found."""

    topics: int = 0
    files: int = 0
    rows: int = 0
    apart: int = 0
    kafka: bool = False
    """Whether a broker was there to compare with."""
    behind: int = 0
    """Offsets on the broker that are not archived yet."""
    markers: int = 0
    """Offsets without a record: markers of transactions, or what one took back."""
    lost: int = 0
    """Offsets passed over on the operator's word."""
    differences: int = 0
    first: str | None = None

    def differ(self, what: str) -> None:
        self.differences += 1
        self.first = self.first or what


def verify(root: Path, kafka: KafkaSettings | None) -> Verified:
    """Read everything and hold it against what the archive says of itself, and against Kafka.

    Raises DataMissing where there is no archive.
    """
    require_archive(root)
    found = Verified()
    live = read_origin(root)
    notes: dict[Topic, Note] = {}
    for topic in Topic:
        if not (root / f"topic={topic.value}").exists():
            continue
        found.topics += 1

        def read(topic: Topic = topic) -> tuple[Verified, Note]:
            return _topic(root, topic, live is not None)

        part, notes[topic] = while_merged(read)
        for name in ("files", "rows", "apart", "markers", "lost", "differences"):
            setattr(found, name, getattr(found, name) + getattr(part, name))
        found.first = found.first or part.first
    if kafka is not None and live is not None:
        try:
            cluster, ends = ends_of(kafka)
        except DependencyDown:
            return found
        if (cluster, kafka.prefix) == (live.cluster, live.prefix):
            found.kafka = True
            _against_kafka(found, notes, ends)
    return found


def _topic(root: Path, topic: Topic, live: bool) -> tuple[Verified, Note]:
    found = Verified()
    listing = Listing(root, topic.value)
    note = note_of(listing, topic)
    days, apart = listing.days(), listing.apart()
    if any(part.last > listing.newest for part in listing.all()) or (
        live and note.roll != listing.newest
    ):
        raise FileNotFoundError("the archive grew meanwhile")
    places: list[pl.DataFrame] = []
    for day, parts in days.items():
        ids: list[pl.Series] = []
        for part in parts:
            found.files += 1
            rows = _file(found, part, topic, live)
            if rows is None:
                continue
            found.rows += rows.height
            _ordered(found, part, rows, topic, day, live)
            ids.append(rows[key_columns(topic)[1]])
            if live:
                places.append(rows.select("kafka_partition", "kafka_offset"))
        if ids and live:
            _unique(found, f"{topic.value} {day}", pl.concat(ids))
    reasons: list[pl.DataFrame] = []
    for part in apart:
        found.files += 1
        frame = pl.read_parquet(part.path)
        if frame.schema != APART:
            found.differ(f"{part.path}: not the columns of what is set apart")
            continue
        found.apart += frame.height
        places.append(frame.select("kafka_partition", "kafka_offset"))
        reasons.append(frame.select("kafka_partition", "reason"))
    if live:
        _offsets(found, note, pl.concat(places) if places else None)
        _reasons(found, note, pl.concat(reasons) if reasons else None)
    return found, note


def _file(found: Verified, part: Part, topic: Topic, live: bool) -> pl.DataFrame | None:
    try:
        if live:
            rows = live_rows(part.path, topic).collect()
        else:
            rows = pl.read_parquet(part.path, hive_partitioning=False)
    except DataMissing:
        rows = pl.DataFrame()
    except FileNotFoundError:
        raise
    except (pl.exceptions.PolarsError, OSError) as bad:
        found.differ(f"{part.path}: cannot be read: {str(bad).splitlines()[0]}")
        return None
    if rows.schema != (live_schema(topic) if live else topic_schema(topic)):
        found.differ(f"{part.path}: not the columns of {topic.value}")
        return None
    if live and read_note(part.path) is None:
        found.differ(f"{part.path}: says nothing of its offsets")
    return rows


def _ordered(
    found: Verified, part: Part, rows: pl.DataFrame, topic: Topic, day: str, live: bool
) -> None:
    time, _, game = key_columns(topic)
    order = arrival(topic) if live else [time, *([game] if game else [])]
    keys = rows.select(pl.struct(order).alias("key")).to_series()
    if not keys.is_sorted():
        found.differ(f"{part.path}: not sorted by {', '.join(order)}")
    other = rows.filter(pl.col(time).dt.date().cast(pl.String) != day)
    if other.height:
        found.differ(f"{part.path}: {other.height} rows of another day than {day}")


def _unique(found: Verified, where: str, ids: pl.Series) -> None:
    twice = ids.filter(ids.is_duplicated()).unique()
    if len(twice):
        found.differ(f"{where}: {len(twice)} ids stand more than once, one is {twice.sort()[0]!r}")


def _offsets(found: Verified, note: Note, places: pl.DataFrame | None) -> None:
    """Every record from where a partition began to where it goes on, each once."""
    by_partition: dict[Any, pl.DataFrame] = {}
    if places is not None:
        by_partition = places.partition_by("kafka_partition", as_dict=True)
    for (partition,) in by_partition.keys() - {(known,) for known in note.reach}:
        found.differ(f"{note.topic.value} partition {partition}: nothing says how far it goes")
    for partition, reach in note.reach.items():
        where = f"{note.topic.value} partition {partition}"
        held = by_partition.get((partition,))
        offsets = pl.Series([], dtype=pl.Int64) if held is None else held["kafka_offset"].sort()
        found.lost += reach.lost
        found.markers += reach.next - reach.begin - reach.lost - reach.records
        twice = offsets.filter(offsets.is_duplicated())
        if len(twice):
            found.differ(f"{where}: offset {twice[0]} is there twice")
        if len(offsets) and not (reach.begin <= offsets[0] and offsets[-1] < reach.next):
            found.differ(
                f"{where}: offsets {offsets[0]} to {offsets[-1]} lie outside of "
                f"{reach.begin} to {reach.next - 1}"
            )
        if len(offsets) != reach.records:
            missing = next(_gaps(offsets, reach.begin, reach.next), None)
            near = "" if missing is None else f"; the first hole is at offset {missing}"
            found.differ(f"{where}: {len(offsets)} of {reach.records} records{near}")


def _gaps(offsets: pl.Series, begin: int, end: int) -> Iterator[int]:
    """First offset of every hole."""
    due = begin
    for offset in offsets:
        if offset > due:
            yield due
        due = offset + 1
    if due < end:
        yield due


def _reasons(found: Verified, note: Note, apart: pl.DataFrame | None) -> None:
    repeated = 0 if apart is None else apart["reason"].is_in([REPEAT, REUSED_ID]).sum()
    refused = (0 if apart is None else apart.height) - repeated
    told = (
        sum(reach.repeats for reach in note.reach.values()),
        sum(reach.refused for reach in note.reach.values()),
    )
    if (repeated, refused) != told:
        found.differ(
            f"{note.topic.value}: {repeated} repeats and {refused} refused are set apart in "
            f"{APART_FOLDER}/, counted were {told[0]} and {told[1]}"
        )


def _against_kafka(
    found: Verified, notes: dict[Topic, Note], ends: dict[Topic, dict[int, tuple[int, int]]]
) -> None:
    for topic, note in notes.items():
        for partition, reach in note.reach.items():
            where = f"{topic.value} partition {partition}"
            low, high = ends.get(topic, {}).get(partition, (0, 0))
            if reach.next > high:
                found.differ(f"{where}: archived to {reach.next}, the topic ends at {high}")
            elif reach.next < low:
                found.differ(
                    f"{where}: archived to {reach.next}, retention has deleted what came before "
                    f"{low}"
                )
    for topic, partitions in ends.items():
        reached = notes[topic].reach if topic in notes else {}
        for partition, (low, high) in partitions.items():
            found.behind += max(
                0, high - (reached[partition].next if partition in reached else low)
            )
