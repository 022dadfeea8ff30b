"""A part of an archive for other programs: CSV, JSON lines or Parquet."""

from enum import StrEnum
from pathlib import Path

import polars as pl

from flows.connectors.parquet import key_columns, read_archive, scan
from schemas.errors import ConfigError
from schemas.time import from_us
from schemas.topics import Topic


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def export(
    root: Path,
    topic: Topic,
    out: Path,
    form: Format,
    start_us: int | None = None,
    end_us: int | None = None,
    games: set[str] | None = None,
) -> int:
    """Rows written, in the order of the archive; nothing stands at `out` until all of them do.

    start_us is included, end_us is not. JSON lines are the values as our producers write them to
    Kafka, byte for byte. Raises DataMissing where there is no archive.
    """
    if games is not None and key_columns(topic)[2] != "game_id":
        raise ConfigError("--game", f"{topic.value} is of no game", "Leave it out")
    hidden = out.with_name(f".{out.name}.partial")
    try:
        if form is Format.JSONL:
            count = _lines(root, topic, hidden, start_us, end_us, games)
        else:
            count = _table(root, topic, hidden, form, start_us, end_us, games)
        hidden.replace(out)
    finally:
        hidden.unlink(missing_ok=True)
    return count


def _lines(
    root: Path,
    topic: Topic,
    hidden: Path,
    start_us: int | None,
    end_us: int | None,
    games: set[str] | None,
) -> int:
    count = 0
    with hidden.open("wb") as file:
        for record in read_archive(root, (topic,), start_us, end_us, games):
            file.write(record.value + b"\n")
            count += 1
    return count


def _table(
    root: Path,
    topic: Topic,
    hidden: Path,
    form: Format,
    start_us: int | None,
    end_us: int | None,
    games: set[str] | None,
) -> int:
    time, _, game = key_columns(topic)
    rows = scan(root, topic, start_us, None if end_us is None else end_us - 1)
    if start_us is not None:
        rows = rows.filter(pl.col(time) >= from_us(start_us))
    if end_us is not None:
        rows = rows.filter(pl.col(time) < from_us(end_us))
    if games is not None and game is not None:
        rows = rows.filter(pl.col(game).is_in(sorted(games)))
    if form is Format.PARQUET:
        rows.sink_parquet(hidden, compression="zstd")
    else:
        _flat(rows).sink_csv(hidden, datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")
    read = pl.scan_parquet(hidden) if form is Format.PARQUET else rows
    return int(read.select(pl.len()).collect().item())


def _flat(rows: pl.LazyFrame) -> pl.LazyFrame:
    """What a cell cannot hold becomes JSON text."""
    nested = [name for name, dtype in rows.collect_schema().items() if dtype.is_nested()]
    return rows.with_columns(
        pl.struct(name)
        .struct.json_encode()
        .str.strip_prefix(f'{{"{name}":')
        .str.strip_suffix("}")
        .alias(name)
        for name in nested
    )
