"""`steamline model watch`: trains the models again when it is time."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flows.watch import Watch
    from schemas.sections.judging import WatchSettings


def watch(
    archive: Annotated[
        list[Path],
        typer.Option(help="Archive to train on, predictions included; may be repeated."),
    ],
    seed: Annotated[int, typer.Option(help="Equal seeds and data give equal models.")] = 1,
    once: Annotated[bool, typer.Option("--once", help="One look, then end.")] = False,
    now: Annotated[
        bool, typer.Option("--now", help="With --once: train however young the models are.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --once: one JSON document on standard output.")
    ] = False,
) -> None:
    """Look at the models as STEAMLINE_WATCH_CRON says: train them when they are older than
    STEAMLINE_WATCH_REFRESH_DAYS, or worse than the market; keep each job in Postgres."""
    import json
    import sys

    from cli.logs import log_as
    from cli.service import wall_clock_us
    from deploy.stack import resolve
    from flows.promotion import Evidence, introduce
    from flows.watch import Watch
    from models.registry import Registry
    from schemas.errors import ConfigError
    from schemas.settings import Settings

    if (now or as_json) and not once:
        raise ConfigError("--now/--json", "go with --once only", "Add --once")
    settings = resolve(Settings.read())
    log_as(settings)
    registry = Registry.of(settings)
    ours = Watch(
        archive,
        settings,
        registry,
        lambda trained: [
            (one.version, one.became)
            for one in introduce(
                registry, trained, seed, settings.watch.window_days, Evidence(archive, settings)
            )
        ],
        wall_clock_us,
        seed,
    )
    if not once:
        _run(ours, settings.watch)
        return
    job = ours.look(now)
    if as_json:
        print(json.dumps(None if job is None else job._asdict(), indent=2))
    elif job is None:
        print("nothing to do: the models are young enough, and not worse than the market")
    else:
        print(f"{job.outcome} ({job.cause}): {job.detail}")
    if job is not None and job.outcome == "failed":
        print(f"error: {job.detail}", file=sys.stderr)
        raise typer.Exit(1)


def _run(ours: "Watch", settings: "WatchSettings") -> None:
    """Until asked to stop. A look that fails is tried again at the next time."""
    import logging
    import signal

    from apscheduler.schedulers.blocking import BlockingScheduler  # type: ignore[import-untyped]
    from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]

    from flows.connectors.metrics import serve
    from flows.connectors.watch_metrics import WatchMetrics
    from schemas.errors import ConfigError, SteamlineError

    log = logging.getLogger(__name__)
    try:
        when = CronTrigger.from_crontab(settings.cron, timezone="UTC")
    except ValueError as bad:
        raise ConfigError(
            "STEAMLINE_WATCH_CRON", f"is no crontab time: {bad}", "Use five fields, as 0 9 * * *"
        ) from None
    if settings.metrics_port is not None:
        registry = WatchMetrics(ours.health).registry
        serve(
            registry, settings.metrics_host, settings.metrics_port, "STEAMLINE_WATCH_METRICS_PORT"
        )

    def look() -> None:
        try:
            if ours.look() is None:
                log.info("nothing to do")
        except SteamlineError as bad:
            log.error("%s; looking again at the next time", bad)

    scheduler = BlockingScheduler(timezone="UTC")
    # A look that was missed while the machine slept is made up for, once.
    scheduler.add_job(look, when, max_instances=1, coalesce=True, misfire_grace_time=None)
    for number in (signal.SIGTERM, signal.SIGINT):
        # A training under way is finished first: its thread is waited for at the end.
        signal.signal(number, lambda *_: scheduler.shutdown(wait=False))
    log.info("looking at the models: %s UTC", settings.cron)
    scheduler.start()
