"""Curate path, bytes to committed rows, against a raw COPY of the same rows.

The reference is what asyncpg can do at best: rows that are ready, one COPY a table and batch
straight into the same tables, with their keys and checks; it could neither run twice nor survive
one bad row. `detail` has the same COPY into bare tables too, and the same records brought a second
time, when every one of them is there. Rounds alternate, every one into empty tables.
"""

import asyncio
import time
from itertools import islice
from statistics import median
from typing import Any, TypeAlias

import asyncpg
from pydantic import SecretStr

from bench.result import Result, paired
from deploy import stack
from deploy.demo.slate import prepare_archive
from flows.connectors.migrations import dsn_of, migrate
from flows.connectors.parquet import read_archive
from flows.connectors.postgres import Store
from flows.curate import Curator, batches, bring_all, rules_of
from flows.garbage import rest_the_collector
from flows.steps.curate import Load, prepare
from flows.steps.records import Record
from flows.steps.rows import TABLES
from schemas.sections.servers import PostgresSettings
from schemas.settings import Settings

RECORDS = 60_000
ROUNDS = 5
DATABASE = "bench_curate"

Connection: TypeAlias = "asyncpg.Connection[Any]"


async def _empty(db: Connection) -> None:
    # The ledger's tables hang on these, and let nobody empty them.
    await db.execute("SET session_replication_role = replica")
    await db.execute("TRUNCATE games, books, quotes, game_updates, splits, results CASCADE")
    await db.execute("SET session_replication_role = origin")
    await db.execute("CHECKPOINT")


async def _ours(store: Store, records: list[Record], settings: Settings, new: int) -> float:
    store.forget()
    curator = Curator(store, None)
    began = time.perf_counter()
    await curator.patiently(lambda: store.note_books(settings.books, settings.sharp_books))
    some = iter([records[at : at + BATCH] for at in range(0, len(records), BATCH)])
    await bring_all(curator, some, rules_of(settings))
    rate = len(records) / (time.perf_counter() - began)
    done = curator.account
    assert done.new.total() == new, (done.new, done.refused)
    return rate


BATCH = Settings.model_fields["curate"].default.batch


async def _copy(db: Connection, loads: list[Load], bare: bool) -> float:
    count = 0
    if not bare:
        # What rows refer to is there already.
        for load in loads:
            await db.executemany(
                "INSERT INTO games (game_id, source, event_id, topic) VALUES ($1, 'b', 'b', 'b')"
                " ON CONFLICT DO NOTHING",
                [(game_id,) for game_id in sorted(load.games)],
            )
            await db.executemany(
                "INSERT INTO books (book) VALUES ($1) ON CONFLICT DO NOTHING",
                [(book,) for book in sorted(load.books)],
            )
            for day in sorted(load.days):
                await db.execute("SELECT make_quote_partitions($1, $1)", day)
    began = time.perf_counter()
    for load in loads:
        async with db.transaction():
            for topic, table in TABLES.items():
                if rows := [one.row for one in load.entries[topic]]:
                    name = f"bare_{table.name}" if bare else table.name
                    await db.copy_records_to_table(name, records=rows, columns=table.columns)
                    count += len(rows)
    return count / (time.perf_counter() - began)


async def _rounds(settings: Settings, records: list[Record]) -> dict[str, list[float]]:
    names = ("ours", "repeats", "same_tables", "bare_tables")
    rates: dict[str, list[float]] = {name: [] for name in names}
    db = await asyncpg.connect(dsn_of(settings.postgres))
    store = Store(settings.postgres)
    await store.open()
    parts = [records[at : at + BATCH] for at in range(0, len(records), BATCH)]
    loads = [prepare(part, rules_of(settings), False).load for part in parts]
    for table in TABLES.values():
        await db.execute(
            f"CREATE TEMPORARY TABLE bare_{table.name} AS SELECT * FROM {table.name} LIMIT 0"
        )
    rest_the_collector()
    for _ in range(ROUNDS):
        await _empty(db)
        rates["same_tables"].append(await _copy(db, loads, bare=False))
        await _empty(db)
        rates["ours"].append(await _ours(store, records, settings, len(records)))
        rates["repeats"].append(await _ours(store, records, settings, 0))
        rates["bare_tables"].append(await _copy(db, loads, bare=True))
        for table in TABLES.values():
            await db.execute(f"TRUNCATE bare_{table.name}")
    await store.close()
    await db.close()
    return rates


async def _fresh_database(dsn: str) -> str:
    admin = await asyncpg.connect(dsn)
    await admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    await admin.execute(f"CREATE DATABASE {DATABASE}")
    await admin.close()
    return f"{dsn.rpartition('/')[0]}/{DATABASE}"


def main() -> None:
    settings = Settings.read()
    stack.up(settings)
    settings = stack.resolve(settings)
    archive = prepare_archive(settings)
    dsn = asyncio.run(_fresh_database(dsn_of(settings.postgres)))
    settings = settings.model_copy(update={"postgres": PostgresSettings(dsn=SecretStr(dsn))})
    migrate(settings.postgres)
    records = next(batches(islice(read_archive(archive), RECORDS), RECORDS))
    rates = asyncio.run(_rounds(settings, records))
    middle = {name: median(some) for name, some in rates.items()}
    Result(
        name="curate",
        ours=round(middle["ours"], 1),
        reference=round(middle["same_tables"], 1),
        unit="rows/s",
        ratio=paired(rates["ours"], rates["same_tables"]),
        detail={
            "rows": len(records),
            "bare_tables": round(middle["bare_tables"], 1),
            "ratio_to_bare_tables": paired(rates["ours"], rates["bare_tables"]),
            "ratio_of_repeats": paired(rates["repeats"], rates["same_tables"]),
            **{f"rounds_{name}": [round(rate, 1) for rate in some] for name, some in rates.items()},
            "data": archive.name,
        },
    ).write()
