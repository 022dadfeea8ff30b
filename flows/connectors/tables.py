"""What `run curate` and `db load` have brought into Postgres, as an archive again.

Rows and their order are those of the archive or the topics that they came from, so whatever reads
archives reads the database: features, training, drift.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import psycopg
from psycopg import sql

from flows.connectors.manifest import seal
from flows.connectors.migrations import dsn_of, require_current
from flows.connectors.parquet import PLAYED, TIMESTAMP, TopicWriter, json_columns, topic_schema
from flows.steps.rows import TABLES
from schemas.errors import DataMissing, DependencyDown, first_line
from schemas.sections.servers import PostgresSettings
from schemas.topics import Topic

READ: tuple[Topic, ...] = (*PLAYED, Topic.PREDICTIONS)
_CHUNK = 100_000
_UNREAD = {"odds_format": "decimal", "best": "[]", "read_to": "{}"}
"""Columns that the database does not keep, as validated prices are decimal, or that make most of a
prediction's bytes and are read by nobody who reads an archive of tables."""


@contextmanager
def tables_as_archive(settings: PostgresSettings, home: Path) -> Iterator[Path]:
    """A sealed archive of the events and predictions in the database, as of now; gone at the end.

    Raises DataMissing where there are no events, DependencyDown where Postgres does not answer,
    MigrationFailed where its schema is not this version's.
    """
    require_current(settings)
    home.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=home, prefix=".tables-") as folder:
        root = Path(folder)
        try:
            with psycopg.connect(dsn_of(settings)) as db:
                # All topics as of one moment: a result without its game would be a hole.
                db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                db.read_only = True
                events = sum(_write(db, root, topic) for topic in READ if topic in PLAYED)
                if not events:
                    raise DataMissing(
                        "the database holds no events: `run curate` or `db load` bring them"
                    )
                _write(db, root, Topic.PREDICTIONS)
                simulated = db.execute("SELECT bool_or(simulated) FROM games").fetchone()
        except psycopg.OperationalError as down:
            raise DependencyDown(f"Postgres does not answer: {first_line(down)}") from None
        seal(root, "postgres", simulated is not None and bool(simulated[0]), {}, {})
        yield root


def _write(db: "psycopg.Connection[tuple[Any, ...]]", root: Path, topic: Topic) -> int:
    names = list(topic_schema(topic))
    with TopicWriter(root, topic) as writer, db.cursor() as cursor:
        with cursor.copy(_query(topic, names)) as answer:
            # A message of the server is a row.
            rows = iter(answer)
            while some := list(islice(rows, _CHUNK)):
                writer.add_rows(_frame(topic, some))
        return writer.count


def _query(topic: Topic, names: Sequence[str]) -> sql.Composed:
    schema = topic_schema(topic)
    table = TABLES[topic]
    columns = [_column(name, schema[name]) for name in names]
    time = next(n for n in ("occurred_at", "as_of") if n in table.columns)
    order = [time, "game_id"]
    # In a game's partition offsets are the order of arrival; what an archive brought has none.
    order += ["partition", "offset", "arrival"] if topic in PLAYED else ["position"]
    return sql.SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT (FORMAT csv)").format(
        sql.SQL(", ").join(columns),
        sql.Identifier(table.name),
        sql.SQL(", ").join(sql.SQL("{} NULLS FIRST").format(sql.Identifier(n)) for n in order),
    )


def _column(name: str, dtype: pl.DataType) -> sql.Composable:
    if name in _UNREAD:
        return sql.Literal(_UNREAD[name])
    column = sql.Identifier(name.removesuffix("_us"))
    if dtype == TIMESTAMP:
        return sql.SQL("(extract(epoch FROM {}) * 1000000)::bigint").format(column)
    return sql.SQL("{}::text").format(column)


def _frame(topic: Topic, rows: Sequence[bytes | bytearray | memoryview]) -> pl.DataFrame:
    """As `flows.connectors.parquet.scan` gives them. Postgres writes a double in as many digits as
    it takes to read the very same one."""
    schema = topic_schema(topic)
    texts = json_columns(topic)
    plain = {
        name: pl.String() if dtype.is_nested() or name in texts else _plain(dtype)
        for name, dtype in schema.items()
    }
    frame = pl.read_csv(b"".join(rows), has_header=False, schema=plain)
    return frame.with_columns(
        pl.col(name).str.json_decode(dtype) if dtype.is_nested() else pl.col(name).cast(dtype)
        for name, dtype in schema.items()
    )


def _plain(dtype: pl.DataType) -> pl.DataType:
    return pl.Int64() if dtype == TIMESTAMP else dtype
