"""Facts of games that no schedule knows yet: they wait, bounded, and are tried again."""

from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from flows.sources.payload import Fact, Meeting, Payload
from flows.sources.schedule import Resolved


class Waiting(NamedTuple):
    """A fact, when it was heard, and what it lacks."""

    payload: Payload
    """Without its body: many facts share it."""
    fact: Fact
    detail: str


class Quarantine:
    """By event time: what a replay of the payloads would keep and drop, this keeps and drops."""

    def __init__(self, wait_us: int, limit: int) -> None:
        """wait_us: how long a fact may wait. limit: how many may; beyond, the oldest go."""
        self._wait_us, self._limit = wait_us, limit
        self._waiting: dict[str, list[Waiting]] = {}
        """What is spoken of -> its values, in the order in which they came."""
        self._told: dict[str, None] = {}
        """Names of what has expired: a source repeats itself, a dead letter must not."""
        self._newest_us = 0

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def reasons(self) -> Counter[tuple[str, str]]:
        """How many facts wait, by source and by what they lack."""
        return Counter((one.payload.source, one.detail) for one in self._all())

    def put(self, payload: Payload, fact: Fact, detail: str) -> None:
        """A value that stands already, or has expired before, is not taken twice."""
        self._newest_us = max(self._newest_us, payload.fetched_at_us)
        if name_of(payload.source, fact) in self._told:
            return
        values = self._waiting.setdefault(_subject(payload.source, fact), [])
        if not values or values[-1].fact.fields != fact.fields:
            values.append(Waiting(payload._replace(body=b""), fact, detail))

    def retry(self, resolve: Callable[[Meeting], Resolved]) -> list[tuple[str, Waiting]]:
        """What has its game now, with its id, in the order of time."""
        found: list[tuple[str, Waiting]] = []
        for subject, values in list(self._waiting.items()):
            game_id = resolve(values[0].fact.meeting).game_id
            if game_id is not None:
                found += [(game_id, one) for one in self._waiting.pop(subject)]
        return sorted(found, key=lambda pair: pair[1].payload.fetched_at_us)

    def expire(self) -> list[Waiting]:
        """What has waited too long by event time, and the oldest of what is too much."""
        everything = self._all()
        excess = len(everything) - self._limit
        gone = [
            one
            for place, one in enumerate(everything)
            if place < excess or self._newest_us - one.payload.fetched_at_us > self._wait_us
        ]
        return self._let_go(gone)

    def close(self) -> list[Waiting]:
        """Everything: no schedule will come any more."""
        return self._let_go(self._all())

    def _all(self) -> list[Waiting]:
        values = (one for values in self._waiting.values() for one in values)
        return sorted(values, key=lambda one: one.payload.fetched_at_us)

    def _let_go(self, gone: list[Waiting]) -> list[Waiting]:
        for one in gone:
            source, fact = one.payload.source, one.fact
            self._waiting[_subject(source, fact)].remove(one)
            self._told[name_of(source, fact)] = None
        self._waiting = {subject: some for subject, some in self._waiting.items() if some}
        while len(self._told) > 10 * self._limit:
            del self._told[next(iter(self._told))]
        return gone


def name_of(source: str, fact: Fact) -> str:
    """The same for the same thing said of the same game."""
    return _digest(_subject(source, fact), sorted(fact.fields.items()))


def _subject(source: str, fact: Fact) -> str:
    return _digest(source, fact.meeting, fact.model.__name__, fact.about)


def _digest(*parts: object) -> str:
    return blake2b(repr(parts).encode(), digest_size=12).hexdigest()
