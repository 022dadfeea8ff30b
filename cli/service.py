"""What every command that runs until it is stopped does first."""

from threading import Event

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def log_times() -> None:
    """A line a message on standard error, with its time."""
    import logging

    logging.basicConfig(level=logging.INFO, format=FORMAT)


def wall_clock_us() -> int:
    """The wall clock, microseconds UTC, for whoever must be handed one."""
    import time

    return time.time_ns() // 1_000


def asked_to_stop() -> Event:
    """Set by SIGTERM and SIGINT from now on."""
    import signal

    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
