"""What is older than the ring, as a returning client is told of it.

How it is read is `api.history`'s; here is what it means: which of it passes, under which ids.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from api.board import Message
from api.news import Key, edge_of, key_of
from api.ring import Frame, Read, frame
from api.tokens import Place, Position

if TYPE_CHECKING:
    from api.views import View

Span = tuple[int, int]
"""First offset, and the one after the last."""
PastRecord = tuple[Place, int, Message]
Wants = Callable[[Place, int], bool]
"""Whether a record was news; called from another thread."""


class Gone(Exception):
    """Kafka does not have these records, no longer or never had; the text says which."""


class Past(Protocol):
    """Reads old records."""

    def read(
        self, spans: Mapping[Place, Span], wants: Wants
    ) -> AsyncGenerator[Sequence[PastRecord], None]:
        """Batches, each partition in its order. An empty span only asks whether its offset exists.

        Raises Gone, before anything is read, and KafkaException when the broker is away."""


class PastWalk:
    """From records of the past to frames for one view, and how far they reach."""

    def __init__(self, view: "View", at: Position) -> None:
        self.at = at
        self._view = view
        self._edges: dict[Key, float | None] = {}

    def frames(self, batch: Sequence[PastRecord]) -> list[Frame]:
        """Those that pass."""
        return [one for read in batch if (one := self._frame(*read))]

    def finish(self, spans: Mapping[int, Span]) -> None:
        """All was read, what is no news too."""
        for place, (_, end) in spans.items():
            if end > self.at.offsets[place]:
                self.at.move(place, end)

    def _frame(self, place: Place, offset: int, message: Message) -> Frame | None:
        number = self.at.layout.numbers[place]
        key, edge = key_of(message), edge_of(message)
        # What it took the place of is not known for the first of its key: then it passes.
        before = self._edges.get(key, float("inf"))
        self._edges[key] = edge
        larger = max((one for one in (edge, before) if one is not None), default=None)
        one = frame(Read(number, offset, message, news=True, edge=larger), self.at)
        return one if self._view.takes(one) else None


async def patiently(
    reading: AsyncIterator[Sequence[PastRecord]], seconds: float
) -> AsyncGenerator[Sequence[PastRecord] | None, None]:
    """Its batches; None whenever none came for so long."""
    while True:
        step = asyncio.ensure_future(anext(reading, None))
        try:
            while not (await asyncio.wait({step}, timeout=seconds))[0]:
                yield None
        finally:
            if not step.done():
                step.cancel()
                with suppress(asyncio.CancelledError):
                    await step
        batch = step.result()
        if batch is None:
            return
        yield batch
