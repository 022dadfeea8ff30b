"""`steamline run webhooks`: stakes, alerts and settlements to whoever wants to be told."""

from typing import Annotated

import typer


def webhooks(
    once: Annotated[bool, typer.Option(help="End at the topics' current end.")] = False,
    accept_gap: Annotated[
        bool, typer.Option(help="Go on where records were deleted before they were delivered.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output at the end.")
    ] = False,
) -> None:
    """Post stakes, alerts and settlements, signed, to the endpoints of
    STEAMLINE_WEBHOOKS_ENDPOINTS; goes on where it was stopped or killed."""
    import asyncio
    import json

    from cli.logs import log_as
    from cli.service import asked_to_stop, wall_clock_us
    from deploy.stack import resolve
    from flows.connectors.kafka import ConfirmedProducer
    from flows.connectors.metrics import serve
    from flows.connectors.topics import ensure_topics
    from flows.connectors.webhook_metrics import WebhookMetrics
    from flows.webhooks import Tally, call_webhooks
    from schemas.settings import Settings

    settings = resolve(Settings.read())
    log_as(settings)
    ours = settings.webhooks
    tally = Tally(tuple(one.name for one in ours.endpoints))
    if ours.metrics_port is not None:
        registry = WebhookMetrics(tally).registry
        serve(registry, ours.metrics_host, ours.metrics_port, "STEAMLINE_WEBHOOKS_METRICS_PORT")
    stop = asked_to_stop()
    if not ensure_topics(settings.kafka, stop.is_set):
        return
    asyncio.run(
        call_webhooks(
            settings,
            ConfirmedProducer(settings.kafka),
            wall_clock_us,
            stop.is_set,
            once,
            accept_gap,
            tally,
        )
    )
    if as_json:
        counts = {
            name: {" ".join(key): count for key, count in getattr(tally, name).items()}
            for name in ("delivered", "passed", "attempts", "letters")
        }
        print(json.dumps(counts))
