"""What the webhooks flow did, as Prometheus metrics; read when they are asked for."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flows.webhooks import Tally
from schemas.time import US_PER_SECOND


class WebhookMetrics(Collector):
    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        tally = self._tally
        yield _counter("delivered_messages", "Messages taken.", "topic", tally.delivered)
        yield _counter("passed_messages", "Messages not wanted.", "topic", tally.passed)
        yield _counter("attempts", "Attempts by how they ended.", "outcome", tally.attempts)
        yield _counter("dead_letters", "Messages given up.", "reason", tally.letters)
        up = GaugeMetricFamily(
            "steamline_webhooks_endpoint_up",
            "Whether the last attempt was taken.",
            labels=["endpoint"],
        )
        done = GaugeMetricFamily(
            "steamline_webhooks_newest_timestamp_seconds",
            "Kafka timestamp of the newest record done with: how far behind an endpoint is.",
            labels=["endpoint"],
        )
        for name in tally.endpoints:
            if name in tally.up:
                up.add_metric([name], float(tally.up[name]))
            if name in tally.done_us:
                done.add_metric([name], tally.done_us[name] / US_PER_SECOND)
        yield up
        yield done


def _counter(name: str, help_: str, label: str, counts: Counter[tuple[str, str]]) -> Metric:
    family = CounterMetricFamily(f"steamline_webhooks_{name}", help_, labels=["endpoint", label])
    # A copy: others go on counting.
    for labels, count in list(counts.items()):
        family.add_metric(list(labels), count)
    return family
