"""What the numbers say at the end of each night: told when it begins, not while it lasts."""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple, Self

from flows.steps.records import Outgoing
from models.boosters.walk_forward import NIGHT_HOURS
from models.evaluation.drift import Finding
from models.evaluation.monitor import Seen
from schemas.decisions import Alert, AlertKind
from schemas.errors import ConfigError
from schemas.markets import MARKET_OF, Target
from schemas.time import US_PER_DAY, US_PER_MINUTE, from_us
from schemas.topics import Topic

STATE_VERSION = 1
NAMED = 5
"""Numbers that an alert spells out; all of them are in its `values`."""
_NIGHT_US = NIGHT_HOURS * 60 * US_PER_MINUTE

Condition = tuple[str, str, str]
"""About what (a target, or `features`), kind and name of a finding."""


class MonitorState(NamedTuple):
    """What the next night is held against."""

    judged_us: int | None
    """The last night that was judged; none before the first."""
    active: frozenset[Condition]

    def packed(self) -> str:
        return json.dumps(
            {
                "version": STATE_VERSION,
                "judged_us": self.judged_us,
                "active": sorted(self.active),
            }
        )

    @classmethod
    def restored(cls, packed: str | None) -> Self:
        """Raises ConfigError for what another version wrote."""
        if packed is None:
            return cls(None, frozenset())
        stored = json.loads(packed)
        if stored["version"] != STATE_VERSION:
            raise ConfigError(
                "STEAMLINE_HOME/monitor.json",
                f"was written by another version ({stored['version']}, not {STATE_VERSION})",
                "Remove it: the newest night is judged as the first",
            )
        return cls(
            stored["judged_us"],
            frozenset((about, kind, name) for about, kind, name in stored["active"]),
        )


def night_of(at_us: int) -> int:
    """The first end of a night, in event time, at which an event of then is known."""
    return (at_us - _NIGHT_US) // US_PER_DAY * US_PER_DAY + US_PER_DAY + _NIGHT_US


def reached(newest_us: int) -> int:
    """The last end of a night up to the newest event."""
    return (newest_us - _NIGHT_US) // US_PER_DAY * US_PER_DAY + _NIGHT_US


def nights(results_us: Iterable[int], judged_us: int | None, last_us: int) -> list[int]:
    """Ends of nights that brought results and are not judged yet; at first the newest alone."""
    found = sorted({night for at in results_us if (night := night_of(at)) <= last_us})
    return found[-1:] if judged_us is None else [one for one in found if one > judged_us]


def judge_night(
    state: MonitorState,
    night_us: int,
    findings: Sequence[tuple[str, Finding]],
    seen: Seen | None,
) -> tuple[MonitorState, list[Outgoing]]:
    """One alert for all that begins of one kind about one target, or about the features.

    What is not found any more has ended. seen: the last prediction before the end of the night,
    whose game and position carry the alert; without one nobody can be told, so nothing begins.
    """
    if seen is None:
        return MonitorState(night_us, frozenset()), []
    fresh = [
        (about, one) for about, one in findings if (about, one.kind, one.name) not in state.active
    ]
    out = [
        _alert(night_us, about, kind, [one for _, one in some], seen)
        for (about, kind), some in groupby(
            sorted(fresh, key=lambda of: (of[0], of[1].kind)), key=lambda of: (of[0], of[1].kind)
        )
    ]
    active = frozenset((about, one.kind, one.name) for about, one in findings)
    return MonitorState(night_us, active), out


def _alert(night_us: int, about: str, kind: str, some: list[Finding], seen: Seen) -> Outgoing:
    said = [f"{one.name} {one.value:.4g} (from {one.threshold:g})" for one in some[:NAMED]]
    if len(some) > NAMED:
        said.append(f"and {len(some) - NAMED} more")
    alert = Alert(
        # The night is in it: late results may begin something new though no game was seen since.
        alert_id=f"{seen.game_id}:{seen.position}:{AlertKind.MODEL_DRIFT.value}:{about}:{kind}"
        f":{from_us(night_us):%Y-%m-%d}",
        game_id=seen.game_id,
        position=seen.position,
        as_of_us=seen.as_of_us,
        simulated=seen.simulated,
        kind=AlertKind.MODEL_DRIFT,
        detail=f"{about}: {kind}: {', '.join(said)}",
        market=None if about == "features" else MARKET_OF[Target(about)],
        values={one.name: one.value for one in some},
    )
    return Outgoing.of(Topic.ALERTS, alert.game_id, alert.alert_id, alert.as_of_us, alert)
