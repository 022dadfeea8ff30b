"""The score flow: events in, predictions, stakes and alerts out, features to the store."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, cast

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.inputs import FixedPartitionedSource
from bytewax.operators import KeyedStream, StatefulBatchLogic
from bytewax.outputs import DynamicSink, FixedPartitionedSink

from flows.steps.alerts import AlertStep, Watched
from flows.steps.allocate import AllocateRules, AllocateStep, Numbered
from flows.steps.decode import Decoded, DecodeRules
from flows.steps.game import GameStep, ToScore
from flows.steps.records import FeatureBlob, Outgoing, Record
from flows.steps.score import Scored, Scorer
from flows.steps.spans import UNTRACED, Spans
from flows.steps.told import decode_all
from models.features.fold import FoldRules
from schemas.bets import ALL_BANKROLLS, BankrollUpdate
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
    spans: Spans = UNTRACED,
) -> Dataflow:
    """The whole graph; connectors are handed in."""
    meter = meter or Unmetered()
    decode_rules, fold_rules = DecodeRules.of(settings), FoldRules.of(settings)
    bankrolls = {one.name: AllocateRules.of(settings, one) for one in settings.all_bankrolls}
    flow = Dataflow("score")

    records: Stream[Record] = op.input("events", flow, source)
    decoded = op.flat_map_batch("decode", records, _Decode(decode_rules, meter))
    split = op.branch("valid", decoded, _is_letter)
    events = cast(KeyedStream[Decoded | Numbered], split.falses)
    letters = op.flat_map_batch("letters", cast(Stream[Outgoing], split.trues), _as_one)

    # What is said of bankrolls goes the same way as the games, or it would overtake them.
    folded: KeyedStream[ToScore | Outgoing | Numbered] = op.stateful_batch(
        "fold", events, lambda resume: _GameLogic(GameStep(fold_rules, resume), spans)
    )
    scored: Stream[Scored] = op.flat_map_batch(
        "score", folded, lambda batch: _score(batch, scorer, meter)
    )
    decisions = op.flat_map_batch("decisions", scored, _messages)
    vectors = op.flat_map_batch("vectors", scored, _blobs)
    watched: KeyedStream[Watched] = op.flat_map_batch("watched", scored, _watched)
    begun: KeyedStream[Outgoing] = op.stateful_batch(
        "alerts", watched, lambda resume: _AlertLogic(AlertStep(resume))
    )
    alerts = op.flat_map_batch("alerted", op.key_rm("unkeyed", begun), _as_one)

    news = op.flat_map_batch("news", scored, lambda batch: _news(batch, bankrolls))
    moved: KeyedStream[Outgoing] = op.stateful_batch(
        "allocate", news, lambda resume: _AllocateLogic(bankrolls, resume, spans)
    )
    stakes = op.flat_map_batch("staked", op.key_rm("moved", moved), _as_one)

    outgoing = op.merge("outgoing", decisions, stakes, alerts, letters)
    counted = op.flat_map_batch("counted", outgoing, lambda batch: _count(batch, meter))
    op.output("messages", counted, messages)
    op.output("features", vectors, features)
    return flow


class _GameLogic(StatefulBatchLogic[Decoded | Numbered, ToScore | Outgoing | Numbered, bytes]):
    def __init__(self, step: GameStep, spans: Spans) -> None:
        self._step, self._spans = step, spans

    def on_batch(
        self, values: list[Decoded | Numbered]
    ) -> tuple[Iterable[ToScore | Outgoing | Numbered], bool]:
        events = [value for value in values if isinstance(value, Decoded)]
        if not events:
            return [value for value in values if isinstance(value, Numbered)], self.DISCARD
        with self._spans.span("fold", game_id=events[0].event.game_id, events=len(events)):
            return list(self._step.on_batch(events)), self.RETAIN

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


class _AllocateLogic(StatefulBatchLogic[tuple[str, Numbered], Outgoing, bytes]):
    """Bytewax does not say for which key it asks; the first news does."""

    def __init__(
        self, rules: Mapping[str, AllocateRules], resume: bytes | None, spans: Spans
    ) -> None:
        self._rules, self._resume, self._spans = rules, resume, spans
        self._step: AllocateStep | None = None

    def on_batch(self, values: list[tuple[str, Numbered]]) -> tuple[Iterable[Outgoing], bool]:
        if self._step is None:
            self._step = AllocateStep(self._rules[values[0][0]], self._resume)
        with self._spans.span("allocate", bankroll=values[0][0], news=len(values)):
            return list(self._step.on_batch(what for _, what in values)), self.RETAIN

    def snapshot(self) -> bytes:
        # It is asked only of a key that has had news.
        return self._step.snapshot() if self._step is not None else self._resume or b""


def _is_letter(item: tuple[str, Decoded | Numbered] | Outgoing) -> bool:
    return isinstance(item, Outgoing)


def _as_one(messages: list[Outgoing]) -> list[Batch]:
    return [("all", messages)]


class _Decode:
    """Numbers what it reads: batches are taken apart by game, and bankrolls join games again."""

    def __init__(self, rules: DecodeRules, meter: Meter) -> None:
        self._rules, self._meter = rules, meter
        self._read = 0

    def __call__(
        self, records: list[Record]
    ) -> Sequence[tuple[str, Decoded] | tuple[str, Numbered] | Outgoing]:
        self._meter.read(records)
        first, self._read = self._read, self._read + len(records)
        return decode_all(records, self._rules, first)


def _score(
    batch: list[tuple[str, ToScore | Outgoing | Numbered]], scorer: Scorer, meter: Meter
) -> Iterator[Scored]:
    """What the fold already wrote or let through, then what each kernel call leads to."""
    written = [item for _, item in batch if isinstance(item, Outgoing)]
    told = [item for _, item in batch if isinstance(item, Numbered)]
    if written or told:
        yield Scored(written, [], [], told)
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


def _news(batch: list[Scored], bankrolls: Iterable[str]) -> list[tuple[str, tuple[str, Numbered]]]:
    """To each bankroll what it is concerned with: games all, of bankrolls itself."""
    return [
        (name, (name, one))
        for name in bankrolls
        for scored in batch
        for one in scored.news
        if not isinstance(one.what, BankrollUpdate) or one.what.bankroll in (name, ALL_BANKROLLS)
    ]


def _count(batch: list[Batch], meter: Meter) -> list[Batch]:
    for _, messages in batch:
        meter.sent(messages)
    return batch
