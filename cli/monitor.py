"""`steamline run monitor`: the models watched, night by night."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.games import Archives, Postgres

if TYPE_CHECKING:
    from threading import Event

    from flows.monitor import Monitor
    from schemas.sections.judging import MonitorSettings


def monitor(
    archive: Archives = None,
    postgres: Postgres = False,
    once: Annotated[bool, typer.Option("--once", help="One look, then end.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --once: one JSON document on standard output.")
    ] = False,
) -> None:
    """Judge the models after each night as `drift report` does, and send alerts `model_drift` for
    what begins. Follows what `archive run` or `run curate` keeps; thresholds: STEAMLINE_DRIFT_*."""
    import json

    from cli.games import named
    from cli.logs import log_as
    from cli.service import asked_to_stop
    from deploy.stack import resolve
    from flows.connectors import kept
    from flows.connectors.kafka import ConfirmedProducer
    from flows.connectors.migrations import migrate
    from flows.connectors.reading import ends_of
    from flows.connectors.topics import ensure_topics
    from flows.monitor import Monitor
    from models.registry import Registry
    from schemas.errors import ConfigError
    from schemas.settings import Settings
    from schemas.time import from_us

    if as_json and not once:
        raise ConfigError("--json", "goes with --once only", "Add --once")
    roots = named(archive, postgres)
    settings = resolve(Settings.read())
    log_as(settings)
    if postgres:
        migrate(settings.postgres)
    where = (
        kept.Tables(settings.postgres, settings.kafka, settings.home, roots)
        if postgres
        else kept.Archives(roots)
    )
    ensure_topics(settings.kafka)
    ours = Monitor(
        where,
        settings,
        Registry.of(settings).nearest,
        lambda: ends_of(settings.kafka)[1],
        ConfirmedProducer(settings.kafka),
        settings.home / "monitor.json",
    )
    if not once:
        _run(ours, settings.monitor, asked_to_stop())
        return
    nights = [from_us(one).date().isoformat() for one in ours.look()]
    if as_json:
        print(json.dumps({"nights": nights, "alerts": ours.health.alerts}))
    else:
        print(f"{len(nights)} nights judged, {ours.health.alerts} alerts")


def _run(ours: "Monitor", settings: "MonitorSettings", stop: "Event") -> None:
    """Until asked to stop. A look that fails is tried again at the next."""
    import logging

    from flows.connectors.metrics import serve
    from flows.connectors.monitor_metrics import MonitorMetrics
    from schemas.errors import SteamlineError

    log = logging.getLogger(__name__)
    if settings.metrics_port is not None:
        serve(
            MonitorMetrics(ours.health).registry,
            settings.metrics_host,
            settings.metrics_port,
            "STEAMLINE_MONITOR_METRICS_PORT",
        )
    while not stop.is_set():
        try:
            ours.look()
        except SteamlineError as bad:
            ours.health.failed += 1
            log.error("%s; looking again in %g s", bad, settings.poll_seconds)
        stop.wait(settings.poll_seconds)
