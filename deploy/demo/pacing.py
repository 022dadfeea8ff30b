"""How fast the demo sends: by the clock, and never past what an embedded broker can hold."""

import time
from collections.abc import Callable
from threading import Event

from deploy import stack
from deploy.demo.processes import Progress, Run
from flows.replay import Pace

EMBEDDED_EVENTS = 2_000
"""Unread events at most: far below the 5 MB a partition at which the broker drops silently."""


def pace_for(run: Run, stop: Event) -> Callable[[float | None], Pace]:
    """Speed (none: flat out) -> pace."""
    server = stack.read(run.settings.home).servers.get("kafka")
    embedded = server is not None and server.kind == "embedded"
    hold_back = _waiting_for_the_worker(run) if embedded else None

    def pace(speed: float | None) -> Pace:
        return Pace(speed, time.monotonic, time.sleep, stop.is_set, hold_back)

    return pace


def _waiting_for_the_worker(run: Run) -> Callable[[], None]:
    progress: Progress | None = None
    count = 0

    def hold_back() -> None:
        nonlocal progress, count
        count += 1
        if count % EMBEDDED_EVENTS:
            return
        reader = progress = progress or Progress(run.settings.kafka)
        run.wait_for(
            lambda: (behind := reader.behind()) is not None and behind < EMBEDDED_EVENTS,
            "the worker to catch up",
            seconds=600.0,
        )

    return hold_back
