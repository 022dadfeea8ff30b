"""The stateful step of one game's alerts: a signal is told when it begins, not while it lasts."""

from collections.abc import Iterable
from typing import NamedTuple

import msgpack

from flows.steps.records import Outgoing
from models.features.signals import Signal
from schemas.decisions import Alert, AlertKind
from schemas.errors import OtherSnapshot
from schemas.markets import Market, Side
from schemas.topics import Topic

SNAPSHOT_VERSION = 1

Condition = tuple[AlertKind, Market, Side | None]


class Watched(NamedTuple):
    """A scored position and what holds there; nothing of a game whose betting has closed."""

    game_id: str
    position: int
    as_of_us: int
    simulated: bool
    signals: tuple[Signal, ...]


class AlertStep:
    """Rising edges of one game's signals; everything it knows is in `snapshot()`.

    What is not seen to hold at a scored position has ended, also where it could not be known.
    While betting is closed nothing is scored, so nothing begins and nothing ends.
    """

    def __init__(self, resume: bytes | None) -> None:
        self._active: frozenset[Condition] = frozenset() if resume is None else _restore(resume)

    @property
    def idle(self) -> bool:
        """Nothing lasts: the step is as if new."""
        return not self._active

    def on_batch(self, rows: Iterable[Watched]) -> list[Outgoing]:
        """Alerts for what begins; rows in the order of the game's positions."""
        out: list[Outgoing] = []
        for row in rows:
            before = self._active
            out.extend(_alert(row, one) for one in row.signals if one.condition not in before)
            self._active = frozenset(one.condition for one in row.signals)
        return out

    def snapshot(self) -> bytes:
        packed: bytes = msgpack.packb(
            {
                "version": SNAPSHOT_VERSION,
                "active": sorted(
                    [kind.value, market.value, side.value if side else ""]
                    for kind, market, side in self._active
                ),
            }
        )
        return packed


def _restore(packed: bytes) -> frozenset[Condition]:
    stored = msgpack.unpackb(packed)
    if stored["version"] != SNAPSHOT_VERSION:
        raise OtherSnapshot(stored["version"], SNAPSHOT_VERSION)
    return frozenset(
        (AlertKind(kind), Market(market), Side(side) if side else None)
        for kind, market, side in stored["active"]
    )


def _alert(row: Watched, signal: Signal) -> Outgoing:
    alert = Alert(
        alert_id=f"{row.game_id}:{row.position}:{signal.kind.value}:{signal.market.value}",
        game_id=row.game_id,
        position=row.position,
        as_of_us=row.as_of_us,
        simulated=row.simulated,
        kind=signal.kind,
        detail=signal.detail,
        market=signal.market,
        side=signal.side,
        values=signal.values,
    )
    return Outgoing.of(Topic.ALERTS, row.game_id, alert.alert_id, row.as_of_us, alert)
