"""What the archive did, as Prometheus metrics; counted at its edges."""

from collections import Counter as Tally

from prometheus_client import CollectorRegistry, Counter, Gauge

from flows.connectors.live import Rolled
from flows.connectors.metrics import serve
from flows.steps.records import Record
from schemas.time import US_PER_SECOND
from schemas.topics import Topic


class ArchiveMetrics:
    """A `flows.archive.Meter`. Counters start at 0 with the process, as Prometheus expects."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"steamline_archive_{name}", text, labels, registry=self.registry)

        self._records = counter("records", "Records read.", "topic")
        self._rows = counter("rows", "Rows written.", "topic")
        self._apart = counter("apart_records", "Records set apart.", "topic", "reason")
        self._rolls = counter("rolls", "Rolls written.", "topic")
        self._files = counter("files", "Files written.", "topic")
        self._bytes = counter("bytes", "Bytes written.", "topic")
        self._newest = Gauge(
            "steamline_archive_newest_timestamp_seconds",
            "Kafka timestamp of the newest record read: how far behind the archive is.",
            registry=self.registry,
        )
        # All there from the start, so that a rate over them is never of nothing.
        for topic in Topic:
            for one in (self._records, self._rows, self._rolls, self._files, self._bytes):
                one.labels(topic.value)
        self._newest_us = 0

    def read(self, records: list[Record]) -> None:
        for topic, count in Tally(record.topic for record in records).items():
            self._records.labels(topic.value).inc(count)
        newest = max((record.timestamp_us for record in records), default=0)
        self._newest_us = max(self._newest_us, newest)
        self._newest.set(self._newest_us / US_PER_SECOND)

    def rolled(self, topic: Topic, what: Rolled) -> None:
        self._rows.labels(topic.value).inc(what.rows)
        self._rolls.labels(topic.value).inc()
        self._files.labels(topic.value).inc(what.files)
        self._bytes.labels(topic.value).inc(what.bytes)
        for reason, count in what.apart.items():
            self._apart.labels(topic.value, reason).inc(count)

    def serve(self, host: str, port: int) -> int:
        """As `flows.connectors.metrics.serve`."""
        return serve(self.registry, host, port, "STEAMLINE_ARCHIVE_METRICS_PORT")
