"""Records of a topic to rows of the archive; what cannot be a row is set apart, whole."""

from collections.abc import Sequence
from io import BytesIO
from itertools import compress
from typing import NamedTuple

import polars as pl
from polars.exceptions import PolarsError
from pydantic import BaseModel

from flows.connectors.parquet import (
    LINEAGE,
    PLAYED,
    TIMESTAMP,
    as_json,
    frame_of,
    key_columns,
    live_schema,
    row_of,
    topic_schema,
)
from flows.connectors.proof import allowed
from flows.steps.decode import DAYS_AFTER_GAME, DAYS_BEFORE_GAME, DecodeRules, decode, parse
from flows.steps.records import Record
from schemas.errors import RejectedEvent
from schemas.time import LATEST_US, US_PER_MINUTE
from schemas.topics import Topic
from schemas.wire import SCHEMA_VERSION

APART = pl.Schema(
    {
        "kafka_partition": pl.Int64(),
        "kafka_offset": pl.Int64(),
        "timestamp_us": pl.Int64(),
        "key": pl.Binary(),
        "value": pl.Binary(),
        "version": pl.Binary(),
        "reason": pl.String(),
        "detail": pl.String(),
    }
)
"""Columns of a record that is no row: as it was on Kafka, and why."""

REPEAT = "repeat"
"""Its id stands in the archive already, at the same time of the same day."""
REUSED_ID = "reused_id"
"""Its id stands in the archive already, at another time of the same day."""

_I64 = 2**63 - 1
_EARLIEST_US = -24 * 60 * US_PER_MINUTE
"""A letter about a record without a timestamp says -1 ms."""
_PORTION = 5_000
"""Records read at a time. A whole roll at once costs a fifth more in fresh memory, and twice the
time on a busy machine: the engine shares it out to threads that then wait for one another."""
_FEW = 32
"""Records of which the model is asked at once rather than look for the one that is no JSON."""


class Sorted(NamedTuple):
    rows: pl.DataFrame
    """`live_schema`, those of a partition by offset."""
    apart: pl.DataFrame
    """`APART`."""


def rows_of(topic: Topic, records: Sequence[Record], rules: DecodeRules) -> Sorted:
    """Every record in one of both.

    A record of an input topic is set apart where the score flow would refuse it, but for its book
    and for being late: those depend on settings and on what came before, not on the record.
    """
    parsed, rest = [pl.DataFrame(schema=live_schema(topic))], list[Record]()
    for at in range(0, len(records), _PORTION):
        proven, others = _in_bulk(topic, records[at : at + _PORTION], rules)
        parsed.append(proven)
        rest += others
    one_by_one, apart = _asked(topic, rest, rules)
    rows = pl.concat([*parsed, one_by_one], rechunk=True)
    return Sorted(
        rows.sort("kafka_partition", "kafka_offset") if one_by_one.height else rows, apart
    )


def apart_of(records: Sequence[tuple[Record, str, str]]) -> pl.DataFrame:
    """record, reason, detail."""
    rows = [
        (
            one.partition,
            one.offset,
            max(-_I64, min(one.timestamp_us, _I64)),
            one.key,
            one.value,
            one.version,
            reason,
            detail,
        )
        for one, reason, detail in records
    ]
    return pl.DataFrame(rows, schema=APART, orient="row")


def _table(topic: Topic, records: Sequence[Record], values: list[bytes]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            pl.Series("kafka_partition", [one.partition for one in records], pl.Int64),
            pl.Series("kafka_offset", [one.offset for one in records], pl.Int64),
            pl.Series("raw", values, pl.Binary),
            pl.Series("version", [one.version for one in records], pl.Binary),
        ]
        + (
            [
                pl.Series("key", [one.key for one in records], pl.Binary),
                # Null beyond 64 bits, and then the model is asked.
                pl.Series(
                    "stamp_us", [one.timestamp_us for one in records], pl.Int64, strict=False
                ),
            ]
            if topic in PLAYED
            else []
        )
    )


def _in_bulk(
    topic: Topic, records: Sequence[Record], rules: DecodeRules
) -> tuple[pl.DataFrame, Sequence[Record]]:
    """Rows that are proven, and the records that none of them stands for."""
    proof = allowed(topic)
    if proof is None:
        return pl.DataFrame(schema=live_schema(topic)), records
    values = [record.value for record in records]
    read = _read(topic, values)
    both = pl.concat([read, _table(topic, records, values)], how="horizontal")
    conditions = [
        pl.col("version").is_null() | (pl.col("version") == SCHEMA_VERSION),
        as_json(topic).cast(pl.Binary) == pl.col("raw"),
        *proof,
        *(_plausible(rules, read["game_id"]) if topic in PLAYED else _datable(topic)),
    ]
    # A column each first: they are computed side by side.
    held = both.select(one.alias(str(number)) for number, one in enumerate(conditions))
    passed = held.select(pl.all_horizontal(pl.all()).fill_null(False)).to_series()
    rows = both.filter(passed).select(*topic_schema(topic), *LINEAGE)
    return rows, list(compress(records, (~passed).to_list()))


def _plausible(rules: DecodeRules, game_ids: pl.Series) -> list[pl.Expr]:
    """What `flows.steps.decode.decode` asks of a record beyond its model."""
    time = pl.col("occurred_at_us")
    # The day of each game, not of each record: it takes a pattern.
    games = game_ids.unique()
    days = games.str.extract(r"-(\d{4}-\d{2}-\d{2})-").str.to_date("%Y-%m-%d", strict=False)
    day = pl.col("game_id").replace_strict(games, days, default=None)
    away = (time.dt.date() - day).dt.total_days()
    return [
        pl.col("raw").bin.size() <= rules.max_bytes,
        pl.col("key") == pl.col("game_id").cast(pl.Binary),
        time.cast(pl.Int64) - pl.col("stamp_us") <= rules.future_us,
        away.is_between(-DAYS_BEFORE_GAME, DAYS_AFTER_GAME),
    ]


def _datable(topic: Topic) -> list[pl.Expr]:
    """Of what we wrote ourselves: a day that can be a folder."""
    return [pl.col(key_columns(topic)[0]).cast(pl.Int64).is_between(_EARLIEST_US, LATEST_US)]


def _read(topic: Topic, values: Sequence[bytes]) -> pl.DataFrame:
    """A row a value, nulls where there is none; a row need not be that of its value."""
    shape = {
        name: pl.Int64() if dtype == TIMESTAMP else dtype
        for name, dtype in topic_schema(topic).items()
    }
    try:
        read = pl.read_ndjson(BytesIO(b"\n".join(values)), schema=shape)
    except PolarsError:
        read = None
    if read is not None and read.height == len(values):
        return read.cast(topic_schema(topic))
    if len(values) <= _FEW:
        nothing = {name: [None] * len(values) for name in shape}
        return pl.DataFrame(nothing, schema=topic_schema(topic))
    # Something among them is no line of JSON: look for it where it can be.
    half = len(values) // 2
    return pl.concat([_read(topic, values[:half]), _read(topic, values[half:])])


def _asked(
    topic: Topic, records: Sequence[Record], rules: DecodeRules
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows and what is set apart, by the model."""
    good: list[tuple[Record, tuple[object, ...]]] = []
    refused: list[tuple[Record, str, str]] = []
    to_row = row_of(topic)
    for record in records:
        try:
            good.append((record, to_row(_valid(record, rules))))
        except RejectedEvent as rejected:
            refused.append((record, rejected.reason, rejected.detail))
    rows, unstorable = _framed(topic, good)
    return rows, apart_of(refused + unstorable)


def _valid(record: Record, rules: DecodeRules) -> BaseModel:
    if record.topic in PLAYED:
        return decode(record, rules)
    message = parse(record)
    time = getattr(message, key_columns(record.topic)[0])
    if not _EARLIEST_US <= time <= LATEST_US:
        raise RejectedEvent("implausible_time", f"{time} us since 1970")
    return message


def _framed(
    topic: Topic, good: Sequence[tuple[Record, tuple[object, ...]]]
) -> tuple[pl.DataFrame, list[tuple[Record, str, str]]]:
    """Rows, less those that no column can hold: a model's integers have no end."""
    if not good:
        return pl.DataFrame(schema=live_schema(topic)), []
    try:
        rows = frame_of(topic, [row for _, row in good]).with_columns(
            pl.Series("kafka_partition", [record.partition for record, _ in good], pl.Int64),
            pl.Series("kafka_offset", [record.offset for record, _ in good], pl.Int64),
        )
    except (PolarsError, OverflowError, TypeError, ValueError) as bad:
        if len(good) == 1:
            return pl.DataFrame(schema=live_schema(topic)), [
                (good[0][0], "unstorable", str(bad).partition("\n")[0])
            ]
        half = len(good) // 2
        first, second = _framed(topic, good[:half]), _framed(topic, good[half:])
        return pl.concat([first[0], second[0]]), first[1] + second[1]
    return rows, []
