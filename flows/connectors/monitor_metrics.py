"""How the models fare, and the monitoring flow with them, as Prometheus metrics; read when they
are asked for."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flows.monitor import Health
from models.evaluation.monitor import DriftReport
from schemas.time import US_PER_SECOND


class MonitorMetrics(Collector):
    def __init__(self, health: Health) -> None:
        self._health = health
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        health = self._health
        for name, text, count in (
            ("looks", "Looks at what is kept.", health.looks),
            ("failed_looks", "Looks that something was in the way of.", health.failed),
            ("alerts", "Alerts told.", health.alerts),
        ):
            yield CounterMetricFamily(f"steamline_monitor_{name}", text, count)
        judged = GaugeMetricFamily(
            "steamline_monitor_judged_timestamp_seconds",
            "End of the last night that was judged, event time.",
            labels=[],
        )
        if health.judged_us is not None:
            judged.add_metric([], health.judged_us / US_PER_SECOND)
        yield judged
        yield from _numbers(health.report)


def _numbers(report: DriftReport | None) -> Iterator[Metric]:
    """Without samples before there is a report."""
    above = GaugeMetricFamily(
        "steamline_monitor_finding_value",
        "Numbers that are above their thresholds.",
        labels=["about", "kind", "name"],
    )
    for about, one in report.found if report is not None else ():
        above.add_metric([about, one.kind, one.name], one.value)
    yield above
    families = {
        name: GaugeMetricFamily(f"steamline_monitor_{name}", text, labels=["target"])
        for name, text in (
            ("log_loss_nats", "Log-loss of the recent days."),
            (
                "log_loss_less_market_nats",
                "Log-loss of the recent days less that of the no-vig price.",
            ),
            ("bias_ratio", "Mean of result less prediction."),
            ("calibration_error_ratio", "Expected calibration error."),
            ("judged_games", "Games behind the numbers of the recent days."),
            ("importance_moved_ratio", "Share of contributions that is now with other features."),
        )
    }
    for name, target in report.targets.items() if report is not None else ():
        if target.speech is not None:
            last = target.speech.rolling.row(-1, named=True)
            families["log_loss_nats"].add_metric([name], last["model"])
            families["log_loss_less_market_nats"].add_metric([name], last["difference"])
            families["bias_ratio"].add_metric([name], target.speech.now.bias)
            families["calibration_error_ratio"].add_metric([name], target.speech.now.error)
            families["judged_games"].add_metric([name], target.speech.games)
        if target.weight is not None:
            families["importance_moved_ratio"].add_metric([name], target.weight.contribution.moved)
    yield from families.values()
