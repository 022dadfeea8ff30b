"""The archive flow: every record of every topic from Kafka into Parquet, once.

A plain loop, not a Bytewax flow: files carry the offsets they hold (`flows.connectors.live`), so a
restart goes on exactly where the files end, and there is no second store that could say otherwise.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from flows.connectors.files import sole, write_text
from flows.connectors.live import LiveTopic, Rolled
from flows.connectors.manifest import NAME
from flows.connectors.parquet import LIVE
from flows.connectors.reading import Mend, Stopped
from flows.connectors.topic_reader import Lane, Positions, TopicReader
from flows.steps.decode import DecodeRules
from flows.steps.records import Record
from schemas.errors import ConfigError, OffsetOutOfRange
from schemas.sections.keeping import ArchiveSettings
from schemas.settings import Settings
from schemas.topics import Topic

log = logging.getLogger(__name__)

ARCHIVE_GROUP = "steamline-archive"
"""Consumer group under which the archive shows its progress."""

READ_SECONDS = 0.2
"""A batch is as much as has come in this time, or this many records."""
_BATCH = 10_000
_MEND = Mend(
    "archived",
    "`--accept-loss` goes on behind them and keeps count of what is missing; an archive in a new "
    "folder leaves this one as it is",
    "begin an archive in a new folder",
)


class Meter(Protocol):
    """Counts what passes; sees everything, changes nothing."""

    def read(self, records: list[Record]) -> None: ...
    def rolled(self, topic: Topic, what: Rolled) -> None: ...


class Unmetered:
    """Counts nothing."""

    def read(self, records: list[Record]) -> None: ...
    def rolled(self, topic: Topic, what: Rolled) -> None: ...


class Origin(BaseModel):
    """`live.json`: what the archive follows. Offsets mean nothing on another cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: str
    prefix: str


def archive(
    settings: Settings,
    root: Path,
    once: bool = False,
    stopping: Callable[[], bool] = lambda: False,
    accept_loss: bool = False,
    meter: Meter | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> dict[Topic, Rolled]:
    """Follow the topics until told to stop, or to the end they have now; what was written.

    Whatever was read is on disk when it returns, or when it raises OffsetOutOfRange: Kafka has no
    longer what comes next. Raises Unwritable where the disk takes no more, ConfigError for a folder
    of another archive.
    """
    meter = meter or Unmetered()
    with sole(root, "run"):
        _require_own(root)
        topics = {topic: LiveTopic(root, topic, _rules(settings), clock) for topic in Topic}
        reader = TopicReader(settings.kafka, tuple(topics), ARCHIVE_GROUP, _MEND, stopping=stopping)
        try:
            _claim(root, Origin(cluster=reader.cluster(), prefix=settings.kafka.prefix))
            known = {
                lane: at for live in topics.values() for lane, at in _reached(reader, live).items()
            }
            reader.begin(known, accept_loss=accept_loss)
            for lane, at in reader.at.items():
                lost = at - known.get(lane, at)
                topics[reader.topics[lane.topic]].begin(lane.partition, at, lost)
            return _follow(settings.archive, topics, reader, once, stopping, meter)
        except Stopped:
            return {}
        finally:
            reader.close()


def _reached(reader: TopicReader, live: LiveTopic) -> Positions:
    return {
        Lane(reader.names[live.topic], partition): at
        for partition, at in live.next_offsets().items()
    }


def _follow(
    settings: ArchiveSettings,
    topics: dict[Topic, LiveTopic],
    reader: TopicReader,
    once: bool,
    stopping: Callable[[], bool],
    meter: Meter,
) -> dict[Topic, Rolled]:
    done: dict[Topic, Rolled] = {}

    def roll(topic: Topic) -> None:
        written = topics[topic].roll()
        if written is not None:
            meter.rolled(topic, written)
            reader.show(_reached(reader, topics[topic]))
            done[topic] = written.after(done.get(topic))

    log.info("archiving %d partitions", len(reader.at))
    while not stopping() and not (once and reader.at_end()):
        try:
            records = reader.read(min(settings.roll_rows, _BATCH), READ_SECONDS)
        except OffsetOutOfRange:
            # What waits here may be gone from Kafka too by the next start.
            for topic in topics:
                roll(topic)
            raise
        meter.read(records)
        by_topic: dict[Topic, list[Record]] = {topic: [] for topic in topics}
        for record in records:
            by_topic[record.topic].append(record)
        for topic, some in by_topic.items():
            topics[topic].add(some)
        for topic, live in topics.items():
            if _due(settings, *live.waiting):
                roll(topic)
        for lane in reader.grown():
            topics[reader.topics[lane.topic]].begin(lane.partition, reader.at[lane])
    for topic in topics:
        roll(topic)
    return done


def _due(settings: ArchiveSettings, records: int, size: int, age: float) -> bool:
    return (
        records >= settings.roll_rows
        or size >= settings.roll_bytes
        or (records > 0 and age >= settings.roll_seconds)
    )


def _rules(settings: Settings) -> DecodeRules:
    """The score flow's, but for books: one that is added later is to be found in the history."""
    rules = DecodeRules.of(settings)
    return DecodeRules(None, rules.future_us, rules.max_bytes)


def read_origin(root: Path) -> Origin | None:
    """None where there is no archive that follows Kafka."""
    try:
        return Origin.model_validate_json((root / LIVE).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as bad:
        raise ConfigError(str(root / LIVE), bad.errors()[0]["msg"], "Restore the file") from None


def _require_own(root: Path) -> None:
    if read_origin(root) is None and ((root / NAME).exists() or any(root.glob("topic=*"))):
        raise ConfigError(
            str(root), "holds an archive that was imported", "Choose another folder with --archive"
        )


def _claim(root: Path, origin: Origin) -> None:
    found = read_origin(root)
    if found is None:
        write_text(root / LIVE, origin.model_dump_json() + "\n")
    elif found != origin:
        raise ConfigError(
            str(root / LIVE),
            f"the archive follows cluster {found.cluster}, prefix {found.prefix!r}, not "
            f"{origin.cluster}, {origin.prefix!r}",
            "Choose another folder with --archive",
        )
