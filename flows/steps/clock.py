"""Event time for games of which nothing is said any more.

Deadlines of bets and the forgetting of finished games are by event time, and a game that nobody
mentions would never see it pass. So each game that was mentioned in the last weeks is told the time
whenever it passes a mark.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, time
from typing import NamedTuple

import msgpack

from flows.steps.bets import Taken
from schemas.errors import OtherSnapshot
from schemas.events import day_of
from schemas.time import US_PER_HOUR, to_us

SNAPSHOT_VERSION = 1
EVERY_US = 6 * US_PER_HOUR


class Tick(NamedTuple):
    """It is so late now."""

    moment_us: int


def about_us(game_id: str, moment_us: int) -> int:
    """That time, or the day of the game where it is later: early bets are not forgotten."""
    return max(moment_us, to_us(datetime.combine(day_of(game_id), time.min, UTC)))


class ClockStep:
    """Of all games; everything it knows is in `snapshot()`."""

    def __init__(self, forget_us: int, resume: bytes | None) -> None:
        """forget_us: a game not mentioned for so long is told once more, and no longer."""
        self._forget_us = forget_us
        self._now_us = 0
        self._games: dict[str, int] = {}
        """Game -> when it was last mentioned, or its day."""
        if resume is not None:
            stored = msgpack.unpackb(resume)
            if stored["version"] != SNAPSHOT_VERSION:
                raise OtherSnapshot(stored["version"], SNAPSHOT_VERSION)
            self._now_us, self._games = stored["now_us"], stored["games"]

    def on_batch(self, batch: Iterable[tuple[str, Taken]]) -> list[tuple[str, Taken | Tick]]:
        """The same, with ticks between."""
        out: list[tuple[str, Taken | Tick]] = []
        for game_id, taken in batch:
            if taken.moment_us // EVERY_US > self._now_us // EVERY_US:
                out += [(game, Tick(taken.moment_us)) for game in sorted(self._games)]
                oldest = taken.moment_us - self._forget_us
                self._games = {one: at for one, at in self._games.items() if at > oldest}
            self._now_us = max(self._now_us, taken.moment_us)
            about = about_us(game_id, taken.moment_us)
            self._games[game_id] = max(self._games.get(game_id, 0), about)
            out.append((game_id, taken))
        return out

    def snapshot(self) -> bytes:
        packed: bytes = msgpack.packb(
            {"version": SNAPSHOT_VERSION, "now_us": self._now_us, "games": self._games}
        )
        return packed
