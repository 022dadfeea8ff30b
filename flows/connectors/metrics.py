"""What the score flow did, as Prometheus metrics; counted at its edges, never in a step."""

import json
import logging
from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from flows.steps.records import Outgoing, Record
from flows.steps.score import Scored
from models.boosters.scoring import TargetModel
from models.features.catalogue import Category, Source
from schemas.decisions import Role
from schemas.errors import ConfigError
from schemas.markets import Target
from schemas.time import US_PER_SECOND
from schemas.topics import Topic

log = logging.getLogger(__name__)

_AGES = (1, 5, 15, 60, 300, 900, 1_800, 3_600, 4 * 3_600, 24 * 3_600)
_SHARES = tuple(step / 10 for step in range(1, 11))


class Traffic:
    """What passes through a flow, whichever it is.

    Counters start at 0 with the process, as Prometheus expects.
    """

    def __init__(self, part: str) -> None:
        """part: of Steamline, second in every name (docs/metrics.md)."""
        self.registry = CollectorRegistry()
        self._records = Counter(
            f"steamline_{part}_records", "Records read.", ["topic"], registry=self.registry
        )
        self._newest = Gauge(
            f"steamline_{part}_newest_timestamp_seconds",
            "Kafka timestamp of the newest record read: how far behind the flow is.",
            registry=self.registry,
        )
        self._messages = Counter(
            f"steamline_{part}_messages", "Messages written.", ["topic"], registry=self.registry
        )
        self._letters = Counter(
            f"steamline_{part}_dead_letters", "Dead letters.", ["reason"], registry=self.registry
        )
        self._newest_us = 0

    def read(self, records: list[Record]) -> None:
        for topic, count in Tally(record.topic for record in records).items():
            self._records.labels(topic.value).inc(count)
        newest = max((record.timestamp_us for record in records), default=0)
        self._newest_us = max(self._newest_us, newest)
        self._newest.set(self._newest_us / US_PER_SECOND)

    def sent(self, messages: list[Outgoing]) -> None:
        for message in messages:
            self._messages.labels(message.topic.value).inc()
            # Few enough to look into.
            if message.topic is Topic.DEAD_LETTERS:
                self._letters.labels(json.loads(message.value)["reason"]).inc()


class Metrics(Traffic):
    """A `flows.score.Meter` and a `flows.models.ModelMeter`."""

    def __init__(self) -> None:
        super().__init__("score")
        self._alerts = Counter(
            "steamline_score_alerts", "Alerts.", ["kind"], registry=self.registry
        )
        self._rows = Counter(
            "steamline_score_rows",
            "Positions of games that were priced.",
            registry=self.registry,
        )
        self._model = Gauge(
            "steamline_score_model_info",
            "1 for a model that scores a target.",
            ["target", "version", "paper", "role"],
            registry=self.registry,
        )
        self._swaps = Counter(
            "steamline_score_model_swaps", "Models taken while running.", registry=self.registry
        )
        self._refused = Counter(
            "steamline_score_refused_models",
            "Versions that were not taken, or have failed.",
            ["target"],
            registry=self.registry,
        )
        for target in Target:
            self._refused.labels(target.value)
        self._registry_up = Gauge(
            "steamline_score_registry_up",
            "Whether the model registry answered when last asked.",
            registry=self.registry,
        )
        self._vectors = Counter(
            "steamline_score_vectors", "Vectors handed to the store.", registry=self.registry
        )
        self._completeness = Histogram(
            "steamline_score_vector_completeness_ratio",
            "Share of known features of a stored vector, by category.",
            ["category"],
            buckets=_SHARES,
            registry=self.registry,
        )
        self._ages = Histogram(
            "steamline_score_source_age_seconds",
            "Age of each source at the as-of of a stored vector.",
            ["source"],
            buckets=_AGES,
            registry=self.registry,
        )
        # All there from the start, so that a rate over them is never of nothing.
        for category in Category:
            self._completeness.labels(category.value)
        for source in Source:
            self._ages.labels(source.value)

    def scored(self, scored: Scored) -> None:
        self._rows.inc(len(scored.watched))
        self._vectors.inc(len(scored.blobs))
        for blob in scored.blobs:
            for category, share in blob.header.completeness_by.items():
                self._completeness.labels(category).observe(share)
            for source, age_ms in blob.header.source_age_ms.items():
                self._ages.labels(source).observe(age_ms / 1_000)

    def sent(self, messages: list[Outgoing]) -> None:
        super().sent(messages)
        for message in messages:
            if message.topic is Topic.ALERTS:
                self._alerts.labels(json.loads(message.value)["kind"]).inc()

    def models_taken(
        self, models: Sequence[TargetModel], challengers: Sequence[TargetModel], swapped: int
    ) -> None:
        self._model.clear()
        for role, those in ((Role.CHAMPION, models), (Role.CHALLENGER, challengers)):
            for one in those:
                paper = str(one.paper).lower()
                self._model.labels(one.card.target.value, one.version, paper, role.value).set(1)
        self._swaps.inc(swapped)

    def model_refused(self, target: Target) -> None:
        self._refused.labels(target.value).inc()

    def registry_answers(self, answers: bool) -> None:
        self._registry_up.set(answers)

    def serve(self, host: str, port: int) -> int:
        """As the function `serve`."""
        return serve(self.registry, host, port, "STEAMLINE_SCORE_METRICS_PORT")


def serve(registry: CollectorRegistry, host: str, port: int, key: str) -> int:
    """Answer /metrics from a thread of its own; the port, which 0 leaves to the system.

    key: the setting that names the port. Raises ConfigError where the address is not to be had.
    """
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as taken:
        raise ConfigError(
            key,
            f"cannot listen on {host}:{port}: {taken.strerror}",
            "Choose another port, or 0 for any",
        ) from None
    log.info("metrics: http://%s:%d/metrics", host, server.server_port)
    return int(server.server_port)
