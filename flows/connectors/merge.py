"""Many partitions into one order that is the same on every reading.

A game's events come over several topics, and what a prediction knew depends on how they were
interleaved. Whatever stands in the topics is therefore read by event time, whichever partition
the broker happens to send first. At the live end there is nothing to wait for: a partition that
has been read to its end holds nobody up.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from flows.steps.records import Record

Lane = tuple[int, int]
"""(rank of the topic, partition): breaks ties between equal times."""


class _Entry(NamedTuple):
    time_us: int
    """Never falls within a lane, so a late record stays behind what its partition has sent."""
    rank: int
    partition: int
    offset: int
    record: Record


class Progress(NamedTuple):
    """Where a lane goes on after a restart."""

    next_offset: int
    time_us: int


class Merge:
    """Buffers records per lane and releases them in the order (time, rank, partition, offset)."""

    def __init__(self, resume: dict[Lane, Progress]) -> None:
        self._released = dict(resume)
        self._newest = {lane: progress.time_us for lane, progress in resume.items()}
        self._waiting: dict[Lane, deque[_Entry]] = {lane: deque() for lane in resume}
        self._ready: deque[_Entry] = deque()

    def add(self, lane: Lane, record: Record) -> None:
        """The lane's next record, in offset order."""
        time_us = max(self._newest[lane], record.timestamp_us)
        self._newest[lane] = time_us
        self._waiting[lane].append(_Entry(time_us, *lane, record.offset, record))

    def waiting(self, lane: Lane) -> int:
        """Records of the lane that others hold up."""
        return len(self._waiting[lane])

    def release(self, unfinished: set[Lane], most: int) -> list[Record]:
        """The next records that none still to come can precede, at most so many.

        unfinished: lanes that hold records on the broker which have not been added yet.
        """
        if len(self._ready) < most:
            self._ready.extend(sorted(self._settled(unfinished)))
        out: list[Record] = []
        while self._ready and len(out) < most:
            entry = self._ready.popleft()
            self._released[entry.rank, entry.partition] = Progress(entry.offset + 1, entry.time_us)
            out.append(entry.record)
        return out

    def _settled(self, unfinished: set[Lane]) -> Iterator[_Entry]:
        bound = min(((self._newest[lane], *lane) for lane in unfinished), default=None)
        for queue in self._waiting.values():
            while queue and (bound is None or queue[0][:3] <= bound):
                yield queue.popleft()

    def empty(self) -> bool:
        """Whether everything added has been released."""
        return not self._ready and not any(self._waiting.values())

    def progress(self) -> dict[Lane, Progress]:
        """Of every lane, past what has been released."""
        return dict(self._released)
