"""What every command that runs until it is stopped does first."""

from threading import Event


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
