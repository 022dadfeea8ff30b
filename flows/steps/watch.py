"""When to train again, and what a job that did so says."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from schemas.time import US_PER_DAY

Cause = Literal["first", "refresh", "degraded", "asked"]


class Job(NamedTuple):
    job_id: str
    cause: Cause
    outcome: Literal["trained", "failed"]
    detail: str
    """Versions that were made, or what went wrong."""
    began_us: int
    ended_us: int


def cause_to_train(
    now_us: int, trained_us: int | None, degraded: Sequence[str], refresh_days: int, asked: bool
) -> Cause | None:
    """trained_us: when models were last made; degraded: targets that are worse than the market."""
    if asked:
        return "asked"
    if trained_us is None:
        return "first"
    if now_us - trained_us >= refresh_days * US_PER_DAY:
        return "refresh"
    return "degraded" if degraded else None
