"""A flow's batches as OpenTelemetry traces. Nothing of it is imported where none are asked for."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.steps.records import Outgoing, Record

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer


class BatchSpans:
    """A trace a batch: its root begins when records are read, and ends with the last step that
    belongs to it. For one worker: its steps follow one another in a thread."""

    def __init__(self, tracer: "Tracer") -> None:
        self._tracer = tracer
        self._root: Span | None = None
        self._last_ns = 0

    def read(self, begun_ns: int, records: int) -> None:
        """The next batch has been read; what comes now belongs to it."""
        self.end()
        self._root = self._tracer.start_span(
            "batch", start_time=begun_ns, attributes={"records": records}
        )
        self._end(self._begin("read", begun_ns, {"records": records}))

    @contextmanager
    def span(self, name: str, **attributes: str | int) -> Iterator[None]:
        one = self._begin(name, time.time_ns(), attributes)
        try:
            yield
        finally:
            self._end(one)

    def _begin(self, name: str, begun_ns: int, attributes: dict[str, str | int]) -> "Span":
        from opentelemetry import trace

        context = None if self._root is None else trace.set_span_in_context(self._root)
        return self._tracer.start_span(
            name, context=context, start_time=begun_ns, attributes=attributes
        )

    def _end(self, span: "Span") -> None:
        self._last_ns = time.time_ns()
        span.end(self._last_ns)

    def end(self) -> None:
        """No step of the last batch is still to come."""
        if self._root is not None:
            self._root.end(self._last_ns)
            self._root = None


class TracedSource(FixedPartitionedSource[Record, bytes]):
    """Another source; each batch that it gives begins a trace."""

    def __init__(self, inner: FixedPartitionedSource[Record, bytes], spans: BatchSpans) -> None:
        self._inner, self._spans = inner, spans

    def list_parts(self) -> list[str]:
        return self._inner.list_parts()

    def build_part(
        self, step_id: str, for_part: str, resume_state: bytes | None
    ) -> "_TracedSourcePart":
        return _TracedSourcePart(
            self._inner.build_part(step_id, for_part, resume_state), self._spans
        )


class _TracedSourcePart(StatefulSourcePartition[Record, bytes]):
    def __init__(self, inner: StatefulSourcePartition[Record, bytes], spans: BatchSpans) -> None:
        self._inner, self._spans = inner, spans

    def next_batch(self) -> Iterable[Record]:
        begun_ns = time.time_ns()
        records = list(self._inner.next_batch())
        if records:
            self._spans.read(begun_ns, len(records))
        return records

    def next_awake(self) -> Any:
        return self._inner.next_awake()

    def snapshot(self) -> bytes:
        return self._inner.snapshot()

    def close(self) -> None:
        self._inner.close()


class TracedSink(FixedPartitionedSink[list[Outgoing], bytes]):
    """Another sink; what is written, and that it is waited for, is a span each."""

    def __init__(
        self, inner: FixedPartitionedSink[list[Outgoing], bytes], spans: BatchSpans
    ) -> None:
        self._inner, self._spans = inner, spans

    def list_parts(self) -> list[str]:
        return self._inner.list_parts()

    def part_fn(self, item_key: str) -> int:
        return self._inner.part_fn(item_key)

    def build_part(
        self, step_id: str, for_part: str, resume_state: bytes | None
    ) -> "_TracedSinkPart":
        return _TracedSinkPart(self._inner.build_part(step_id, for_part, resume_state), self._spans)


class _TracedSinkPart(StatefulSinkPartition[list[Outgoing], bytes]):
    def __init__(
        self, inner: StatefulSinkPartition[list[Outgoing], bytes], spans: BatchSpans
    ) -> None:
        self._inner, self._spans = inner, spans

    def write_batch(self, values: list[list[Outgoing]]) -> None:
        with self._spans.span("write", messages=sum(map(len, values))):
            self._inner.write_batch(values)

    def snapshot(self) -> bytes:
        with self._spans.span("confirm"):
            return self._inner.snapshot()

    def close(self) -> None:
        self._inner.close()
        self._spans.end()  # nothing of a flow comes after its sink
