"""How often: checked against counting on one's fingers, with a clock that is moved by hand."""

from hypothesis import given
from hypothesis import strategies as st

from api import rates
from api.rates import Rate


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_then_one_as_each_is_refilled() -> None:
    clock = Clock()
    rate = Rate(3, clock)  # one every 20 s
    assert [rate.take("a") for _ in range(5)] == [None, None, None, 20, 20]
    assert rate.take("b") is None, "each for itself"
    clock.now += 19.5
    assert (rate.take("a"), rate.wait("a")) == (1, 1)
    clock.now += 0.5
    assert rate.wait("a") is None
    assert [rate.take("a"), rate.take("a")] == [None, 20]
    clock.now += 1_000
    assert [rate.take("a") for _ in range(4)] == [None, None, None, 20]


@given(st.lists(st.floats(0.0, 30.0), max_size=100), st.integers(1, 20))
def test_never_more_than_the_burst_and_what_was_refilled(gaps: list[float], limit: int) -> None:
    clock = Clock()
    rate, taken = Rate(limit, clock), list[float]()
    for gap in gaps:
        clock.now += gap
        if rate.take("a") is None:
            taken.append(clock.now)
        else:
            assert taken, "the first is always free"
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            span = taken[last] - taken[first]
            assert last - first + 1 <= limit + span * limit / 60 + 1e-6


def test_who_waits_as_long_as_told_is_let_in() -> None:
    clock = Clock()
    rate = Rate(7, clock)
    for _ in range(30):
        wait = rate.take("a")
        if wait is not None:
            clock.now += wait
            assert rate.take("a") is None


def test_memory_is_bounded() -> None:
    rate = Rate(1, Clock())
    held = rates._CLIENTS  # noqa: SLF001
    for number in range(held + 100):
        rate.take(str(number))
    assert len(rate._paid) == held  # noqa: SLF001
    assert rate.take(str(held + 99)) is not None, "the newest is remembered"
