"""The archive's writer against a raw polars write of the same rows.

Ours takes records as they come from Kafka: bytes to checked rows, repeats looked for, sorted, and
written in rolls that survive a crash. The reference takes the finished rows from memory and writes
them in files of as many rows. Beside it stands what polars alone needs from the same bytes, without
a check: JSON lines read and written. Rounds alternate.
"""

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from zlib import crc32

import polars as pl

from bench.result import Result, paired
from deploy.demo.slate import prepare_archive
from flows.connectors.live import LiveTopic
from flows.connectors.parquet import TIMESTAMP, read_archive, topic_schema
from flows.steps.decode import DecodeRules
from flows.steps.records import Record
from schemas.settings import Settings
from schemas.topics import Topic
from schemas.wire import SCHEMA_VERSION

EVENTS = 300_000
PARTITIONS = 8
ROUNDS = 5


def _records(archive: Path) -> list[Record]:
    """Line moves in the order of time, each game in a partition."""
    offsets = [0] * PARTITIONS
    found = []
    for one in islice(read_archive(archive, [Topic.LINES]), EVENTS):
        partition = crc32(one.game_id.encode()) % PARTITIONS
        found.append(
            Record(
                Topic.LINES,
                partition,
                offsets[partition],
                one.occurred_at_us,
                one.game_id.encode(),
                one.value,
                SCHEMA_VERSION,
            )
        )
        offsets[partition] += 1
    return found


def _rolls(records: list[Record], rows: int) -> Iterator[list[Record]]:
    for begin in range(0, len(records), rows):
        yield records[begin : begin + rows]


def _ours(root: Path, records: list[Record], rows: int, rules: DecodeRules) -> float:
    topic = LiveTopic(root, Topic.LINES, rules, time.monotonic)
    for partition in range(PARTITIONS):
        topic.begin(partition, 0)
    began = time.perf_counter()
    for some in _rolls(records, rows):
        topic.add(some)
        topic.roll()
    return len(records) / (time.perf_counter() - began)


def _write_alone(root: Path, frames: list[pl.DataFrame]) -> float:
    root.mkdir()
    began = time.perf_counter()
    for number, frame in enumerate(frames):
        frame.write_parquet(root / f"{number}.parquet", compression="zstd")
    return sum(map(len, frames)) / (time.perf_counter() - began)


def _read_and_write(root: Path, records: list[Record], rows: int) -> float:
    root.mkdir()
    shape = {
        name: pl.Int64() if dtype == TIMESTAMP else dtype
        for name, dtype in topic_schema(Topic.LINES).items()
    }
    began = time.perf_counter()
    for number, some in enumerate(_rolls(records, rows)):
        lines = BytesIO(b"\n".join([record.value for record in some]))
        frame = pl.read_ndjson(lines, schema=shape).cast(topic_schema(Topic.LINES))
        frame.write_parquet(root / f"{number}.parquet", compression="zstd")
    return len(records) / (time.perf_counter() - began)


def main() -> None:
    settings = Settings.read()
    archive = prepare_archive(settings)
    records = _records(archive)
    rows = settings.archive.roll_rows
    rules = replace(DecodeRules.of(settings), books=None)
    ours: list[float] = []
    write: list[float] = []
    both: list[float] = []
    with TemporaryDirectory() as work:
        folder = Path(work) / "round"
        frames: list[pl.DataFrame] = []
        for _ in range(ROUNDS):
            for rates in (ours, write, both):
                shutil.rmtree(folder, ignore_errors=True)
                if rates is ours:
                    rates.append(_ours(folder, records, rows, rules))
                    files = sorted(folder.glob("topic=lines/date=*/part-*.parquet"))
                    whole = pl.concat([pl.read_parquet(path) for path in files], rechunk=True)
                    frames = list(whole.iter_slices(rows))
                elif rates is write:
                    rates.append(_write_alone(folder, frames))
                else:
                    rates.append(_read_and_write(folder, records, rows))
    Result(
        name="archive",
        ours=round(median(ours), 1),
        reference=round(median(write), 1),
        unit="rows/s",
        ratio=paired(ours, write),
        detail={
            "rows": len(records),
            "rows_a_roll": rows,
            "polars_from_the_same_bytes": round(median(both), 1),
            "ratio_from_the_same_bytes": paired(ours, both),
            "rounds_ours": [round(rate, 1) for rate in ours],
            "rounds_reference": [round(rate, 1) for rate in write],
            "data": archive.name,
        },
    ).write()
