"""How fast the demo sends: by the clock, and never past what an embedded broker can hold."""

import time
from collections.abc import Callable
from threading import Event

from deploy import stack
from deploy.demo.processes import Progress, Run
from flows.replay import Pace


def pace_for(run: Run, stop: Event) -> Callable[[float | None], Pace]:
    """Speed (none: flat out) -> pace."""
    server = stack.read(run.settings.home).servers.get("kafka")
    embedded = server is not None and server.kind == "embedded"
    await_reader = _waiting_for_the_worker(run) if embedded else None

    def pace(speed: float | None) -> Pace:
        return Pace(speed, time.monotonic, time.sleep, stop.is_set, await_reader)

    return pace


def _waiting_for_the_worker(run: Run) -> Callable[[], None]:
    progress: Progress | None = None

    def await_reader() -> None:
        nonlocal progress
        reader = progress = progress or Progress(run.settings.kafka)
        run.wait_for(lambda: reader.behind() == 0, "the worker to catch up", seconds=600.0)

    return await_reader
