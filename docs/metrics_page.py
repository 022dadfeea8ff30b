"""Writes docs/metrics.md from the metrics themselves: `python -m docs.metrics_page`."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from api.counts import FeedCounts
from api.metrics import Requests
from flows.connectors.archive_metrics import ArchiveMetrics
from flows.connectors.curate_metrics import CurateMetrics
from flows.connectors.ingest_metrics import IngestMetrics
from flows.connectors.ledger_metrics import LedgerMetrics
from flows.connectors.metrics import Metrics
from flows.connectors.monitor_metrics import MonitorMetrics
from flows.connectors.settle_metrics import SettleMetrics
from flows.connectors.watch_metrics import WatchMetrics
from flows.connectors.webhook_metrics import WebhookMetrics
from flows.curate import Account as Curated
from flows.ingest import Ingest
from flows.ledger import Account as Booked
from flows.monitor import Health as Monitored
from flows.sources.feeds import sources
from flows.steps.records import Outgoing
from flows.watch import Health as Watched
from flows.webhooks import Tally
from schemas.sections.servers import KafkaSettings
from schemas.settings import Settings

PAGE = Path(__file__).parent / "metrics.md"

HEAD = """\
# Metrics

Every name is `steamline_<part>_<what>_<unit>`. A counter ends in what it counts and `_total`, and
starts at 0 with its process. Units are base units: `seconds`, `bytes`, `ratio` (0 to 1), `nats`
(log-loss), `money` (the bankroll's currency), or what is counted. `_timestamp_seconds` is a moment,
`_up` and `_active` are 1 or 0, `_info` is 1 for each combination of labels that holds.

A process serves them at `/metrics` where its port is set; `deploy/prometheus/` scrapes and alerts,
`deploy/grafana/` draws them ([operations.md](operations.md)).

This page is generated: edit the collectors in `flows/connectors/` and `api/`, then run `make docs`.
"""


class Part(NamedTuple):
    name: str
    command: str
    port: str
    """Setting that names where it is served."""
    registry: CollectorRegistry


class Family(NamedTuple):
    name: str
    """As Prometheus shows it; of a histogram without its suffixes."""
    kind: str
    labels: tuple[str, ...]
    help: str


class _Nobody:
    """A producer that is never used."""

    def send(self, message: Outgoing) -> None: ...
    def confirm(self) -> None: ...
    def poll(self) -> None: ...


@cache
def parts() -> list[Part]:
    """Each part's metrics as they are before anything has happened."""
    settings = Settings.model_construct()
    nowhere = KafkaSettings(bootstrap="127.0.0.1:9")
    ingest = Ingest(settings, sources(settings, frozenset()), _Nobody())
    found = [
        ("score", "run score", "SCORE", Metrics().registry),
        ("settle", "run settle", "SETTLEMENT", SettleMetrics().registry),
        ("ledger", "run ledger", "LEDGER", LedgerMetrics(Booked(lambda: 0)).registry),
        ("curate", "run curate", "CURATE", CurateMetrics(Curated(lambda: 0), nowhere).registry),
        ("archive", "archive run", "ARCHIVE", ArchiveMetrics().registry),
        ("ingest", "ingest", "INGEST", IngestMetrics(ingest).registry),
        ("monitor", "run monitor", "MONITOR", MonitorMetrics(Monitored()).registry),
        ("watch", "model watch", "WATCH", WatchMetrics(Watched()).registry),
        ("webhooks", "run webhooks", "WEBHOOKS", WebhookMetrics(Tally()).registry),
    ]
    flows = [
        Part(name, f"steamline {command}", f"STEAMLINE_{section}_METRICS_PORT", registry)
        for name, command, section, registry in found
    ]
    requests, feed = CollectorRegistry(), CollectorRegistry()
    Requests(requests)
    feed.register(FeedCounts())
    served = [
        Part(name, "steamline api", "STEAMLINE_API_PORT", registry)
        for name, registry in (("api", requests), ("feed", feed))
    ]
    return flows + served


@cache
def families(registry: CollectorRegistry) -> list[Family]:
    """In the order of their names."""
    own = {
        name: collector
        for collector, names in registry._collector_to_names.items()  # noqa: SLF001
        for name in names
    }
    found = []
    for family in registry.collect():
        suffix = "_total" if family.type == "counter" else ""
        # Neither kind shows its labels otherwise before there is a value.
        made_by = family if hasattr(family, "_labelnames") else own[family.name]
        labels: Sequence[str] = getattr(made_by, "_labelnames", ())
        found.append(Family(family.name + suffix, family.type, tuple(labels), family.documentation))
    return sorted(found)


def page() -> str:
    return "\n".join([HEAD, *_sections()])


def _sections() -> Iterator[str]:
    for part in parts():
        yield f"## {part.name.capitalize()}\n"
        yield f"`{part.command}`, at `{part.port}`.\n"
        yield "| metric | type | labels | meaning |"
        yield "|---|---|---|---|"
        for one in families(part.registry):
            labels = ", ".join(f"`{label}`" for label in one.labels) or "none"
            yield f"| `{one.name}` | {one.kind} | {labels} | {one.help} |"
        yield ""


if __name__ == "__main__":
    PAGE.write_text(page())
