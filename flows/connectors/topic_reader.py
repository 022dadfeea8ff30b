"""A plain reader of topics whose positions are kept by whoever uses it."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from flows.connectors.reading import (
    Asking,
    Complaints,
    Mend,
    cluster_of,
    go_on,
    offset_at,
    partitions_of,
    reader_config,
    record_of,
    take,
    watermarks,
)
from flows.steps.records import Record
from schemas.errors import SteamlineError
from schemas.sections.servers import KafkaSettings
from schemas.time import US_PER_MS
from schemas.topics import Topic

LOOK_SECONDS = 30.0
"""Between looks for partitions that were added."""


class Lane(NamedTuple):
    topic: str
    """As the broker knows it."""
    partition: int


Positions = dict[Lane, int]
"""{lane: next offset}"""

AGAIN = Mend("read", "start again", "start again")
"""Of a reader that keeps no positions."""


class TopicReader:
    """All partitions of some topics, in the order in which they come."""

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[Topic],
        group: str,
        mend: Mend = AGAIN,
        *,
        deleted_is_missed: bool = True,
        patience: float = math.inf,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Reads nothing yet; `begin` says from where.

        group: under this name offsets are committed for lag tools; nothing resumes from them.
        deleted_is_missed: or what retention deletes while it is being read is passed over.
        patience: seconds for which a question waits for a broker that is away; when they are over
        it raises DependencyDown.
        stopping: once true, such a question raises Stopped.
        """
        self.names = {topic: topic.full(settings.prefix) for topic in topics}
        self.topics = {name: topic for topic, name in self.names.items()}
        self._mend, self._complain = mend, Complaints()
        config = reader_config(settings, group)
        if not deleted_is_missed:
            config["auto.offset.reset"] = "earliest"
        self._consumer = Consumer(config)
        self._ask = Asking(settings, self._consumer, self._complain, patience, stopping)
        self.at: Positions = {}
        """Behind what has been read."""
        self._ends: Positions = {}
        self._look_at = 0.0
        self._trouble: SteamlineError | None = None

    def begin(
        self,
        known: Mapping[Lane, int],
        *,
        since_us: int | None = None,
        accept_loss: bool = False,
        accept_anew: bool = False,
        new_topics_at_end: bool = False,
    ) -> None:
        """known: positions to go on from; a lane without one is read from its beginning.

        since_us: or from the first record of that time or later, as far as the broker can tell.
        accept_loss: where retention has deleted what comes next, go on behind it.
        accept_anew: where the topic is another one, read all of it from its beginning.
        new_topics_at_end: of a topic without any position, only what comes from now on.
        Raises OffsetOutOfRange where a position is gone from its topic and that is not accepted.
        """
        ends = {lane: self._ask(watermarks, *lane) for lane in self.lanes()}
        ours = {lane: at for lane, at in known.items() if lane.topic in self.topics}
        anew = {lane.topic for lane, at in ours.items() if lane not in ends or at > ends[lane][1]}
        for lane, at in sorted(ours.items()):
            on = go_on(*lane, at, ends.get(lane), self._mend, accept_loss, accept_anew)
            if lane in ends:
                # Of another topic no position says anything, although it may have that offset too.
                self.at[lane] = ends[lane][0] if lane.topic in anew else on
        known_topics = {lane.topic for lane in ours}
        for lane, (low, high) in ends.items():
            self._ends[lane] = high
            if lane not in ours:
                skipped = new_topics_at_end and lane.topic not in known_topics
                self.at[lane] = high if skipped else low
                if since_us is not None and low < high:
                    self.at[lane] = self._first_since(lane, since_us, low, high)
        self._consumer.assign([TopicPartition(*lane, at) for lane, at in self.at.items()])
        self._look_at = time.monotonic() + LOOK_SECONDS

    def resume(self, stored: Mapping[Lane, int], accept_gap: bool) -> list[Lane]:
        """Begin from positions in a database; partitions whose positions are to be forgotten, on
        the user's word that they are gone.

        Forgotten is a position of 0: nobody may delete one, and nobody misses what was never read.
        """
        there = set(self.lanes())
        known = {lane: at for lane, at in stored.items() if at > 0 or lane in there}
        self.begin(known, accept_loss=accept_gap, accept_anew=accept_gap)
        return self.gone(known)

    def gone(self, known: Mapping[Lane, int]) -> list[Lane]:
        """Lanes of these topics that are not there any more."""
        return sorted(lane for lane in known.keys() - self.at.keys() if lane.topic in self.topics)

    def _first_since(self, lane: Lane, since_us: int, low: int, high: int) -> int:
        at = self._ask(offset_at, *lane, since_us // US_PER_MS)
        if at >= 0:
            return at
        # Nothing so new; or a broker that cannot tell (the embedded one), which finds nothing of
        # any time. From that everything is read.
        return high if self._ask(offset_at, *lane, 0) >= 0 else low

    def lanes(self) -> list[Lane]:
        """Those that are there now."""
        return self._ask(self._lanes)

    def _lanes(self, consumer: Consumer) -> list[Lane]:
        return [
            Lane(name, partition)
            for name in self.topics
            for partition in partitions_of(consumer, name)
        ]

    def cluster(self) -> str:
        """Kafka's own name of the cluster."""
        return self._ask(cluster_of)

    def read(self, most: int, seconds: float) -> list[Record]:
        """What has come, at most so many; waits no longer than that for it.

        Raises OffsetOutOfRange where what comes next has been deleted, DependencyDown where the
        broker refuses, and neither before all that had come until then was returned.
        """
        if self._trouble is not None:
            raise self._trouble
        records: list[Record] = []
        for message in self._consumer.consume(most, timeout=seconds):
            try:
                taken = take(message, self._mend, self._complain)
            except SteamlineError as bad:
                self._trouble = self._trouble or bad
                continue
            if taken is None:
                continue
            name, partition, offset, is_record = taken
            lane = Lane(name, partition)
            if is_record:
                self.at[lane] = offset + 1
                records.append(record_of(message, self.topics[name], partition, offset))
            else:
                self.at[lane] = max(self.at[lane], offset)
        if self._trouble is not None and not records:
            raise self._trouble
        return records

    def at_end(self) -> bool:
        """Whether all has been read that stood in the topics at the start."""
        return all(self.at[lane] >= end for lane, end in self._ends.items())

    def extend(self, topic: Topic) -> None:
        """Count what stands in one topic by now as having been there at the start."""
        for lane in list(self._ends):  # another thread may read
            if self.topics[lane.topic] is topic:
                self._ends[lane] = self._ask(watermarks, *lane)[1]

    def grown(self) -> list[Lane]:
        """Partitions that were added since the last look; they are read from now on.

        Looks every LOOK_SECONDS and waits for nobody: what a broker that is away has not told is
        found at a later look.
        """
        if time.monotonic() < self._look_at:
            return []
        self._look_at = time.monotonic() + LOOK_SECONDS
        try:
            new = {
                lane: watermarks(self._consumer, *lane)
                for lane in self._lanes(self._consumer)
                if lane not in self.at
            }
        except KafkaException as down:
            self._complain("no look for new partitions: %s", down.args[0])
            return []
        for lane, (low, high) in new.items():
            self.at[lane], self._ends[lane] = low, high
        if new:
            self._consumer.incremental_assign(
                [TopicPartition(*lane, self.at[lane]) for lane in new]
            )
        return list(new)

    def show(self, positions: Mapping[Lane, int]) -> None:
        """Commit positions for lag tools."""
        if positions:
            self._consumer.commit(
                offsets=[TopicPartition(*lane, at) for lane, at in positions.items()],
                asynchronous=True,
            )

    def close(self) -> None:
        self._consumer.close()
