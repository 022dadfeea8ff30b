"""How `steamline model watch` fares, as Prometheus metrics; read when they are asked for."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flows.watch import Health
from schemas.time import US_PER_SECOND


class WatchMetrics(Collector):
    def __init__(self, health: Health) -> None:
        self._health = health
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        health = self._health
        yield CounterMetricFamily("steamline_watch_looks", "Looks at the models.", health.looks)
        jobs = CounterMetricFamily(
            "steamline_watch_jobs", "Trainings by what became of them.", labels=["outcome"]
        )
        for outcome, count in list(health.done.items()):
            jobs.add_metric([outcome], count)
        yield jobs
        yield GaugeMetricFamily(
            "steamline_watch_training_active", "1 while it trains.", float(health.running)
        )
        for name, help_, at_us in (
            ("looked", "When it last looked to the end.", health.looked_us),
            ("trained", "When models were last made, by any process.", health.trained_us),
        ):
            family = GaugeMetricFamily(
                f"steamline_watch_{name}_timestamp_seconds", help_, labels=[]
            )
            if at_us is not None:
                family.add_metric([], at_us / US_PER_SECOND)
            yield family
