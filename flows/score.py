"""The score flow: events in, predictions, stakes and alerts out, features to the store."""

from collections.abc import Iterable, Iterator
from typing import Protocol, cast

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.inputs import FixedPartitionedSource
from bytewax.operators import KeyedStream, StatefulBatchLogic
from bytewax.outputs import DynamicSink, FixedPartitionedSink

from flows.steps.alerts import AlertStep, Watched
from flows.steps.decode import Decoded, DecodeRules, decode_batch
from flows.steps.game import GameStep, ToScore
from flows.steps.records import FeatureBlob, Outgoing, Record
from flows.steps.score import Scored, Scorer
from models.features.fold import FoldRules
from schemas.settings import Settings

SCORE_BATCH = 256
"""Games to one kernel call: enough to spread its fixed cost, few enough to stay in cache."""

Batch = tuple[str, list[Outgoing]]
"""Messages for the sink, under any key."""


class Meter(Protocol):
    """Counts what passes; sees everything, changes nothing."""

    def read(self, records: list[Record]) -> None: ...
    def scored(self, scored: Scored) -> None: ...
    def sent(self, messages: list[Outgoing]) -> None: ...


class Unmetered:
    """Counts nothing."""

    def read(self, records: list[Record]) -> None: ...
    def scored(self, scored: Scored) -> None: ...
    def sent(self, messages: list[Outgoing]) -> None: ...


def score_flow(
    settings: Settings,
    source: FixedPartitionedSource[Record, bytes],
    messages: FixedPartitionedSink[list[Outgoing], bytes],
    features: DynamicSink[FeatureBlob],
    scorer: Scorer,
    meter: Meter | None = None,
) -> Dataflow:
    """The whole graph; connectors are handed in."""
    meter = meter or Unmetered()
    decode_rules, fold_rules = DecodeRules.of(settings), FoldRules.of(settings)
    flow = Dataflow("score")

    records: Stream[Record] = op.input("events", flow, source)
    decoded = op.flat_map_batch("decode", records, lambda some: _decode(some, decode_rules, meter))
    split = op.branch("valid", decoded, _is_letter)
    events = cast(KeyedStream[Decoded], split.falses)
    letters = op.flat_map_batch("letters", cast(Stream[Outgoing], split.trues), _as_one)

    folded: KeyedStream[ToScore | Outgoing] = op.stateful_batch(
        "fold", events, lambda resume: _GameLogic(GameStep(fold_rules, resume))
    )
    scored = op.flat_map_batch("score", folded, lambda batch: _score(batch, scorer, meter))
    decisions = op.flat_map_batch("decisions", scored, _messages)
    vectors = op.flat_map_batch("vectors", scored, _blobs)
    watched: KeyedStream[Watched] = op.flat_map_batch("watched", scored, _watched)
    begun: KeyedStream[Outgoing] = op.stateful_batch(
        "alerts", watched, lambda resume: _AlertLogic(AlertStep(resume))
    )
    alerts = op.flat_map_batch("alerted", op.key_rm("unkeyed", begun), _as_one)

    outgoing = op.merge("outgoing", decisions, alerts, letters)
    counted = op.flat_map_batch("counted", outgoing, lambda batch: _count(batch, meter))
    op.output("messages", counted, messages)
    op.output("features", vectors, features)
    return flow


class _GameLogic(StatefulBatchLogic[Decoded, ToScore | Outgoing, bytes]):
    def __init__(self, step: GameStep) -> None:
        self._step = step

    def on_batch(self, values: list[Decoded]) -> tuple[Iterable[ToScore | Outgoing], bool]:
        return self._step.on_batch(values), StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        return self._step.snapshot()


class _AlertLogic(StatefulBatchLogic[Watched, Outgoing, bytes]):
    def __init__(self, step: AlertStep) -> None:
        self._step = step

    def on_batch(self, values: list[Watched]) -> tuple[Iterable[Outgoing], bool]:
        # Where nothing lasts there is nothing to keep: most games, most of the time.
        return self._step.on_batch(values), self._step.idle

    def snapshot(self) -> bytes:
        return self._step.snapshot()


def _is_letter(item: tuple[str, Decoded] | Outgoing) -> bool:
    return isinstance(item, Outgoing)


def _as_one(messages: list[Outgoing]) -> list[Batch]:
    return [("all", messages)]


def _decode(
    records: list[Record], rules: DecodeRules, meter: Meter
) -> list[tuple[str, Decoded] | Outgoing]:
    meter.read(records)
    return decode_batch(records, rules)


def _score(
    batch: list[tuple[str, ToScore | Outgoing]], scorer: Scorer, meter: Meter
) -> Iterator[Scored]:
    """What the fold already wrote, then what each kernel call leads to."""
    written = [item for _, item in batch if isinstance(item, Outgoing)]
    if written:
        yield Scored(written, [], [])
    tasks = [item for _, item in batch if isinstance(item, ToScore)]
    for begin in range(0, len(tasks), SCORE_BATCH):
        scored = scorer(tasks[begin : begin + SCORE_BATCH])
        meter.scored(scored)
        yield scored


def _messages(batch: list[Scored]) -> list[Batch]:
    return [("all", scored.messages) for scored in batch if scored.messages]


def _blobs(batch: list[Scored]) -> list[FeatureBlob]:
    return [blob for scored in batch for blob in scored.blobs]


def _watched(batch: list[Scored]) -> list[tuple[str, Watched]]:
    return [(row.game_id, row) for scored in batch for row in scored.watched]


def _count(batch: list[Batch], meter: Meter) -> list[Batch]:
    for _, messages in batch:
        meter.sent(messages)
    return batch
