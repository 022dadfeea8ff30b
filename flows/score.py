"""The score flow: events in, predictions and stakes out, features to the store."""

import gc
import shutil
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.inputs import FixedPartitionedSource
from bytewax.operators import KeyedStream, StatefulBatchLogic
from bytewax.outputs import DynamicSink, FixedPartitionedSink
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from flows.steps.decode import Decoded, DecodeRules, decode_batch
from flows.steps.game import GameStep, ToScore
from flows.steps.records import FeatureBlob, Outgoing, Record
from flows.steps.score import Scorer
from models.features.fold import FoldRules
from schemas.settings import Settings

EPOCH = timedelta(seconds=1)
"""How much is read again after a crash, and how often deliveries are awaited."""

SCORE_BATCH = 256
"""Games to one kernel call: enough to spread its fixed cost, few enough to stay in cache."""

Batch = tuple[str, list[Outgoing]]
"""Messages for the sink, under any key."""


def score_flow(
    settings: Settings,
    source: FixedPartitionedSource[Record, bytes],
    messages: FixedPartitionedSink[list[Outgoing], bytes],
    features: DynamicSink[FeatureBlob],
    scorer: Scorer,
) -> Dataflow:
    """The whole graph; connectors are handed in."""
    decode_rules, fold_rules = DecodeRules.of(settings), FoldRules.of(settings)
    flow = Dataflow("score")

    records: Stream[Record] = op.input("events", flow, source)
    decoded = op.flat_map_batch("decode", records, lambda batch: decode_batch(batch, decode_rules))
    split = op.branch("valid", decoded, _is_letter)
    events = cast(KeyedStream[Decoded], split.falses)
    letters = op.flat_map_batch("letters", cast(Stream[Outgoing], split.trues), _as_one)

    folded: KeyedStream[ToScore | Outgoing] = op.stateful_batch(
        "fold", events, lambda resume: _GameLogic(GameStep(fold_rules, resume))
    )
    scored = op.flat_map_batch("score", folded, lambda batch: _score(batch, scorer))
    parted = op.branch("parted", scored, _is_blob)
    decisions = cast(KeyedStream[list[Outgoing]], parted.falses)

    op.output("messages", op.merge("outgoing", decisions, letters), messages)
    op.output("features", cast(Stream[FeatureBlob], parted.trues), features)
    return flow


class _GameLogic(StatefulBatchLogic[Decoded, ToScore | Outgoing, bytes]):
    def __init__(self, step: GameStep) -> None:
        self._step = step

    def on_batch(self, values: list[Decoded]) -> tuple[Iterable[ToScore | Outgoing], bool]:
        return self._step.on_batch(values), StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        return self._step.snapshot()


def _is_letter(item: tuple[str, Decoded] | Outgoing) -> bool:
    return isinstance(item, Outgoing)


def _is_blob(item: Batch | FeatureBlob) -> bool:
    return isinstance(item, FeatureBlob)


def _as_one(letters: list[Outgoing]) -> list[Batch]:
    return [("all", letters)]


def _score(
    batch: list[tuple[str, ToScore | Outgoing]], scorer: Scorer
) -> Iterator[Batch | FeatureBlob]:
    """What the fold already wrote, then one list of messages a kernel call."""
    written = [item for _, item in batch if isinstance(item, Outgoing)]
    if written:
        yield "all", written
    tasks = [item for _, item in batch if isinstance(item, ToScore)]
    for begin in range(0, len(tasks), SCORE_BATCH):
        outgoing, blobs = scorer(tasks[begin : begin + SCORE_BATCH])
        yield "all", outgoing
        yield from blobs


def run(flow: Dataflow, recovery: Path) -> None:
    """One worker until its source ends; state lives in `recovery` and is resumed from it."""
    # What is alive now lives as long as the worker: looking through it again and again for
    # garbage took half of the flow's time. What the flow makes has no cycles worth hurrying for.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    if not any(recovery.glob("*.sqlite3")):
        _make_store(recovery)
    cli_main(flow, epoch_interval=EPOCH, recovery_config=RecoveryConfig(str(recovery)))


def _make_store(recovery: Path) -> None:
    """An empty recovery store, there all at once: a half made one would never be resumed from."""
    fresh = recovery / "new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    init_db_dir(fresh, 1)
    (made,) = fresh.iterdir()
    made.rename(recovery / made.name)
    fresh.rmdir()
