"""Figures about the data into the table `data_quality`: the newest of each stands."""

import json
from collections.abc import Iterable
from datetime import datetime

import psycopg

from flows.connectors.migrations import dsn_of
from models.measurements import Measurement
from schemas.errors import DependencyDown, first_line
from schemas.sections.servers import PostgresSettings

CONNECT_SECONDS = 10

_PUT = """
INSERT INTO data_quality (source, day, metric, subject, value, detail, measured_at)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (source, day, metric, subject) DO UPDATE
SET value = excluded.value, detail = excluded.detail, measured_at = excluded.measured_at
WHERE (data_quality.value, data_quality.detail) IS DISTINCT FROM (excluded.value, excluded.detail)
"""


def put(settings: PostgresSettings, figures: Iterable[Measurement], at: datetime) -> int:
    """All or nothing; how many are new or other than before. A figure that is as it was keeps the
    time at which it was first so. Raises DependencyDown without an answer."""
    rows = [
        (
            one.source,
            one.day,
            one.metric,
            one.subject,
            one.value,
            None if one.detail is None else json.dumps(one.detail),
            at,
        )
        for one in figures
    ]
    try:
        with (
            psycopg.connect(dsn_of(settings), connect_timeout=CONNECT_SECONDS) as db,
            db.cursor() as cursor,
        ):
            cursor.executemany(_PUT, rows)
            return cursor.rowcount
    except psycopg.OperationalError as down:
        raise DependencyDown(f"Postgres does not answer: {first_line(down)}") from None
