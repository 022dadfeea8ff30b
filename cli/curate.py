"""`steamline run curate`: the topics into Postgres."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flows.curate import Account
    from schemas.settings import Settings


def curate(
    once: Annotated[bool, typer.Option(help="End at the topics' current end.")] = False,
    accept_gap: Annotated[
        bool, typer.Option(help="Go on where records were deleted before they were read.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output at the end.")
    ] = False,
) -> None:
    """Load the topics into Postgres; goes on where it was stopped or killed."""
    import asyncio
    import json

    from cli.logs import log_as
    from cli.service import asked_to_stop
    from deploy.stack import resolve
    from flows.connectors.kafka import ConfirmedProducer
    from flows.connectors.migrations import migrate
    from flows.connectors.topics import ensure_topics
    from flows.curate import Account, curate_topics
    from flows.garbage import rest_the_collector
    from schemas.settings import Settings

    settings = resolve(Settings.read())
    log_as(settings)
    account = Account()
    _serve(account, settings)
    migrate(settings.postgres)
    stop = asked_to_stop()
    if not ensure_topics(settings.kafka, stop.is_set):
        return
    rest_the_collector()
    done = asyncio.run(
        curate_topics(
            settings,
            ConfirmedProducer(settings.kafka),
            stop.is_set,
            once,
            accept_gap,
            account=account,
        )
    )
    if as_json:
        print(json.dumps({"new": dict(done.new), "refused": dict(done.refused)}))


def _serve(account: "Account", settings: "Settings") -> None:
    """Metrics on the port that is set, if one is."""
    ours = settings.curate
    if ours.metrics_port is None:
        return
    from flows.connectors.curate_metrics import CurateMetrics
    from flows.connectors.metrics import serve

    registry = CurateMetrics(account, settings.kafka).registry
    serve(registry, ours.metrics_host, ours.metrics_port, "STEAMLINE_CURATE_METRICS_PORT")
