"""Score flow, Kafka to Kafka, against the same flow that only consumes, decodes and produces.

Both read the same events from a real broker through the same source, decoder and sink. The
reference writes each event back as one message. Rounds alternate; medians are compared. `shadow` is
our flow with a challenger of every target beside its champion.
"""

import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from bench.result import Result
from deploy import stack
from deploy.demo.slate import prepare_archive
from flows.connectors.kafka import ConfirmedProducer, KafkaSink, KafkaSource, KafkaSourcePartition
from flows.connectors.parquet import read_archive
from flows.connectors.redis import FeatureSink
from flows.connectors.topics import ensure_topics
from flows.replay import Pace, replay
from flows.score import score_flow
from flows.steps.decode import DecodeRules, decode_batch
from flows.steps.records import Outgoing, Record
from flows.steps.score import Scorer
from flows.training import train_from_archives
from flows.worker import run
from schemas.sections.judging import AbSettings
from schemas.settings import Settings
from schemas.topics import INPUTS, Topic

EVENTS = 60_000
ROUNDS = 3


@dataclass
class Stopwatch:
    """From the first batch out of Kafka to the last confirmed delivery."""

    events: int
    began: float = 0.0
    seen: int = 0


class _Finite(KafkaSourcePartition):
    """Ends after the stopwatch's number of events."""

    watch: Stopwatch

    def next_batch(self) -> list[Record]:
        if self.watch.seen >= self.watch.events:
            raise StopIteration
        batch = super().next_batch()
        if batch and not self.watch.seen:
            self.watch.began = time.perf_counter()
        self.watch.seen += len(batch)
        return batch


class _FiniteSource(KafkaSource):
    def __init__(self, settings: Settings, watch: Stopwatch) -> None:
        super().__init__(settings.kafka, INPUTS, group="bench")
        self._kafka, self._watch = settings.kafka, watch

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> _Finite:
        part = _Finite(self._kafka, INPUTS, "bench", lambda: False, resume_state)
        part.watch = self._watch
        return part


def _reference_flow(settings: Settings, watch: Stopwatch) -> Dataflow:
    rules = DecodeRules.of(settings)

    def rewrite(batch: Iterable[Record]) -> list[tuple[str, list[Outgoing]]]:
        messages = []
        for item in decode_batch(batch, rules):
            if isinstance(item, Outgoing):
                messages.append(item)
                continue
            game_id, (event, record, _) = item
            value = event.model_dump_json().encode()
            messages.append(
                Outgoing(Topic.ALERTS, game_id, event.event_id, record.timestamp_us, value)
            )
        return [("all", messages)]

    flow = Dataflow("reference")
    records = op.input("events", flow, _FiniteSource(settings, watch))
    op.output("messages", op.flat_map_batch("rewrite", records, rewrite), KafkaSink(settings.kafka))
    return flow


def _rate(flow: Dataflow, watch: Stopwatch) -> float:
    with tempfile.TemporaryDirectory() as folder:
        run(flow, Path(folder))
    return watch.seen / (time.perf_counter() - watch.began)


def main() -> None:
    settings = Settings.read()
    stack.up(settings)
    settings = stack.resolve(settings)
    archive = prepare_archive(settings)
    models, others = (
        [one.model for one in train_from_archives([archive], None, settings, seed, lambda _: None)]
        for seed in (1, 2)
    )
    prefix = f"bench.{time.time_ns()}."
    settings = settings.model_copy(
        update={"kafka": settings.kafka.model_copy(update={"prefix": prefix})}
    )
    ensure_topics(settings.kafka)
    records = islice((r for r in read_archive(archive) if r.topic in INPUTS), EVENTS)
    events = replay(
        records, ConfirmedProducer(settings.kafka), Pace(None, time.monotonic, time.sleep)
    )
    tried = settings.model_copy(update={"ab": AbSettings(mode="shadow")})
    scorer, beside = Scorer(settings, models), Scorer(tried, models, others)
    ours, reference, shadow = list[float](), list[float](), list[float]()
    for _ in range(ROUNDS):
        watch = Stopwatch(events)
        reference.append(_rate(_reference_flow(settings, watch), watch))
        for one, rates in ((scorer, ours), (beside, shadow)):
            watch = Stopwatch(events)
            flow = score_flow(
                settings,
                _FiniteSource(settings, watch),
                KafkaSink(settings.kafka),
                FeatureSink(settings.redis),
                one,
            )
            rates.append(_rate(flow, watch))
    Result(
        name="score",
        ours=round(median(ours), 1),
        reference=round(median(reference), 1),
        unit="events/s",
        ratio=round(median(ours) / median(reference), 3),
        detail={
            "events": events,
            "rounds_ours": [round(rate, 1) for rate in ours],
            "rounds_reference": [round(rate, 1) for rate in reference],
            "shadow": round(median(shadow), 1),
            "shadow_of_ours": round(median(shadow) / median(ours), 3),
            "data": archive.name,
        },
    ).write()
