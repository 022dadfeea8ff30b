"""What is wrong with the sources now: told when it begins and when it ends, not while it lasts."""

import logging
from enum import StrEnum

log = logging.getLogger(__name__)


class Alarm(StrEnum):
    PAYLOAD_CHANGED = "payload_changed"
    """The source's format is not the one we know."""
    EMPTY = "empty"
    """An answer without a fact, though games are near."""
    UNKNOWN_BOOK = "unknown_book"
    """A book that we do not know has appeared: perhaps one of ours, renamed. Stays raised."""
    OVERSIZED = "oversized"
    """An answer beyond the limit was cut off."""
    UNREACHABLE = "unreachable"
    """The last look failed."""
    BREAKER_OPEN = "breaker_open"
    """So many looks failed that the source is left alone."""
    QUOTA_SPENT = "quota_spent"
    """No more requests but the reserve."""
    SILENT = "silent"
    """Not heard for too long."""
    FAILING = "failing"
    """Our own code failed on it; it is started again."""


class Alarms:
    """By source and kind."""

    def __init__(self) -> None:
        self.raised: dict[tuple[str, Alarm], str] = {}
        """With what is wrong, for a person."""

    def set(self, source: str, alarm: Alarm, detail: str) -> None:
        """detail: what is wrong; empty where nothing is."""
        key = (source, alarm)
        if detail and key not in self.raised:
            log.error("alarm %s: %s: %s", alarm, source, detail)
        elif not detail and key in self.raised:
            log.warning("over: %s: %s", alarm, source)
        if detail:
            self.raised[key] = detail
        else:
            self.raised.pop(key, None)
