"""`steamline run context`: today's team context onto the games topic, for a daily timer."""

from pathlib import Path
from typing import Annotated

import typer


def publish(
    archive: Annotated[Path, typer.Option(help="Archive that holds games and results so far.")],
    data: Annotated[
        Path | None, typer.Option(help="Data folder of past seasons. Default: STEAMLINE_DATA.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(help="As of then instead of now: ISO 8601, UTC unless it says otherwise."),
    ] = None,
    starters: Annotated[bool, typer.Option(help="Use the starters that the data names.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Publish the context of the coming day's games, once, and end when Kafka has it."""
    import json
    from datetime import UTC, datetime

    from cli.moments import moment
    from deploy.stack import resolve
    from flows.connectors.kafka import ConfirmedProducer
    from flows.connectors.topics import ensure_topics
    from flows.context import contexts_now
    from models.features.fold import FoldRules
    from schemas.settings import Settings
    from schemas.time import to_us

    settings = resolve(Settings.read())
    as_of = moment("--at", at) if at else datetime.now(UTC)
    messages = contexts_now(
        archive,
        data or settings.data,
        FoldRules.of(settings).cutoff_us,
        to_us(as_of),
        starters,
    )
    ensure_topics(settings.kafka)
    producer = ConfirmedProducer(settings.kafka)
    for message in messages:
        producer.send(message)
    producer.confirm()
    games = [message.key for message in messages]
    if as_json:
        print(json.dumps({"as_of": as_of.isoformat(), "contexts": len(games), "games": games}))
    else:
        print(f"{len(games)} contexts as of {as_of:%Y-%m-%d %H:%M} UTC")
