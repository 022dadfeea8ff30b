"""Is everything there, and as it must be: checks side by side, none holding up the others."""

import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from threading import Thread
from typing import NamedTuple

from schemas.errors import SteamlineError, first_line


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    """Works, and will cost something some day."""
    FAIL = "fail"


class Finding(NamedTuple):
    name: str
    state: State
    detail: str
    """What is so, in a line."""
    fix: str = ""
    """What to do about it; none where nothing is."""


class Check(NamedTuple):
    name: str
    look: Callable[[], Sequence[Finding]]
    fix: str
    """What to do where it comes to no end, or fails altogether."""


def ok(name: str, detail: str) -> Finding:
    return Finding(name, State.OK, detail)


def warn(name: str, detail: str, fix: str) -> Finding:
    return Finding(name, State.WARN, detail, fix)


def fail(name: str, detail: str, fix: str) -> Finding:
    return Finding(name, State.FAIL, detail, fix)


def examine(checks: Sequence[Check], seconds: float) -> list[Finding]:
    """What each found, in their order; those that take longer than that have failed."""
    found: dict[int, Sequence[Finding]] = {}

    def look(number: int, check: Check) -> None:
        found[number] = _look(check)

    # Daemons: one that hangs must not keep the process from ending.
    threads = [
        Thread(target=look, args=(number, check), name=check.name, daemon=True)
        for number, check in enumerate(checks)
    ]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    done = dict(found)
    return [
        one
        for number, check in enumerate(checks)
        for one in done.get(
            number, [fail(check.name, f"no answer within {seconds:g} s", check.fix)]
        )
    ]


def _look(check: Check) -> Sequence[Finding]:
    try:
        return check.look()
    except SteamlineError as bad:
        return [fail(check.name, str(bad), check.fix)]
    except Exception as bad:
        # A check that breaks says so, and the others still have their word.
        return [fail(check.name, f"{type(bad).__name__}: {first_line(bad)}", check.fix)]
