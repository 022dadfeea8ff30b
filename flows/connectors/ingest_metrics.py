"""What ingest did, as Prometheus metrics; read from its own counts when they are asked for."""

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flows.ingest import Ingest
from flows.steps.alarms import Alarm
from schemas.time import US_PER_SECOND


class IngestMetrics(Collector):
    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        ingest = self._ingest
        counts, looks = ingest.intake.counts, ingest.looks
        yield _counter("looks", "Looks at a source.", "outcome", looks.done)
        yield _counter("events", "Events said.", "topic", counts.events)
        yield _counter("refused_parts", "Parts of answers not usable.", "reason", counts.refused)
        yield _counter("dead_letters", "Dead letters.", "reason", counts.letters)
        waiting: Counter[str] = Counter({feed.source: 0 for feed in ingest.sources.on})
        for (source, _), count in ingest.intake.quarantine.reasons().items():
            waiting[source] += count
        yield _gauge("waiting_facts", "Facts whose game is not on the schedule yet.", waiting)
        heard = {source: us / US_PER_SECOND for source, us in looks.heard_us.items()}
        yield _gauge("heard_timestamp_seconds", "When a source last answered.", heard)
        yield _gauge(
            "quota_remaining_requests", "Requests left of a source's quota.", looks.remaining
        )
        alarms = GaugeMetricFamily(
            "steamline_ingest_alarm_active", "1 while it is raised.", labels=["source", "alarm"]
        )
        for feed in ingest.sources.on:
            # All there from the start, so that a rule over them is never of nothing.
            for alarm in Alarm:
                raised = (feed.source, alarm) in ingest.alarms.raised
                alarms.add_metric([feed.source, alarm.value], float(raised))
        yield alarms


def _counter(name: str, help_: str, label: str, counts: Counter[tuple[str, str]]) -> Metric:
    family = CounterMetricFamily(f"steamline_ingest_{name}", help_, labels=["source", label])
    # A copy: the poller goes on counting in another thread.
    for labels, count in list(counts.items()):
        family.add_metric(list(labels), count)
    return family


def _gauge(name: str, help_: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"steamline_ingest_{name}", help_, labels=["source"])
    for source, value in list(values.items()):
        family.add_metric([source], value)
    return family
