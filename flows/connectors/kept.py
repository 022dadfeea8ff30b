"""Where predictions and results are kept for whoever looks at them now and then: archives, the
database, or both; and whether all that is on the topics has got there."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import psycopg

from flows.connectors.live import newest_note
from flows.connectors.migrations import dsn_of
from flows.connectors.parquet import LIVE, key_columns, scan
from flows.connectors.tables import READ, tables_as_archive
from schemas.errors import DependencyDown, first_line
from schemas.sections.servers import KafkaSettings, PostgresSettings
from schemas.time import to_us
from schemas.topics import Topic

Ends = Mapping[Topic, Mapping[int, tuple[int, int]]]
"""First offset and end of every partition, as `flows.connectors.reading.ends_of` says."""
_NEWEST = """
SELECT greatest((SELECT max(as_of) FROM predictions), (SELECT max(occurred_at) FROM results))
"""


class Archives:
    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._newest_us: int | None = None

    def newest_us(self) -> int | None:
        """Of all predictions and results; only the days from there on are looked through again."""
        for root in self._roots:
            for topic in (Topic.PREDICTIONS, Topic.RESULTS):
                time = pl.col(key_columns(topic)[0]).cast(pl.Int64).max()
                found = scan(root, topic, self._newest_us).select(time).collect().item()
                self._newest_us = max(self._newest_us or 0, found or 0) or None
        return self._newest_us

    def holds(self, ends: Ends) -> bool:
        """Archives that do not follow Kafka hold what they hold."""
        for root in self._roots:
            if (root / LIVE).exists():
                for topic in READ:
                    reach = newest_note(root, topic).reach
                    for partition, (first, end) in ends.get(topic, {}).items():
                        if first < end and (partition not in reach or reach[partition].next < end):
                            return False
        return True

    @contextmanager
    def archives(self) -> Iterator[list[Path]]:
        yield list(self._roots)


class Tables:
    """The database, and archives of games that are not in it.

    Every method raises DependencyDown where Postgres does not answer.
    """

    def __init__(
        self,
        settings: PostgresSettings,
        kafka: KafkaSettings,
        home: Path,
        others: Sequence[Path] = (),
    ) -> None:
        self._settings, self._kafka, self._home = settings, kafka, home
        self._others = others

    def newest_us(self) -> int | None:
        [(found,)] = self._ask(_NEWEST)
        return None if found is None else to_us(found)

    def holds(self, ends: Ends) -> bool:
        rows = self._ask('SELECT topic, "partition", next_offset FROM curate_offsets')
        there = {(name, partition): offset for name, partition, offset in rows}
        return all(
            there.get((topic.full(self._kafka.prefix), partition), first) >= end
            for topic in READ
            for partition, (first, end) in ends.get(topic, {}).items()
        )

    @contextmanager
    def archives(self) -> Iterator[list[Path]]:
        with tables_as_archive(self._settings, self._home) as root:
            yield [*self._others, root]

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        try:
            with psycopg.connect(dsn_of(self._settings)) as db:
                return db.execute(query).fetchall()
        except psycopg.OperationalError as down:
            raise DependencyDown(f"Postgres does not answer: {first_line(down)}") from None
