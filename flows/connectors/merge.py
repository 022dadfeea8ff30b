"""Many partitions into one order that is the same on every reading.

A game's events come over several topics, and what a prediction knew depends on how they were
interleaved. Whatever stands in the topics is therefore read by event time, whichever partition
the broker happens to send first. At the live end there is nothing to wait for: a partition that
has been read to its end holds nobody up.
"""

from collections import deque
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

    def add(self, lane: Lane, record: Record) -> None:
        """The lane's next record, in offset order."""
        time_us = max(self._newest[lane], record.timestamp_us)
        self._newest[lane] = time_us
        self._waiting[lane].append(_Entry(time_us, *lane, record.offset, record))

    def waiting(self, lane: Lane) -> int:
        """Records of the lane that are not released yet."""
        return len(self._waiting[lane])

    def release(self, unfinished: set[Lane]) -> list[Record]:
        """All that no record still to come can precede.

        unfinished: lanes that hold records on the broker which have not been added yet.
        """
        bound = min(((self._newest[lane], *lane) for lane in unfinished), default=None)
        ready: list[_Entry] = []
        for lane, queue in self._waiting.items():
            while queue and (bound is None or queue[0][:3] <= bound):
                entry = queue.popleft()
                ready.append(entry)
                self._released[lane] = Progress(entry.offset + 1, entry.time_us)
        ready.sort()
        return [entry.record for entry in ready]

    def progress(self) -> dict[Lane, Progress]:
        """Of every lane, past what has been released."""
        return dict(self._released)
