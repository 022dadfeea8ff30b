"""`steamline run settle`: bets graded, and stakes filled on paper."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flows.connectors.settle_metrics import SettleMetrics
    from schemas.sections.staking import SettlementSettings


def settle(
    recovery: Annotated[
        Path | None, typer.Option(help="Recovery folder. Default: HOME/recovery/settle.")
    ] = None,
) -> None:
    """Settle every bet when its result is in, and hold it against the close; fill the stakes of
    paper bankrolls; resumes where it was stopped or killed."""
    from cli.logs import log_as
    from cli.service import asked_to_stop
    from deploy.stack import resolve
    from flows.connectors.kafka import KafkaSink, KafkaSource
    from flows.connectors.topics import ensure_topics
    from flows.settle import SETTLE_GROUP, settle_flow
    from flows.steps.bets import SETTLE_INPUTS
    from flows.worker import run
    from schemas.settings import Settings

    settings = resolve(Settings.read())
    log_as(settings)
    stop = asked_to_stop()
    if not ensure_topics(settings.kafka, stop.is_set):
        return
    flow = settle_flow(
        settings,
        source=KafkaSource(settings.kafka, SETTLE_INPUTS, SETTLE_GROUP, stop.is_set),
        messages=KafkaSink(settings.kafka),
        meter=_meter(settings.settlement),
    )
    run(flow, recovery or settings.home / "recovery" / "settle")


def _meter(settings: "SettlementSettings") -> "SettleMetrics | None":
    """Metrics on the port that is set; none where none is."""
    if settings.metrics_port is None:
        return None
    from flows.connectors.metrics import serve
    from flows.connectors.settle_metrics import SettleMetrics

    metrics = SettleMetrics()
    serve(
        metrics.registry,
        settings.metrics_host,
        settings.metrics_port,
        "STEAMLINE_SETTLEMENT_METRICS_PORT",
    )
    return metrics
