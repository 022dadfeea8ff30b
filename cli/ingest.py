"""`steamline ingest`: all configured sources into Kafka."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flows.ingest import Ingest
    from schemas.sections.sources import IngestSettings


def ingest(
    source: Annotated[
        list[str] | None,
        typer.Option(help="Only this one, and the schedule; may be given again for more."),
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Keep every answer in this folder, without secrets.")
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", help="Play such a folder instead: no network, at its own times."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="One look at each source, then end.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="At the end one JSON document on standard output.")
    ] = False,
) -> None:
    """Poll all configured sources and put what is new into Kafka; resumes where it was stopped."""
    import asyncio
    import json
    import logging
    import signal
    import sys

    from cli.logs import log_as
    from cli.service import asked_to_stop, wall_clock_us
    from deploy.stack import resolve
    from flows.connectors.kafka import ConfirmedProducer
    from flows.connectors.topics import ensure_topics
    from flows.ingest import Ingest, play
    from flows.poll import Polling
    from flows.sources.feeds import sources
    from schemas.errors import ConfigError
    from schemas.settings import Settings

    log = logging.getLogger(__name__)
    if from_ is not None and (record is not None or once):
        raise ConfigError("--from", "does not go with --record or --once", "Give one of them")
    settings = resolve(Settings.read())
    log_as(settings)
    found = sources(settings, frozenset(source or ()), played=from_ is not None)
    for name, why in found.off.items():
        log.info("%s is off: %s", name, why)
    asked = asked_to_stop()
    if not ensure_topics(settings.kafka, asked.is_set):
        return
    ours = Ingest(settings, found, ConfirmedProducer(settings.kafka))
    _serve(ours, settings.ingest)

    async def live() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if asked.is_set():  # while it read back
            stop.set()
        polling = Polling(ours, settings.ingest, wall_clock_us, stop, record)
        await (polling.once() if once else polling.run())

    if from_ is not None:
        play(ours, from_, asked.is_set)
    else:
        ours.resume(wall_clock_us())
        asyncio.run(live())
    summary = ours.summary()
    if as_json:
        print(json.dumps(summary))
    else:
        print_summary(ours)
    if once and any(outcome == "failed" for _, outcome in ours.looks.done):
        print("error: not every source answered", file=sys.stderr)
        raise typer.Exit(1)


def _serve(ours: "Ingest", settings: "IngestSettings") -> None:
    """Metrics on the port that is set, if one is."""
    if settings.metrics_port is None:
        return
    from flows.connectors.ingest_metrics import IngestMetrics
    from flows.connectors.metrics import serve

    host = settings.metrics_host
    registry = IngestMetrics(ours).registry
    serve(registry, host, settings.metrics_port, "STEAMLINE_INGEST_METRICS_PORT")


def print_summary(ours: "Ingest") -> None:
    """A line a source, and what waits and what is wrong."""
    counts = ours.intake.counts
    for feed in ours.sources.on:
        name = feed.source
        parts = [
            f"{count} {what}"
            for of in (ours.looks.done, counts.events, counts.letters)
            for (source, what), count in sorted(of.items())
            if source == name
        ]
        print(f"{name}: {', '.join(parts) or 'not heard'}")
    for (name, detail), count in ours.intake.quarantine.reasons().most_common():
        print(f"waiting: {count} of {name}: {detail}")
    for (name, alarm), detail in ours.alarms.raised.items():
        print(f"alarm {alarm}: {name}: {detail}")
