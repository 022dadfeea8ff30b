"""`steamline backfill`: what sources tell of the past, into Kafka."""

from pathlib import Path
from typing import Annotated

import typer

MOST_DAYS = 31


def backfill(
    start: Annotated[str, typer.Argument(help="From this time on, ISO 8601, UTC.")],
    end: Annotated[str, typer.Argument(help="Up to this time.")],
    source: Annotated[
        list[str] | None,
        typer.Option(help="Only oddsapi, or only action_network, and the schedule."),
    ] = None,
    every: Annotated[
        int, typer.Option(min=5, help="Minutes between two snapshots; The Odds API has one in 5.")
    ] = 10,
    budget: Annotated[
        int, typer.Option(min=0, help="Most that it may cost of The Odds API's quota.")
    ] = 0,
    record: Annotated[
        Path | None,
        typer.Option(help="Keep every answer in this folder; what it holds is not asked again."),
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", help="Only what such a folder holds: no network.")
    ] = None,
    among_live: Annotated[
        bool,
        typer.Option("--among-live", help="Although a score worker reads the same topics."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="At the end one JSON document on standard output.")
    ] = False,
) -> None:
    """Put past prices onto the topics, dated as they were; what is there is not said again."""
    import asyncio
    import json
    import signal
    import sys

    from cli.ingest import print_summary
    from cli.logs import log_as
    from cli.moments import moment
    from cli.service import asked_to_stop, wall_clock_us
    from deploy.stack import resolve
    from flows.backfill import Backfill, of_past
    from flows.connectors.kafka import SCORE_GROUP, ConfirmedProducer
    from flows.connectors.recent import recent_events
    from flows.connectors.topics import ensure_topics, has_read
    from flows.ingest import SAID, Ingest
    from flows.past import LOOKBACK_US, Past
    from flows.sources.feeds import sources
    from flows.sources.past import Range
    from schemas.errors import ConfigError
    from schemas.settings import Settings
    from schemas.time import US_PER_DAY, US_PER_MINUTE, to_us
    from schemas.topics import Topic

    if from_ is not None and record is not None:
        raise ConfigError("--from", "does not go with --record", "Give one of them")
    asked = Range(to_us(moment("START", start)), to_us(moment("END", end)), every * US_PER_MINUTE)
    if not 0 < asked.end_us - asked.start_us <= MOST_DAYS * US_PER_DAY:
        raise ConfigError("END", f"is not within {MOST_DAYS} days after START", "Ask in parts")
    if asked.end_us > wall_clock_us():
        raise ConfigError("END", "is not over yet", "`steamline ingest` polls what is now")
    settings = resolve(Settings.read())
    log_as(settings)
    found = of_past(sources(settings, frozenset(source or ()), played=from_ is not None))
    asked_to = asked_to_stop()
    if not ensure_topics(settings.kafka, asked_to.is_set):
        raise typer.Exit(1)
    if not among_live and has_read(settings.kafka, SCORE_GROUP, Topic.LINES):
        raise ConfigError(
            "STEAMLINE_KAFKA_PREFIX",
            f"a score worker reads {settings.kafka.prefix}lines, and would decide on past games "
            "as if they were now",
            "Set another prefix for the past, or say --among-live to fill a gap of today",
        )
    ingest = Ingest(settings, found, ConfirmedProducer(settings.kafka))

    async def ask() -> bool:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if asked_to.is_set():
            stop.set()
        folder = from_ or record
        work = Backfill(
            ingest, settings, asked, wall_clock_us, stop, folder, offline=from_ is not None
        )
        there = recent_events(settings.kafka, SAID, asked.start_us - LOOKBACK_US)
        return await work.run(lambda: Past(ingest, asked, there), budget)

    whole = asyncio.run(ask())
    if as_json:
        print(json.dumps(ingest.summary()))
    else:
        print_summary(ingest)
    if not whole:
        print("error: not every question was answered", file=sys.stderr)
        raise typer.Exit(1)
