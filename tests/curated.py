"""What a curated database holds, by a plain client, beside what the topics hold."""

import json
from collections.abc import Callable
from typing import Any

import psycopg

from schemas.topics import Topic
from tests.system import ID_OF, Site, content

TABLE_OF = {
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
    Topic.DEAD_LETTERS: "dead_letters",
}

Ids = dict[Topic, list[str]]
"""Sorted ids, an id as often as there are rows or records of it."""


def rows(dsn: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as db:
        done = db.execute(query, values or None)
        while done.nextset():
            pass
        return done.fetchall()


def in_topics(site: Site, readable: Callable[[bytes], bool] = lambda _: True) -> Ids:
    """Ids of every record that can be read, each once."""
    found: Ids = {}
    for topic in Topic:
        values = {content(message) for message in site.read(topic)}
        found[topic] = sorted({json.loads(one)[ID_OF[topic]] for one in values if readable(one)})
    return found


def in_tables(dsn: str) -> Ids:
    return {
        topic: sorted(str(one) for (one,) in rows(dsn, f"SELECT {ID_OF[topic]} FROM {table}"))
        for topic, table in TABLE_OF.items()
    }


def counts(ids: Ids) -> dict[str, int]:
    return {topic.value: len(some) for topic, some in ids.items()}


def ahead_of_positions(dsn: str, prefix: str) -> int:
    """Rows whose record is not covered by the positions: there are none, ever."""
    return sum(
        rows(
            dsn,
            f"SELECT count(*) FROM {table} LEFT JOIN curate_offsets o"
            f" ON o.topic = %s AND o.partition = {table}.partition"
            f" WHERE coalesce({table}.offset >= o.next_offset, true)",
            topic.full(prefix),
        )[0][0]
        for topic, table in TABLE_OF.items()
        # A letter's row has the place of what was refused.
        if topic is not Topic.DEAD_LETTERS
    )


def position(dsn: str) -> int:
    """Records covered so far."""
    return int(rows(dsn, "SELECT coalesce(sum(next_offset), 0) FROM curate_offsets")[0][0])
