"""`steamline run ledger`: what was advised, bet and graded into the bankrolls' books."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flows.ledger import Account
    from schemas.sections.staking import LedgerSettings


def ledger(
    once: Annotated[bool, typer.Option(help="End at the topics' current end.")] = False,
    accept_gap: Annotated[
        bool, typer.Option(help="Go on where records were deleted before they were read.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output at the end.")
    ] = False,
) -> None:
    """Keep the ledger of every bankroll that was opened; goes on where it was stopped or killed."""
    import json

    from cli.logs import log_as
    from cli.service import asked_to_stop, wall_clock_us
    from deploy.stack import resolve
    from flows.connectors.kafka import ConfirmedProducer
    from flows.connectors.migrations import migrate
    from flows.connectors.topics import ensure_topics
    from flows.ledger import Account, keep_ledger
    from schemas.settings import Settings

    settings = resolve(Settings.read())
    log_as(settings)
    account = Account(wall_clock_us)
    _serve(account, settings.ledger)
    migrate(settings.postgres)
    stop = asked_to_stop()
    if not ensure_topics(settings.kafka, stop.is_set):
        return
    kept = keep_ledger(
        settings,
        ConfirmedProducer(settings.kafka),
        wall_clock_us,
        stop.is_set,
        once,
        accept_gap,
        account,
    )
    if as_json:
        counts = {
            name: dict(getattr(kept, name)) for name in ("booked", "refused", "short", "passed")
        }
        print(json.dumps(counts))


def _serve(account: "Account", settings: "LedgerSettings") -> None:
    """Metrics on the port that is set, if one is."""
    if settings.metrics_port is None:
        return
    from flows.connectors.ledger_metrics import LedgerMetrics
    from flows.connectors.metrics import serve

    registry = LedgerMetrics(account).registry
    serve(registry, settings.metrics_host, settings.metrics_port, "STEAMLINE_LEDGER_METRICS_PORT")
