"""`steamline run ledger`: what was advised, bet and graded into the bankrolls' books."""

from typing import Annotated

import typer


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

    from cli.service import asked_to_stop, log_times, wall_clock_us
    from deploy.stack import resolve
    from flows.connectors.kafka import ConfirmedProducer
    from flows.connectors.migrations import migrate
    from flows.connectors.topics import ensure_topics
    from flows.ledger import keep_ledger
    from schemas.settings import Settings

    log_times()
    settings = resolve(Settings.read())
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
    )
    if as_json:
        counts = {
            name: dict(getattr(kept, name)) for name in ("booked", "refused", "short", "passed")
        }
        print(json.dumps(counts))
