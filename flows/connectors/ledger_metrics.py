"""What the ledger flow did, as Prometheus metrics; read when they are asked for."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flows.ledger import Account
from models.staking.ledger import Kind
from schemas.time import US_PER_SECOND


class LedgerMetrics(Collector):
    def __init__(self, account: Account) -> None:
        self._account = account
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        ours = self._account
        # All there from the start, so that a rate over them is never of nothing.
        booked = {kind.value: ours.booked[kind.value] for kind in Kind}
        yield _counter("transactions", "Transactions booked.", "kind", booked)
        yield _counter("dead_letters", "Dead letters written.", "reason", ours.refused)
        yield _counter("short_stakes", "Stakes with too little free.", "bankroll", ours.short)
        yield _counter("passed_facts", "Facts without a ledger.", "bankroll", ours.passed)
        yield _counter("stops", "Stops told of a bankroll.", "bankroll", ours.stopped)
        balance = GaugeMetricFamily(
            "steamline_ledger_balance_money",
            "Balance last told, in the bankroll's currency; a float, the books are exact.",
            labels=["bankroll"],
        )
        for bankroll, amount in list(ours.balance.items()):
            balance.add_metric([bankroll], float(amount))
        yield balance
        yield GaugeMetricFamily(
            "steamline_ledger_postgres_up",
            "Whether Postgres answered when last asked.",
            float(ours.away_us is None),
        )
        yield GaugeMetricFamily(
            "steamline_ledger_postgres_away_seconds",
            "For how long Postgres has not answered.",
            ours.away_seconds,
        )
        committed = GaugeMetricFamily(
            "steamline_ledger_committed_timestamp_seconds",
            "When bookings or positions were last committed.",
            labels=[],
        )
        if (at_us := ours.committed_us) is not None:
            committed.add_metric([], at_us / US_PER_SECOND)
        yield committed


def _counter(name: str, help_: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"steamline_ledger_{name}", help_, labels=[label])
    # A copy: the flow goes on counting in another thread.
    for value, count in list(counts.items()):
        family.add_metric([value], count)
    return family
