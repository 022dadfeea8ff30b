"""Answers that are made once for all who ask, and kept for a moment."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 64


class Kept(Generic[T]):
    """By key. What fails is not kept: the next who asks tries again."""

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic, most: int = MOST
    ) -> None:
        self._seconds, self._clock, self._most = seconds, clock, most
        self._made: dict[Hashable, tuple[float, T]] = {}
        self._lock = asyncio.Lock()

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """One is made at a time: who comes meanwhile finds it made."""
        async with self._lock:
            known = self._made.get(key)
            if known is not None and self._clock() < known[0] + self._seconds:
                return known[1]
            self._made.pop(key, None)
            made = await make()
            for old in list(self._made)[: max(0, len(self._made) - self._most + 1)]:
                del self._made[old]
            self._made[key] = self._clock(), made
            return made
