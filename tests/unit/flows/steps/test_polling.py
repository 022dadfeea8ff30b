"""How often a source is looked at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.steps.polling import PollRules, pause
from schemas.sections.sources import OddsapiSettings
from schemas.time import US_PER_MINUTE, US_PER_SECOND
from tests import samples

RULES = PollRules(near=60.0, far=900.0, idle=3_600.0, follow=True)
HOUR = 60 * US_PER_MINUTE


@pytest.mark.parametrize(
    ("hours", "seconds"),
    [
        ([], 3_600.0),
        ([0.25], 60.0),  # a thirtieth of a quarter of an hour would be 30 s
        ([1], 120.0),  # 3600 / 30
        ([4], 480.0),
        ([10], 900.0),
        ([23.9], 900.0),
        ([24.5], 1_800.0),  # half an hour, then it starts within a day
        ([40], 3_600.0),
        ([40, 1, 12], 120.0),  # the next one counts
        ([-1, 12], 60.0),  # one is on
        ([-5], 3_600.0),  # one is over
    ],
)
def test_seconds_to_the_next_look(hours: list[float], seconds: float) -> None:
    starts = [samples.START + int(one * HOUR) for one in hours]
    assert pause(samples.START, starts, RULES) == pytest.approx(seconds)


@given(st.lists(st.integers(-48 * HOUR, 72 * HOUR), max_size=5))
def test_it_stays_within_its_bounds(ahead: list[int]) -> None:
    seconds = pause(samples.START, [samples.START + one for one in ahead], RULES)
    assert RULES.near <= seconds <= RULES.idle
    if any(0 < one <= 24 * HOUR for one in ahead):
        assert seconds <= RULES.far


@given(st.integers(1, 24 * HOUR), st.integers(0, 24 * HOUR))
def test_nearer_is_never_looked_at_less_often(near: int, more: int) -> None:
    sooner = pause(0, [near], RULES)
    assert sooner <= pause(0, [near + more], RULES)


def test_games_that_are_on_are_followed_only_where_that_is_asked_for() -> None:
    prices = PollRules(near=60.0, far=900.0, idle=3_600.0)
    assert pause(samples.START, [samples.START - HOUR], prices) == 3_600.0
    assert pause(samples.START, [samples.START - HOUR, samples.START + HOUR], prices) == 120.0


def test_a_first_pitch_is_not_slept_over() -> None:
    # Looking as told, the last look before first pitch is at most `near` before it.
    now = samples.START - 30 * HOUR
    while (after := now + int(pause(now, [samples.START], RULES) * US_PER_SECOND)) < samples.START:
        now = after
    assert samples.START - now <= RULES.near * US_PER_SECOND


def test_pauses_that_contradict_are_put_in_order() -> None:
    settings = OddsapiSettings(near_seconds=500, far_seconds=100, idle_seconds=10)
    assert PollRules.of(settings) == PollRules(500, 500, 500, follow=False)
