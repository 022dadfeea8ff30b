"""How fast the demo sends: by the clock, and never past what an embedded broker can hold."""

import time
from collections.abc import Callable
from threading import Event

from deploy import stack
from deploy.demo.processes import Progress, Run
from flows.connectors.parquet import ArchiveRecord
from flows.replay import Pace

EMBEDDED_EVENTS = 2_000
"""Unread events at most: far below the 5 MB a partition at which the broker drops silently."""


def pace_for(run: Run, stop: Event) -> Callable[[float | None], Pace]:
    """Speed (none: flat out) -> pace."""
    server = stack.read(run.settings.home).servers.get("kafka")
    embedded = server is not None and server.kind == "embedded"
    sent = _waiting_for_the_worker(run) if embedded else None

    def pace(speed: float | None) -> Pace:
        made = Pace(speed, clock=time.monotonic, sleep=time.sleep, stopping=stop.is_set)
        return made if sent is None else Pace(speed, made.clock, made.sleep, made.stopping, sent)

    return pace


def _waiting_for_the_worker(run: Run) -> Callable[[ArchiveRecord], None]:
    progress: Progress | None = None
    count = 0

    def sent(_: ArchiveRecord) -> None:
        nonlocal progress, count
        count += 1
        if count % EMBEDDED_EVENTS:
            return
        progress = progress or Progress(run.settings.kafka)
        run.wait_for(
            lambda: progress.behind() < EMBEDDED_EVENTS, "the worker to catch up", seconds=600.0
        )

    return sent
