"""What the settle flow did, as Prometheus metrics."""

from prometheus_client import Counter

from flows.connectors.metrics import Traffic
from flows.steps.records import Outgoing
from schemas.bets import Fill, Outcome, Settlement
from schemas.topics import Topic

_KINDS = {False: "real", True: "paper"}


class SettleMetrics(Traffic):
    """A `flows.settle.Meter`."""

    def __init__(self) -> None:
        super().__init__("settle")
        self._fills = Counter(
            "steamline_settle_paper_fills", "Bets made on paper.", ["book"], registry=self.registry
        )
        self._settled = Counter(
            "steamline_settle_settlements",
            "Settlements, by whether the bet was real and whether another was in its place before.",
            ["kind", "outcome", "correction"],
            registry=self.registry,
        )
        self._without_close = Counter(
            "steamline_settle_unclosed_settlements",
            "Settlements without closing line value, by reason.",
            ["reason"],
            registry=self.registry,
        )
        # All there from the start, so that a rate over them is never of nothing.
        for kind in _KINDS.values():
            for outcome in Outcome:
                for correction in ("false", "true"):
                    self._settled.labels(kind, outcome.value, correction)

    def sent(self, messages: list[Outgoing]) -> None:
        super().sent(messages)
        for message in messages:
            if message.topic is Topic.FILLS:
                self._fills.labels(Fill.model_validate_json(message.value).book).inc()
            elif message.topic is Topic.SETTLEMENTS:
                made = Settlement.model_validate_json(message.value)
                again = str(made.supersedes is not None).lower()
                self._settled.labels(_KINDS[made.paper], made.outcome.value, again).inc()
                if made.closing_missing is not None:
                    self._without_close.labels(made.closing_missing).inc()
