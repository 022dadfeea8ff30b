"""When to look at a source again: the nearer the next first pitch, the sooner."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.sections.sources import PollSettings
from schemas.time import US_PER_MINUTE, US_PER_SECOND

SOON_US = 24 * 60 * US_PER_MINUTE
"""A game later than that is no reason to look often."""
PLAYED_US = 4 * 60 * US_PER_MINUTE
"""So long after its start a game is on, as far as can be told without looking."""
_SHARE = 30
"""Looks in the time to the next first pitch: an hour before it, one every two minutes."""


@dataclass(frozen=True)
class PollRules:
    """Seconds between two looks at one source."""

    near: float
    """At the least: when a first pitch is close."""
    far: float
    """At the most, while a game starts within a day."""
    idle: float
    """With no game within a day."""
    follow: bool = False
    """`near` while a game is on too."""

    @classmethod
    def of(cls, settings: PollSettings) -> "PollRules":
        far = max(settings.near_seconds, settings.far_seconds)
        idle = max(far, settings.idle_seconds)
        return cls(settings.near_seconds, far, idle, settings.follow_games)


def pause(now_us: int, starts_us: Iterable[int], rules: PollRules) -> float:
    """Seconds until the next look. starts_us: first pitches known, in any order.

    >>> rules = PollRules(near=60.0, far=900.0, idle=3600.0)
    >>> hour = 3_600_000_000
    >>> [pause(0, [hours * hour], rules) for hours in (1, 5, 12, 30)]
    [120.0, 600.0, 900.0, 3600.0]
    """
    away = [start - now_us for start in starts_us]
    if rules.follow and any(-PLAYED_US < one <= 0 for one in away):
        return rules.near
    ahead = min((one for one in away if one > 0), default=None)
    if ahead is None:
        return rules.idle
    if ahead > SOON_US:
        # Not past the moment from which it is near enough to look more often.
        return min(rules.idle, max(rules.far, (ahead - SOON_US) / US_PER_SECOND))
    return min(max(ahead / US_PER_SECOND / _SHARE, rules.near), rules.far)
