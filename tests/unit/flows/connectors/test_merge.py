"""One order out of many partitions, the same on every reading."""

import random
from collections.abc import Callable, Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.connectors.merge import Lane, Merge, Progress
from flows.steps.records import Record
from schemas.topics import INPUTS

Log = dict[Lane, list[Record]]
START = Progress(0, 0)


def record(lane: Lane, offset: int, time_us: int) -> Record:
    return Record(INPUTS[lane[0]], lane[1], offset, time_us, None, b"", None)


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """What stands in the partitions; times mostly rise, with ties and late records."""
    lanes = draw(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=5, unique=True
        )
    )
    return {
        lane: [
            record(lane, offset, time_us)
            for offset, time_us in enumerate(draw(st.lists(st.integers(0, 20), max_size=8)))
        ]
        for lane in lanes
    }


def in_order(log: Log) -> list[Record]:
    """The order that the module promises: by time, then topic, partition, offset.

    A record older than one before it in its partition counts with that one's time.
    """
    keyed = []
    for (rank, partition), records in log.items():
        newest = 0
        for one in records:
            newest = max(newest, one.timestamp_us)
            keyed.append(((newest, rank, partition, one.offset), one))
    return [one for _, one in sorted(keyed, key=lambda pair: pair[0])]


class Reader:
    """Feeds a merge from a log in an order of its own, as a broker would."""

    def __init__(self, log: Log, merge: Merge, begin: dict[Lane, int], choose: random.Random):
        self.log, self.merge, self.choose = log, merge, choose
        self.next = dict(begin)

    @property
    def unfinished(self) -> set[Lane]:
        return {lane for lane, records in self.log.items() if self.next[lane] < len(records)}

    def add_some(self) -> None:
        lane = self.choose.choice(sorted(self.unfinished))
        for _ in range(self.choose.randint(1, 3)):
            if self.next[lane] < len(self.log[lane]):
                self.merge.add(lane, self.log[lane][self.next[lane]])
                self.next[lane] += 1

    def read_all(self, most: Callable[[], int]) -> Iterable[list[Record]]:
        while self.unfinished or not self.merge.empty():
            if self.unfinished:
                self.add_some()
            yield self.merge.release(self.unfinished, most())


def fresh(log: Log, choose: random.Random) -> Reader:
    return Reader(log, Merge(dict.fromkeys(log, START)), dict.fromkeys(log, 0), choose)


@settings(deadline=None, max_examples=200)
@given(logs(), st.integers(0, 2**32))
def test_whatever_arrives_first_the_order_is_the_same(log: Log, seed: int) -> None:
    """Small and large batches, lanes in any turn; nothing lost, nothing twice."""
    choose = random.Random(seed)
    reader = fresh(log, choose)
    out = [one for batch in reader.read_all(lambda: choose.randint(1, 6)) for one in batch]
    assert out == in_order(log)
    assert reader.merge.empty()
    assert {lane: progress.next_offset for lane, progress in reader.merge.progress().items()} == {
        lane: len(records) for lane, records in log.items()
    }


@settings(deadline=None, max_examples=200)
@given(logs(), st.integers(0, 2**32))
def test_after_a_restart_at_any_moment_the_rest_follows(log: Log, seed: int) -> None:
    """A restart knows what `progress` said after some release, and reads on from there."""
    choose = random.Random(seed)
    before = fresh(log, choose)
    released: list[Record] = []
    rounds = choose.randint(0, 12)
    for batch in before.read_all(lambda: choose.randint(1, 4)):
        released += batch
        rounds -= 1
        if rounds < 0:
            break
    progress = before.merge.progress()
    begin = {lane: one.next_offset for lane, one in progress.items()}
    after = Reader(log, Merge(progress), begin, choose)
    for batch in after.read_all(lambda: choose.randint(1, 4)):
        released += batch
    assert released == in_order(log)


@settings(deadline=None, max_examples=100)
@given(logs(), st.integers(0, 2**32))
def test_no_batch_is_larger_than_asked(log: Log, seed: int) -> None:
    reader = fresh(log, random.Random(seed))
    assert all(len(batch) <= 3 for batch in reader.read_all(lambda: 3))


def test_a_lane_that_has_been_read_to_its_end_holds_nobody_up() -> None:
    games, lines = (0, 0), (2, 0)
    merge = Merge({games: START, lines: START})
    merge.add(games, record(games, 0, 10))
    merge.add(lines, record(lines, 0, 50))
    # As long as more of `games` stands on the broker, a line at 50 may not go.
    assert [one.timestamp_us for one in merge.release({games}, 100)] == [10]
    assert merge.release({games}, 100) == []
    assert merge.waiting(lines) == 1
    assert not merge.empty()
    assert [one.timestamp_us for one in merge.release(set(), 100)] == [50]
    assert merge.empty()


def test_a_lane_of_which_nothing_has_come_yet_holds_all_up() -> None:
    games, lines = (0, 0), (2, 0)
    merge = Merge({games: START, lines: START})
    merge.add(lines, record(lines, 0, 50))
    assert merge.release({games}, 100) == []


def test_context_goes_before_prices_at_equal_times() -> None:
    lanes: list[Lane] = [(2, 1), (2, 0), (1, 0), (0, 7)]
    merge = Merge(dict.fromkeys(lanes, START))
    for lane in lanes:
        merge.add(lane, record(lane, 0, 5))
    out = merge.release(set(), 100)
    assert [(one.topic, one.partition) for one in out] == [
        (INPUTS[0], 7),
        (INPUTS[1], 0),
        (INPUTS[2], 0),
        (INPUTS[2], 1),
    ]


def test_a_late_record_stays_behind_what_its_partition_has_sent() -> None:
    one, other = (2, 0), (2, 1)
    merge = Merge({one: START, other: START})
    for offset, time_us in enumerate((30, 10)):
        merge.add(one, record(one, offset, time_us))
    merge.add(other, record(other, 0, 20))
    assert [r.timestamp_us for r in merge.release(set(), 100)] == [20, 30, 10]
    # And after a restart between the two it still does.
    assert merge.progress()[one] == Progress(2, 30)


def test_progress_is_past_what_was_released_and_nothing_more() -> None:
    lane = (0, 3)
    merge = Merge({lane: Progress(7, 100)})
    for offset in (7, 8, 9):
        merge.add(lane, record(lane, offset, 100 + offset))
    assert merge.progress() == {lane: Progress(7, 100)}
    merge.release(set(), 2)
    assert merge.progress() == {lane: Progress(9, 108)}
