"""The settle flow: bets, quotes and results in, settlements and paper bets out."""

from collections.abc import Iterable
from typing import Protocol, cast

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.inputs import FixedPartitionedSource
from bytewax.operators import KeyedStream, StatefulBatchLogic
from bytewax.outputs import FixedPartitionedSink

from flows.steps.bets import Taken, take_batch
from flows.steps.clock import ClockStep, Tick
from flows.steps.decode import DecodeRules
from flows.steps.records import Outgoing, Record
from flows.steps.settle import SettleRules, SettleStep
from schemas.settings import Settings

SETTLE_GROUP = "steamline-settle"
"""Consumer group under which the settle flow shows its progress."""

Batch = tuple[str, list[Outgoing]]
"""Messages for the sink, under any key."""
OfGame = tuple[str, Taken]


class Meter(Protocol):
    """Counts what passes; sees everything, changes nothing."""

    def read(self, records: list[Record]) -> None: ...
    def sent(self, messages: list[Outgoing]) -> None: ...


class Unmetered:
    """Counts nothing."""

    def read(self, records: list[Record]) -> None: ...
    def sent(self, messages: list[Outgoing]) -> None: ...


def settle_flow(
    settings: Settings,
    source: FixedPartitionedSource[Record, bytes],
    messages: FixedPartitionedSink[list[Outgoing], bytes],
    meter: Meter | None = None,
) -> Dataflow:
    """The whole graph; connectors are handed in. Raises ConfigError for bad rule tables."""
    meter = meter or Unmetered()
    decode_rules, rules = DecodeRules.of(settings), SettleRules.of(settings)
    flow = Dataflow("settle")

    records: Stream[Record] = op.input("records", flow, source)
    decoded = op.flat_map_batch("decode", records, lambda some: _decode(some, decode_rules, meter))
    split = op.branch("valid", decoded, lambda item: isinstance(item, Outgoing))
    taken = cast(Stream[OfGame], split.falses)
    letters = op.flat_map_batch("letters", cast(Stream[Outgoing], split.trues), _as_one)

    one_clock = op.key_on("one", taken, lambda _: "clock")
    timed: KeyedStream[tuple[str, Taken | Tick]] = op.stateful_batch(
        "clock", one_clock, lambda resume: _ClockLogic(ClockStep(rules.give_up_us, resume))
    )
    of_games = cast(KeyedStream[Taken | Tick], op.key_rm("games", timed))
    settled: KeyedStream[Outgoing] = op.stateful_batch(
        "settle", of_games, lambda resume: _GameLogic(_step(rules, resume))
    )
    said = op.flat_map_batch("said", op.key_rm("unkeyed", settled), _as_one)

    outgoing = op.merge("outgoing", said, letters)
    counted = op.flat_map_batch("counted", outgoing, lambda batch: _count(batch, meter))
    op.output("messages", counted, messages)
    return flow


class _ClockLogic(StatefulBatchLogic[OfGame, tuple[str, Taken | Tick], bytes]):
    def __init__(self, step: ClockStep) -> None:
        self._step = step

    def on_batch(self, values: list[OfGame]) -> tuple[Iterable[tuple[str, Taken | Tick]], bool]:
        return self._step.on_batch(values), StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        return self._step.snapshot()


class _GameLogic(StatefulBatchLogic[Taken | Tick, Outgoing, bytes]):
    def __init__(self, step: SettleStep) -> None:
        self._step = step

    def on_batch(self, values: list[Taken | Tick]) -> tuple[Iterable[Outgoing], bool]:
        return self._step.on_batch(values), self._step.over

    def snapshot(self) -> bytes:
        return self._step.snapshot()


def _step(rules: SettleRules, resume: bytes | None) -> SettleStep:
    return SettleStep(rules) if resume is None else SettleStep.restore(rules, resume)


def _as_one(messages: list[Outgoing]) -> list[Batch]:
    return [("all", messages)]


def _decode(records: list[Record], rules: DecodeRules, meter: Meter) -> list[OfGame | Outgoing]:
    meter.read(records)
    return take_batch(records, rules)


def _count(batch: list[Batch], meter: Meter) -> list[Batch]:
    for _, messages in batch:
        meter.sent(messages)
    return batch
