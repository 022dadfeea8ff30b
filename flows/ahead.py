"""Games scored ahead of a backtest's bankroll, some days at a time, by other processes.

What a game is worth rests on its own events alone, so days can be scored beside each other; stakes
rest on the balance, so they are decided here, one after the other. The same bytes come out either
way.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import msgpack

from flows.connectors.parquet import read_archive
from flows.garbage import rest_the_collector
from flows.parity import batches
from flows.pricing import Looked, Period, Prices, Pricing
from flows.steps.decode import Decoded, DecodeRules, decode_batch
from flows.steps.records import Outgoing
from models.staking.candidate import Priced
from schemas.events import GameResult
from schemas.settings import Settings
from schemas.topics import INPUTS

_AHEAD = 2
"""Groups that may lie ready beside those under way."""


class Group(NamedTuple):
    """Games of some days, and when first and last something is said of them."""

    games: tuple[str, ...]
    first_us: int
    last_us: int


class _Made(NamedTuple):
    """Of a group."""

    looked: Looked
    games: dict[str, dict[int, list[bytes]]]
    """Game -> which of its events -> positions that it led to, packed."""


class _Work(NamedTuple):
    root: Path
    settings: Settings
    periods: Sequence[Period]

    def of(self, group: Group) -> _Made:
        pricing, rules = Pricing(self.settings, self.periods), DecodeRules.of(self.settings)
        records = read_archive(
            self.root, INPUTS, group.first_us, group.last_us + 1, set(group.games)
        )
        counted: dict[str, int] = {}
        games: dict[str, dict[int, list[bytes]]] = {}
        for batch in batches(records):
            read = decode_batch(batch, rules)
            events = [item[1] for item in read if not isinstance(item, Outgoing)]
            for decoded, priced in zip(events, pricing.of(events), strict=True):
                game_id = decoded.event.game_id
                number = counted[game_id] = counted.get(game_id, 0) + 1
                if priced:
                    packed = [msgpack.packb(one.packed()) for one in priced]
                    games.setdefault(game_id, {})[number] = packed
        return _Made(pricing.looked, games)


_works: list[_Work] = []
"""Of a process that scores: models are sent to it once, not with every group."""


def _begin(work: _Work) -> None:
    _works[:] = [work]
    rest_the_collector()


def _made(group: Group) -> _Made:
    return _works[0].of(group)


class _Ahead:
    def __init__(self, pool: ProcessPoolExecutor, groups: Sequence[Group], workers: int) -> None:
        self.looked = Looked()
        self._pool, self._groups, self._spare = pool, groups, workers + _AHEAD
        self._group_of = {
            game_id: number for number, group in enumerate(groups) for game_id in group.games
        }
        self._under_way: list[Future[_Made]] = []
        """Of the first groups, in their order."""
        self._ready: dict[str, dict[int, list[bytes]]] = {}
        self._taken: set[int] = set()
        self._counted: dict[str, int] = {}
        self._submit(self._spare)

    def of(self, events: Sequence[Decoded]) -> list[Sequence[Priced]]:
        return [self._of(decoded) for decoded in events]

    def _of(self, decoded: Decoded) -> Sequence[Priced]:
        if isinstance(decoded.event, GameResult):
            return ()
        game_id = decoded.event.game_id
        number = self._counted[game_id] = self._counted.get(game_id, 0) + 1
        self._wait(self._group_of[game_id])
        packed = self._ready.get(game_id, {}).pop(number, ())
        return [Priced.unpacked(msgpack.unpackb(one)) for one in packed]

    def _wait(self, group: int) -> None:
        if group in self._taken:
            return
        self._submit(group + 1 + self._spare)
        made = self._under_way[group].result()
        self._under_way[group] = Future()  # what it held is taken
        self._taken.add(group)
        self._ready |= made.games
        self.looked.add(made.looked)

    def _submit(self, until: int) -> None:
        for group in self._groups[len(self._under_way) : until]:
            self._under_way.append(self._pool.submit(_made, group))


@contextmanager
def scored_ahead(
    root: Path,
    settings: Settings,
    groups: Sequence[Group],
    periods: Sequence[Period],
    workers: int,
) -> Iterator[Prices]:
    """Prices of an archive's games by so many processes, started when it begins and ended with it.

    groups: in the order of their days, each game in one. Raises ModelRefused.
    """
    Pricing(settings, periods)
    pool = ProcessPoolExecutor(
        workers, get_context("spawn"), _begin, (_Work(root, settings, periods),)
    )
    try:
        yield _Ahead(pool, groups, workers)
    finally:
        pool.shutdown(cancel_futures=True)
