"""Spans of the score flow's batches, as a collector gets them over HTTP."""

import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.testing import TestingSink, TestingSource, run_main
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cli.traces import provider_of
from flows.connectors.traced import BatchSpans, TracedSink, TracedSource
from flows.score import score_flow
from flows.steps.records import Outgoing
from flows.steps.score import Scorer
from schemas.sections.observing import TracesSettings
from schemas.settings import Settings
from tests.answering import Answering, Reply, answering
from tests.unit.boosters import models
from tests.unit.flows.test_score_flow import SETTINGS, records

STEPS = {"read", "fold", "features", "predict", "allocate", "write"}


@pytest.fixture
def collector() -> Iterator[Answering]:
    with answering() as server:
        server.on("/v1/traces", Reply(200, b""))
        yield server


def received(collector: Answering) -> list[Any]:
    """Every span, of whatever service."""
    return [
        span
        for asked in collector.asked
        for resource in ExportTraceServiceRequest.FromString(asked.body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


class _Kept(FixedPartitionedSink[list[Outgoing], bytes]):
    def __init__(self) -> None:
        self.out: list[Outgoing] = []

    def list_parts(self) -> list[str]:
        return ["all"]

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> "_Part":
        return _Part(self.out)


class _Part(StatefulSinkPartition[list[Outgoing], bytes]):
    def __init__(self, out: list[Outgoing]) -> None:
        self._out = out

    def write_batch(self, values: list[list[Outgoing]]) -> None:
        for some in values:
            self._out += some

    def snapshot(self) -> bytes:
        return b""


def play(settings: Settings, spans: BatchSpans | None) -> list[Outgoing]:
    kept, source = _Kept(), TestingSource(records(), batch_size=20)
    traced = spans is not None
    run_main(
        score_flow(
            settings,
            TracedSource(source, spans) if traced else source,  # type: ignore[arg-type]
            TracedSink(kept, spans) if traced else kept,  # type: ignore[arg-type]
            TestingSink([]),
            Scorer(settings, models(), spans=spans) if traced else Scorer(settings, models()),  # type: ignore[arg-type]
            **({"spans": spans} if traced else {}),  # type: ignore[arg-type]
        )
    )
    return kept.out


def test_each_batch_is_a_trace_with_its_steps_and_nothing_else_changes(
    collector: Answering,
) -> None:
    provider = provider_of(TracesSettings(endpoint=collector.url), "score")
    said = play(SETTINGS, BatchSpans(provider.get_tracer("test")))
    provider.shutdown()
    assert sorted(said) == sorted(play(SETTINGS, None))
    spans = received(collector)
    count = len(records())
    names = Counter(one.name for one in spans)
    assert names.keys() - {"confirm"} == STEPS | {"batch"}
    assert names["batch"] == names["read"] == -(-count // 20)
    roots = {one.span_id: one for one in spans if one.name == "batch"}
    steps = defaultdict(set)
    for one in spans:
        assert 0 < one.start_time_unix_nano <= one.end_time_unix_nano
        if one.name != "batch":
            root = roots[one.parent_span_id]
            steps[one.trace_id].add(one.name)
            assert one.trace_id == root.trace_id
            assert root.start_time_unix_nano <= one.start_time_unix_nano
            assert one.end_time_unix_nano <= root.end_time_unix_nano
    assert len(steps) == len(roots)
    assert any(found >= STEPS for found in steps.values())
    read = sum(
        attribute.value.int_value
        for one in roots.values()
        for attribute in one.attributes
        if attribute.key == "records"
    )
    assert read == count


def test_a_share_is_traced_whole_or_not_at_all(collector: Answering) -> None:
    provider = provider_of(TracesSettings(endpoint=collector.url, share=1e-9), "score")
    play(SETTINGS, BatchSpans(provider.get_tracer("test")))
    provider.shutdown()
    assert received(collector) == []


def test_without_an_address_nothing_of_it_is_imported() -> None:
    """Of what a worker imports before it has a model. MLflow and FastAPI bring some of it."""
    code = (
        "import sys, flows.score, flows.connectors.traced, cli.score, cli.traces\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
