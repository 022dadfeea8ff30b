"""What curate did and how far it is, as Prometheus metrics; read when they are asked for."""

import logging
from collections import Counter
from collections.abc import Iterator

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flows.connectors.topic_reader import Lane
from flows.curate import Account
from flows.steps.rows import TABLES
from schemas.sections.servers import KafkaSettings
from schemas.time import US_PER_SECOND
from schemas.topics import Topic

log = logging.getLogger(__name__)

ASK_SECONDS = 2.0
"""So long a scrape waits for the broker, which tells how far the topics go."""


class CurateMetrics(Collector):
    def __init__(self, account: Account, settings: KafkaSettings) -> None:
        self._account = account
        self._admin = AdminClient({**settings.client_config(), "logger": log})  # type: ignore[dict-item]
        self._topics = {topic.full(settings.prefix): topic for topic in Topic}
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        done = self._account
        records = {topic.value: done.records[topic] for topic in Topic}
        tables = [table.name for table in TABLES.values()]
        yield _counter("records", "Records done with.", "topic", records)
        yield _counter("rows", "Rows that are new.", "table", _all(tables, done.new))
        yield _counter("repeats", "Rows there already.", "table", _all(tables, done.repeats))
        yield _counter("dead_letters", "Dead letters written.", "reason", dict(done.refused))
        yield CounterMetricFamily("steamline_curate_batches", "Transactions.", done.batches)
        away = done.away_seconds
        yield GaugeMetricFamily(
            "steamline_curate_postgres_up",
            "Whether Postgres answered when last asked.",
            float(done.away_us is None),
        )
        yield GaugeMetricFamily(
            "steamline_curate_postgres_away_seconds",
            "For how long Postgres has not answered.",
            away,
        )
        committed = GaugeMetricFamily(
            "steamline_curate_committed_timestamp_seconds",
            "When rows or positions were last committed.",
            labels=[],
        )
        if (committed_us := done.committed_us) is not None:
            committed.add_metric([], committed_us / US_PER_SECOND)
        yield committed
        family = GaugeMetricFamily(
            "steamline_curate_behind_records",
            "Offsets on the topic that the database does not cover.",
            labels=["topic"],
        )
        if (behind := self._behind()) is not None:
            for topic in Topic:
                family.add_metric([topic.value], behind[topic])
        yield family

    def _behind(self) -> Counter[Topic] | None:
        """None where the broker does not tell: a wrong number would be worse."""
        covered = self._account.covered
        try:
            listed = self._admin.list_topics(timeout=ASK_SECONDS).topics
            wanted = [
                TopicPartition(name, partition)
                for name in self._topics.keys() & listed.keys()
                for partition in listed[name].partitions
            ]
            first = self._offsets(wanted, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
            last = self._offsets(wanted, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        except KafkaException:
            return None
        behind: Counter[Topic] = Counter()
        for lane, end in last.items():
            behind[self._topics[lane.topic]] += max(0, end - covered.get(lane, first[lane]))
        return behind

    def _offsets(self, wanted: list[TopicPartition], which: OffsetSpec) -> dict[Lane, int]:
        asked = self._admin.list_offsets(dict.fromkeys(wanted, which), request_timeout=ASK_SECONDS)
        return {
            Lane(str(part.topic), part.partition): int(found.result().offset)
            for part, found in asked.items()
        }


def _all(names: list[str], counts: Counter[str]) -> dict[str, int]:
    """All there from the start, so that a rate over them is never of nothing."""
    return {name: counts[name] for name in names}


def _counter(name: str, help_: str, label: str, counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(f"steamline_curate_{name}", help_, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
