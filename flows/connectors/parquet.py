"""The archive: every event of a topic as Parquet, and back again as the bytes Kafka carries.

ROOT/topic=<topic>/date=YYYY-MM-DD/part-*.parquet, the date in UTC, rows in the order
(time, game_id, order of arrival). Columns follow the topic's pydantic model exactly; a field
with free keys (`context`, `read_to`) is one column of JSON text. An import writes one file a day.
An archive that follows Kafka (`flows.archive`) has several until they are merged
(`flows.connectors.parts` says which count), and where on Kafka each row stood. The readers here
give the same of both.
"""

import shutil
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, Self

import polars as pl
from pydantic import BaseModel
from pydantic_core import to_json

from flows.connectors.parts import Listing, Part, while_merged
from flows.connectors.versions import aligned
from schemas.errors import ConfigError, DataMissing
from schemas.events import Event
from schemas.time import from_us
from schemas.topics import CONTRACTS, INPUTS, TOPIC_OF, Topic

PLAYED: tuple[Topic, ...] = (*INPUTS, Topic.RESULTS)
"""What a replay reads; at equal times in this order."""

_RANK = {topic: rank for rank, topic in enumerate((*PLAYED, *(set(Topic) - set(PLAYED))))}
_OF_MONEY = (Topic.FILLS, Topic.SETTLEMENTS, Topic.BANKROLLS)
_CHUNK = 50_000
TIMESTAMP = pl.Datetime("us", "UTC")


LINEAGE = pl.Schema({"kafka_partition": pl.Int64(), "kafka_offset": pl.Int64()})
"""Further columns of an archive that follows Kafka: where a row stood."""

LIVE = "live.json"
"""Marks an archive that follows Kafka: nothing but its writer may change its topics."""


class ArchiveRecord(NamedTuple):
    """One archived event, ready to send."""

    topic: Topic
    game_id: str
    event_id: str
    occurred_at_us: int
    value: bytes
    """Canonical JSON: what `model_dump_json` of the event gives."""


def _dtype(annotation: object) -> pl.DataType:
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        return _dtype(arguments[0])
    if origin in (typing.Union, types.UnionType):
        (inner,) = (one for one in arguments if one is not type(None))
        return _dtype(inner)
    if origin is dict:
        return pl.String()
    if origin is list:
        return pl.List(_dtype(arguments[0]))
    if isinstance(annotation, type):
        if issubclass(annotation, BaseModel):
            fields = annotation.model_fields.items()
            return pl.Struct({name: _dtype(field.annotation) for name, field in fields})
        # Money is decimal text, as on the wire: exact, whatever reads it.
        if issubclass(annotation, str | Decimal):
            return pl.String()
        if annotation in (bool, int, float):
            return {bool: pl.Boolean(), int: pl.Int64(), float: pl.Float64()}[annotation]
    raise TypeError(f"no column type for {annotation!r}")


@cache
def topic_schema(topic: Topic) -> pl.Schema:
    """Column names and types; `*_us` fields become UTC timestamps."""
    return pl.Schema(
        {
            name: TIMESTAMP if name.endswith("_us") else _dtype(field.annotation)
            for name, field in CONTRACTS[topic].model.model_fields.items()
        }
    )


@cache
def live_schema(topic: Topic) -> pl.Schema:
    """As `topic_schema`, with the lineage behind."""
    return pl.Schema(topic_schema(topic) | LINEAGE)


@cache
def json_columns(topic: Topic) -> frozenset[str]:
    """Columns that hold JSON text."""
    fields = CONTRACTS[topic].model.model_fields.items()
    return frozenset(name for name, field in fields if "dict[" in str(field.annotation))


@cache
def key_columns(topic: Topic) -> tuple[str, str, str | None]:
    """Names of the time, the id and (where there is one) the key of a topic's rows."""
    contract = CONTRACTS[topic]
    return contract.time, contract.identity, contract.key


def frame_of(topic: Topic, rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    columns: list[pl.Series] = []
    for (name, dtype), values in zip(
        topic_schema(topic).items(), zip(*rows, strict=True), strict=True
    ):
        plain = pl.Int64() if dtype == TIMESTAMP else dtype
        columns.append(pl.Series(name, values, plain).cast(dtype))
    return pl.DataFrame(columns)


@cache
def row_of(topic: Topic) -> Callable[[BaseModel], tuple[object, ...]]:
    """Field values in column order. Plain rows, because 50,000 live models slow every step."""
    schema = topic_schema(topic)
    values = itemgetter(*schema)
    dumped = any(dtype.is_nested() for dtype in schema.values()) or topic in _OF_MONEY
    texts = [place for place, name in enumerate(schema) if name in json_columns(topic)]

    def row(event: BaseModel) -> tuple[object, ...]:
        cells: tuple[object, ...] = values(
            event.model_dump(mode="json") if dumped else event.__dict__
        )
        if not texts:
            return cells
        told = list(cells)
        for place in texts:
            told[place] = None if told[place] is None else to_json(told[place]).decode()
        return tuple(told)

    return row


class TopicWriter:
    """Writes one topic in bounded memory; nothing is visible until `finish`, then all of it is.

    Used with `with`: leaving by an exception drops what was written and keeps the old topic.
    """

    def __init__(self, root: Path, topic: Topic) -> None:
        """Raises ConfigError for an archive that follows Kafka."""
        if (root / LIVE).exists():
            raise ConfigError(
                str(root), "follows Kafka and is not to be written over", "Choose another folder"
            )
        self.topic = topic
        self.count = 0
        self._target = root / f"topic={topic.value}"
        self._work = root / f".topic={topic.value}.partial"
        self._row_of = row_of(topic)
        self._model = CONTRACTS[topic].model
        self._buffer: list[tuple[object, ...]] = []
        self._chunks = 0
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(parents=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._finish()
        else:
            shutil.rmtree(self._work, ignore_errors=True)

    def add(self, event: BaseModel) -> None:
        """Raises TypeError for an event of another topic."""
        if not isinstance(event, self._model):
            raise TypeError(f"{type(event).__name__} does not belong on topic {self.topic.value}")
        self._buffer.append(self._row_of(event))
        self.count += 1
        if len(self._buffer) >= _CHUNK:
            self._flush()

    def add_rows(self, rows: pl.DataFrame) -> None:
        """Rows as `scan` gives them."""
        self._flush()
        self._spill(rows)
        self.count += rows.height

    def _flush(self) -> None:
        if self._buffer:
            self._spill(frame_of(self.topic, self._buffer))
            self._buffer.clear()

    def _spill(self, rows: pl.DataFrame) -> None:
        time, _, _ = key_columns(self.topic)
        frame = rows.with_columns(pl.col(time).dt.date().alias("date"))
        for (day,), part in frame.partition_by("date", as_dict=True, include_key=False).items():
            folder = self._work / f"date={day}"
            folder.mkdir(exist_ok=True)
            part.write_parquet(folder / f"chunk-{self._chunks:06d}.parquet", compression="lz4")
        self._chunks += 1

    def _finish(self) -> None:
        self._flush()
        time, _, game = key_columns(self.topic)
        keys = [time, game, "order"] if game else [time, "order"]
        for folder in sorted(self._work.iterdir()):
            chunks = sorted(folder.iterdir())
            rows = pl.concat([pl.read_parquet(chunk) for chunk in chunks], rechunk=True)
            rows = rows.with_row_index("order").sort(keys).drop("order")
            rows.write_parquet(folder / "part-0.parquet", compression="zstd")
            for chunk in chunks:
                chunk.unlink()
        old = self._target.with_name(f".{self._target.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if self._target.exists():
            self._target.rename(old)
        if self.count:
            self._work.rename(self._target)
        shutil.rmtree(self._work, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_archive(root: Path, topic: Topic, events: Iterable[BaseModel]) -> int:
    """Replace a topic of the archive by these events; returns how many there were."""
    with TopicWriter(root, topic) as writer:
        for event in events:
            writer.add(event)
    return writer.count


def replace_source(root: Path, topic: Topic, source: str, events: Iterable[Event]) -> int:
    """Replace what one source says on a topic by these events; all else stays. Returns how many.

    At equal times the events of the other sources come first.
    Raises DataMissing where there is no archive, or one with the columns of another version.
    """
    others = scan(root, topic).filter(pl.col("source") != source).collect()
    with TopicWriter(root, topic) as writer:
        writer.add_rows(others)
        for event in events:
            writer.add(event)
    return writer.count - others.height


def write_events(root: Path, events: Iterable[Event]) -> dict[Topic, int]:
    """Replace all input topics and the results by one mixed stream; returns counts."""
    writers = {topic: TopicWriter(root, topic) for topic in PLAYED}
    try:
        for event in events:
            writers[TOPIC_OF[type(event)]].add(event)
    except BaseException as failure:
        for writer in writers.values():
            writer.__exit__(type(failure))
        raise
    for writer in writers.values():
        writer.__exit__(None)
    return {topic: writer.count for topic, writer in writers.items()}


def _require_archive(root: Path) -> None:
    if not any(root.glob("topic=*")):
        raise DataMissing(
            f"{root}: no archive there. Make one with `steamline data import` or `data simulate`"
        )


def scan(
    root: Path, topic: Topic, first_us: int | None = None, last_us: int | None = None
) -> pl.LazyFrame:
    """All rows of a topic in archive order; no rows where the archive lacks the topic.

    Of the days from `first_us` to `last_us` only, where these are given.
    Raises DataMissing where there is no archive, or one with the columns of another version.
    """
    _require_archive(root)
    first = from_us(first_us).date().isoformat() if first_us is not None else ""
    last = from_us(last_us).date().isoformat() if last_us is not None else "9999"

    def listed() -> pl.LazyFrame:
        days = Listing(root, topic.value).days()
        wanted = [parts for day, parts in days.items() if first <= day <= last]
        if not wanted:
            return pl.LazyFrame(schema=topic_schema(topic))
        frames = []
        for alone, some in groupby(wanted, key=lambda parts: len(parts) == 1):
            if alone:
                frames.append(_rows([part for (part,) in some], topic))
            else:
                frames += [_rows(parts, topic).sort(*arrival(topic)) for parts in some]
        return pl.concat([rows.select(topic_schema(topic).names()) for rows in frames])

    return while_merged(listed)


def arrival(topic: Topic) -> list[str]:
    """The order of rows that say where they stood on Kafka, as columns."""
    time, _, game = key_columns(topic)
    return [time, *([game] if game else []), *LINEAGE]


def _rows(parts: Sequence[Part], topic: Topic) -> pl.LazyFrame:
    """Of some files, one after the other."""
    if all(pl.read_parquet_schema(part.path) == topic_schema(topic) for part in parts):
        return pl.scan_parquet([part.path for part in parts], hive_partitioning=False)
    return pl.concat([live_rows(part.path, topic) for part in parts])


def live_rows(path: Path, topic: Topic) -> pl.LazyFrame:
    """Of one file with lineage. Raises DataMissing for the columns of another version."""
    rows = aligned(path, live_schema(topic), CONTRACTS[topic].model)
    if rows is None:
        raise DataMissing(f"{path}: columns of another version. Import the archive again")
    return rows


def as_json(topic: Topic) -> pl.Expr:
    """A row as canonical JSON, fields in the order of the model."""
    columns = {
        name: pl.col(name).cast(pl.Int64) if dtype == TIMESTAMP else pl.col(name)
        for name, dtype in topic_schema(topic).items()
    }
    texts = json_columns(topic)
    if not texts:
        return pl.struct(columns.values()).struct.json_encode()
    members: list[pl.Expr] = []
    for is_text, names in groupby(columns, key=texts.__contains__):
        if is_text:
            members += (
                pl.format(f'"{name}":{{}}', columns[name].fill_null("null")) for name in names
            )
        else:
            encoded = pl.struct(columns[name] for name in names).struct.json_encode()
            members.append(encoded.str.strip_prefix("{").str.strip_suffix("}"))
    return pl.concat_str(pl.lit("{"), pl.concat_str(members, separator=","), pl.lit("}"))


def _records(parts: Sequence[Part], topic: Topic) -> pl.LazyFrame:
    """occurred_at_us, rank, game_id, order, event_id, value of one day."""
    rows = _rows(parts, topic)
    if len(parts) > 1:
        rows = rows.sort(*arrival(topic))
    time, identity, game = key_columns(topic)
    return rows.select(
        pl.col(time).cast(pl.Int64).alias("occurred_at_us"),
        pl.lit(_RANK[topic], pl.Int64).alias("rank"),
        (pl.col(game) if game else pl.lit("")).alias("game_id"),
        pl.int_range(pl.len()).alias("order"),
        pl.col(identity).alias("event_id"),
        as_json(topic).cast(pl.Binary).alias("value"),
    )


def _day(listings: dict[Topic, Listing], day: str, wanted: pl.Expr) -> pl.DataFrame:
    """The records of a day in replay order; its files are looked for anew."""
    found = {topic: listing.day(day) for topic, listing in listings.items()}
    parts = [_records(files, topic) for topic, files in found.items() if files]
    return (
        pl.concat([part.filter(wanted) for part in parts])
        .sort("occurred_at_us", "rank", "game_id", "order")
        .collect()
    )


def read_archive(
    root: Path,
    topics: Sequence[Topic] = PLAYED,
    start_us: int | None = None,
    end_us: int | None = None,
    games: set[str] | None = None,
) -> Iterator[ArchiveRecord]:
    """Events in replay order: time, then topic (as in `PLAYED`), game, order in the file.

    start_us is included, end_us is not. Holds one day in memory.
    Raises DataMissing where there is no archive, or one with the columns of another version.
    """
    _require_archive(root)
    by_rank = {_RANK[topic]: topic for topic in topics}
    listings = {topic: Listing(root, topic.value) for topic in topics}
    wanted = pl.lit(True)
    if start_us is not None:
        wanted &= pl.col("occurred_at_us") >= start_us
    if end_us is not None:
        wanted &= pl.col("occurred_at_us") < end_us
    if games is not None:
        wanted &= pl.col("game_id").is_in(sorted(games))
    first = from_us(start_us).date().isoformat() if start_us is not None else ""
    last = from_us(end_us).date().isoformat() if end_us is not None else "9999"
    days = {day for listing in listings.values() for day in listing.days() if first <= day <= last}
    for day in sorted(days):
        rows = while_merged(lambda day=day: _day(listings, day, wanted))  # type: ignore[misc]
        columns = (rows[name].to_list() for name in ("game_id", "event_id", "occurred_at_us"))
        ranked = (by_rank[rank] for rank in rows["rank"].to_list())
        yield from map(ArchiveRecord, ranked, *columns, rows["value"].to_list())
