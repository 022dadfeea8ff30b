"""Whether what came in is everywhere where it should be: ids by topic, stage after stage.

The stages are those that there are: an archive, the topics, the database. A record that could not
be used counts as `refused` and in no stage further on: its dead letter, which is a record itself,
must be there instead.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import psycopg

from flows.connectors.migrations import dsn_of
from flows.connectors.parquet import scan, topic_schema
from flows.connectors.topic_reader import TopicReader
from flows.curate import rules_of
from flows.steps.curate import REFUSED_BY_DATABASE, prepare
from flows.steps.records import Record
from flows.steps.rows import TABLES, Row, Table
from schemas.errors import DependencyDown, first_line
from schemas.events import day_of
from schemas.sections.servers import PostgresSettings
from schemas.settings import Settings
from schemas.topics import Topic

GROUP = "steamline-audit"
_BATCH = 20_000
_SHOWN = 3

Ids = dict[Topic, set[str]]


@dataclass
class Stage:
    """Ids of the topics that a stage holds; a topic that it is not meant to hold is absent."""

    name: str
    ids: Ids = field(default_factory=dict)
    records: dict[Topic, int] = field(default_factory=dict)
    """Repeats included."""
    refused: dict[Topic, int] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        return {
            "stage": self.name,
            "topics": {
                topic.value: {
                    "records": self.records[topic],
                    "ids": len(ids),
                    "refused": self.refused.get(topic, 0),
                    "digest": digest(ids),
                }
                for topic, ids in self.ids.items()
            },
        }


class Difference(NamedTuple):
    """Ids that one of two neighbouring stages has and the other has not."""

    topic: str
    between: tuple[str, str]
    missing: int
    """In the second stage."""
    extra: int
    examples: list[str]


def digest(ids: Iterable[str]) -> str:
    """Of a set of ids, whatever their order."""
    whole = hashlib.sha256()
    for one in sorted(ids):
        whole.update(one.encode() + b"\n")
    return whole.hexdigest()[:16]


def compare(stages: list[Stage]) -> list[Difference]:
    """Each stage against the next one that holds the topic."""
    found = []
    for topic in TABLES:
        holding = [stage for stage in stages if topic in stage.ids]
        for first, second in pairwise(holding):
            missing = first.ids[topic] - second.ids[topic]
            extra = second.ids[topic] - first.ids[topic]
            if missing or extra:
                examples = [*sorted(missing)[:_SHOWN], *sorted(extra)[:_SHOWN]]
                between = (first.name, second.name)
                found.append(Difference(topic.value, between, len(missing), len(extra), examples))
    return found


def of_archive(root: Path, day: date | None = None) -> Stage:
    """Topics that it has rows of. Raises DataMissing where there is no archive."""
    stage = Stage("archive")
    for topic in TABLES:
        if not (root / f"topic={topic.value}").exists():
            continue
        rows = scan(root, topic)
        if day is not None and "game_id" in topic_schema(topic):
            rows = rows.filter(pl.col("game_id").str.contains(f"-{day.isoformat()}-", literal=True))
        ids = rows.select(TABLES[topic].identity).collect().to_series().to_list()
        stage.ids[topic], stage.records[topic] = set(ids), len(ids)
    return stage


def of_topics(settings: Settings, day: date | None = None) -> Stage:
    """Everything that stands in the topics now, as far as the decoder and the database take it."""
    stage = Stage("kafka", {topic: set() for topic in TABLES}, dict.fromkeys(TABLES, 0))
    letters = [
        json.loads(record.value)
        for some in _read(settings, [Topic.DEAD_LETTERS])
        for record in some
        if not prepare([record], rules_of(settings)).letters
    ]
    not_taken = {one["letter_id"] for one in letters if one["reason"] == REFUSED_BY_DATABASE}
    for some in _read(settings, list(TABLES)):
        prepared = prepare(some, rules_of(settings))
        for topic, entries in prepared.load.entries.items():
            table = TABLES[topic]
            for number, row in entries:
                record = some[number]
                if f"{topic.value}-{record.partition}-{record.offset}" in not_taken:
                    stage.refused[topic] = stage.refused.get(topic, 0) + 1
                elif day is None or "game_id" not in table.columns or _of_day(table, row, day):
                    stage.records[topic] += 1
                    stage.ids[topic].add(table.id_of(row))
        for letter in prepared.letters:
            topic = Topic(json.loads(letter.value)["topic"])
            stage.refused[topic] = stage.refused.get(topic, 0) + 1
    return stage


def _of_day(table: Table, row: Row, day: date) -> bool:
    return day_of(row[table.columns.index("game_id")]) == day


def _read(settings: Settings, topics: list[Topic]) -> Iterator[list[Record]]:
    """Batches, from the topics' beginning to their end."""
    reader = TopicReader(settings.kafka, topics, GROUP)
    try:
        reader.begin({})
        while not reader.at_end():
            if some := reader.read(_BATCH, 1.0):
                yield some
    finally:
        reader.close()


def of_database(settings: PostgresSettings, day: date | None = None) -> Stage:
    """Raises DependencyDown without an answer."""
    stage = Stage("postgres")
    try:
        with psycopg.connect(dsn_of(settings), connect_timeout=10) as db:
            for topic, table in TABLES.items():
                query = f"SELECT {table.name}.{table.identity} FROM {table.name}"
                if day is not None and "game_id" in table.columns:
                    query += " JOIN games USING (game_id) WHERE games.day = %(day)s"
                ids = [str(one) for (one,) in db.execute(query, {"day": day})]
                stage.ids[topic], stage.records[topic] = set(ids), len(ids)
    except psycopg.Error as down:
        raise DependencyDown(f"Postgres: {first_line(down)}") from None
    return stage
