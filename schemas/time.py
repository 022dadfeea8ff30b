"""Times: integer microseconds UTC on the wire and in the hot path, aware datetimes for people."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

US_PER_MS = 1_000
US_PER_SECOND = 1_000_000
US_PER_MINUTE = 60 * US_PER_SECOND
US_PER_HOUR = 60 * US_PER_MINUTE
US_PER_DAY = 24 * US_PER_HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# 2000-01-01 .. 2100-01-01: outside it, a number is seconds or milliseconds by mistake.
EARLIEST_US = 946_684_800 * US_PER_SECOND
LATEST_US = 4_102_444_800 * US_PER_SECOND


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 UTC. Raises ValueError for a naive datetime."""
    if moment.tzinfo is None:
        raise ValueError(f"naive time {moment.isoformat()}: give an offset, e.g. a trailing Z")
    return (moment - _EPOCH) // _MICROSECOND


def from_us(micros: int) -> datetime:
    """Aware UTC datetime."""
    return _EPOCH + micros * _MICROSECOND


def _parse(value: object) -> int:
    if type(value) is int:
        return value
    if isinstance(value, datetime):
        return to_us(value)
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is neither integer microseconds nor ISO 8601") from None
        return to_us(moment)
    raise ValueError(f"{value!r} is neither integer microseconds nor ISO 8601")


Micros = Annotated[int, Field(ge=EARLIEST_US, le=LATEST_US), BeforeValidator(_parse)]
"""Microseconds since 1970 UTC; parses aware ISO 8601 too, refuses naive times."""
