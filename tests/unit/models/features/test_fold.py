"""One game's state: any order, each event once, nothing from past the cutoff."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features.catalogue import CONTEXT
from models.features.fold import FoldRules, GameState
from schemas.errors import RejectedEvent
from schemas.events import BettingSplits, Event, LineMovement
from schemas.markets import GameStatus, Market
from schemas.sections.scoring import ScoreSettings
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE
from tests import samples
from tests.unit.models.features.facts import facts, value, vector
from tests.unit.streams import BOOKS, CUTOFF, RULES, fold_all, seconds, splits, streams

CUT = seconds(CUTOFF)


@settings(deadline=None, max_examples=120)
@given(st.data())
def test_order_and_repeats_do_not_matter(data: st.DataObject) -> None:
    """All in five hours, so inside the lateness horizon of six."""
    events = data.draw(streams())
    shuffled = data.draw(st.permutations(events))
    again = data.draw(st.lists(st.sampled_from(events), max_size=5))
    assert facts(fold_all([*shuffled, *again])) == facts(fold_all(events))


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_order_does_not_matter_in_play_either(data: st.DataObject) -> None:
    """The schedule first: from then on it is known which events come too late to be seen."""
    first, *rest = data.draw(streams(first=CUTOFF - 3_600_000_000, last=CUTOFF + 3_600_000_000))
    shuffled = data.draw(st.permutations(rest))
    one, other = fold_all([first, *rest]), fold_all([first, *shuffled])
    assert facts(one) == facts(other)
    assert one.held == other.held


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_every_repeat_is_told_and_changes_nothing(data: st.DataObject) -> None:
    events = data.draw(streams())
    state = GameState(RULES)
    assert all(state.fold(event) for event in events)
    before = state.snapshot()
    assert not any(state.fold(event) for event in data.draw(st.permutations(events)))
    same = state.snapshot() == before
    assert same


@settings(deadline=None, max_examples=60)
@given(streams(most=20), st.data())
def test_a_late_event_ends_as_if_on_time(events: list[Event], data: st.DataObject) -> None:
    late = data.draw(st.integers(0, len(events) - 1))
    moved = [*events[:late], *events[late + 1 :], events[late]]
    assert facts(fold_all(moved)) == facts(fold_all(events))


def test_equal_times_break_the_same_way_in_any_order() -> None:
    one = samples.line(60, 1.8, 2.1, event_id="one")
    two = samples.line(60, 2.1, 1.8, event_id="two")
    start = samples.game(0)
    assert facts(fold_all([start, one, two])) == facts(fold_all([start, two, one]))


def test_an_event_older_than_the_horizon_is_refused_and_leaves_no_trace() -> None:
    state = fold_all([samples.game(0), samples.line(6 * 3600 + 60)])
    before = state.snapshot()
    with pytest.raises(RejectedEvent, match="360 min behind") as refused:
        state.fold(samples.line(60 - 1e-6))
    assert refused.value.reason == "too_late"
    assert state.snapshot() == before
    assert state.fold(samples.line(60))  # exactly six hours


def test_an_event_at_the_cutoff_counts_and_one_a_microsecond_later_does_not() -> None:
    before = [samples.game(0), samples.line(CUT - 600, 1.9, 2.0), splits(CUT - 500)]
    plain = fold_all(before)
    # Nothing but the time differs between the two rounds.
    for moment, counts in ((CUTOFF, True), (CUTOFF + 1, False)):
        for event in (
            samples.line(occurred_at_us=moment, home=1.5, away=2.8),
            splits(occurred_at_us=moment, tickets=10.0),
            samples.game(occurred_at_us=moment, source="odds", quotes_stand=True),
            samples.game(
                occurred_at_us=moment, context={CONTEXT[0]: 4.0}, context_as_of_us=moment - 1
            ),
        ):
            state = fold_all([*before, event])
            assert (vector(state) != vector(plain)) is counts
            assert state.as_of_us == (CUTOFF if counts else samples.at(CUT - 500))
            assert (state.lock_reason is None) is counts
            assert state.newest_us == moment


def test_a_schedule_update_past_the_cutoff_moves_no_feature() -> None:
    events = [samples.game(0), samples.line(60)]
    state = fold_all(events)
    assert state.fold(samples.game(CUT + 1))
    assert vector(state) == vector(fold_all(events))


@settings(deadline=None, max_examples=60)
@given(streams(first=CUTOFF + 1, last=CUTOFF + 4 * 3_600_000_000))
def test_lines_in_play_never_enter(events: list[Event]) -> None:
    before = [samples.game(0), samples.line(60), samples.line(120, book="circa"), splits(180)]
    assert vector(fold_all([*before, *events[1:]])) == vector(fold_all(before))


def test_a_start_moved_later_lets_the_newest_held_quote_of_each_book_in() -> None:
    held = [
        samples.line(CUT + 60, 1.7, 2.2),
        samples.line(CUT + 61, 1.6, 2.4, book="circa"),
        samples.line(CUT + 120, 1.5, 2.7),
    ]
    moved = samples.game(CUT + 180, start_time_us=samples.START + 60 * US_PER_MINUTE)
    before = [samples.game(0), samples.line(60)]
    state = fold_all([*before, *held])
    assert state.lock_reason == "past cutoff"
    assert state.record["price_first"][0, 0, 0] == 1.9
    state.fold(moved)
    assert state.lock_reason is None
    assert state.wants_scoring(moved)
    assert not state.held
    assert state.record["price_first"][0, 0, :2].tolist() == [1.5, 1.6]
    assert state.as_of_us == samples.at(CUT + 180)
    # What had been overtaken while it was held is gone for good, and that is all.
    straight = fold_all([samples.game(0), samples.line(60), moved, *held[1:]])
    assert facts(state)[2:] == facts(straight)[2:]


def test_a_start_moved_later_by_little_lets_only_what_is_inside_in() -> None:
    held = [samples.line(CUT + 60, 1.7, 2.2, book="circa"), samples.line(CUT + 600, 1.5, 2.7)]
    state = fold_all([samples.game(0), samples.line(60), *held])
    state.fold(samples.game(CUT + 660, start_time_us=samples.START + 5 * US_PER_MINUTE))
    assert state.record["price_first"][0, 0, :2].tolist() == [1.9, 1.7]
    lines = [event for _, _, event in state.held.values() if isinstance(event, LineMovement)]
    assert [event.book for event in lines] == ["pinnacle"]
    assert state.lock_reason == "past cutoff"


def test_a_start_moved_earlier_locks() -> None:
    state = fold_all([samples.game(0), samples.line(CUT - 60)])
    assert state.lock_reason is None
    state.fold(samples.game(CUT - 59, start_time_us=samples.START - 2 * US_PER_MINUTE))
    assert state.lock_reason == "past cutoff"
    earlier = samples.line(CUT - 58, 1.5, 2.7)
    state.fold(earlier)
    assert not state.wants_scoring(earlier)
    assert state.record["price_first"][0, 0, 0] == 1.9


def test_the_newest_announcement_of_the_start_holds() -> None:
    moved = samples.game(600, start_time_us=samples.START + 30 * US_PER_MINUTE)
    for events in ([samples.game(0), moved], [moved, samples.game(0)]):
        assert fold_all(events).cutoff_us == CUTOFF + 30 * US_PER_MINUTE


def test_without_a_schedule_nothing_is_scored() -> None:
    state = GameState(RULES)
    for event in (samples.line(60), splits(90), samples.line(120, market=Market.TOTAL)):
        state.fold(event)
        assert not state.wants_scoring(event)
    schedule = samples.game(180)
    state.fold(schedule)
    assert state.wants_scoring(schedule)


def test_a_repeated_schedule_asks_for_no_score_and_a_revived_quote_does() -> None:
    state = fold_all([samples.game(0), samples.line(60)])
    state.fold(samples.game(70, source="odds", quotes_stand=True))
    state.dirty = False
    for second, wanted in ((80, False), (80 + 1800, False), (80 + 3601 + 60, True)):
        update = samples.game(second, source="odds", quotes_stand=True)
        state.fold(update)
        assert state.wants_scoring(update) is wanted, second
        state.dirty = False


@pytest.mark.parametrize("status", GameStatus)
def test_what_the_status_means_for_betting(status: GameStatus) -> None:
    event = samples.game(120, status=status)
    state = fold_all([samples.game(0), samples.line(60), event])
    playable = status in {GameStatus.SCHEDULED, GameStatus.LIVE}
    assert state.lock_reason == (None if playable else status.value)
    assert state.wants_scoring(event) is playable


def test_an_older_status_does_not_undo_a_newer_one() -> None:
    postponed = samples.game(120, status=GameStatus.POSTPONED)
    assert fold_all([postponed, samples.game(0)]).lock_reason == "postponed"
    assert fold_all([postponed, samples.game(240)]).lock_reason is None


def test_events_that_do_not_settle_their_payload_wait_for_the_last() -> None:
    state = fold_all([samples.game(0)])
    first, last = samples.line(60, settles=False), samples.line(60, book="circa")
    state.fold(first)
    assert not state.wants_scoring(first)
    state.fold(last)
    assert state.wants_scoring(last)


def test_held_quotes_are_bounded() -> None:
    state = fold_all([samples.game(0)])
    for number in range(2_000):
        market = list(Market)[number % 3]
        state.fold(samples.line(CUT + 1 + number, book=BOOKS[number % 5], market=market))
    assert len(state.held) == 15


def test_more_sources_than_the_record_has_room_for_are_refused() -> None:
    state = fold_all([samples.line(n, source=f"source {n}") for n in range(8)])
    before = state.snapshot()
    with pytest.raises(RejectedEvent, match="source 9") as refused:
        state.fold(samples.line(8, source="one more"))
    assert refused.value.reason == "too_many_sources"
    assert state.snapshot() == before


def test_a_result_is_no_event_of_the_fold() -> None:
    with pytest.raises(TypeError, match="GameResult"):
        GameState(RULES).fold(samples.result())


def test_one_simulated_event_makes_the_game_simulated() -> None:
    assert not fold_all([samples.game(0), samples.line(60)]).simulated
    assert fold_all([samples.game(0), samples.line(60, simulated=True), samples.line(90)]).simulated


def test_the_rules_are_those_of_the_settings() -> None:
    score = ScoreSettings(cutoff_minutes=90, late_hours=1, stale_minutes=5, devig="multiplicative")
    rules = FoldRules.of(Settings(score=score, books=("circa", "pinnacle")))
    assert rules == FoldRules(
        book_index={"circa": 0, "pinnacle": 1, "action_network": 2, "sbd": 3},
        devig="multiplicative",
        cutoff_us=90 * 60_000_000,
        late_us=3_600_000_000,
        stale_us=300_000_000,
    )
    state = fold_all([samples.game(0), samples.line(60, 1.25, 4.0)], rules)
    # 0.8 + 0.25 = 1.05
    assert state.record["probability"][0, 0, 1] == pytest.approx(0.8 / 1.05, abs=1e-15)


def test_the_opening_is_the_earliest_quote_and_not_the_first_to_arrive() -> None:
    late = [samples.game(0), samples.line(600, 1.5, 2.8), samples.line(60, 2.0, 2.0)]
    state = fold_all(late)
    assert state.record["open_probability"][0, 0, 0] == 0.5
    assert value(state, "minutes_since_open") == 9.0


def test_splits_past_the_cutoff_are_not_seen() -> None:
    events: list[LineMovement | BettingSplits] = [splits(CUT - 60), splits(CUT + 60, tickets=1.0)]
    state = fold_all([samples.game(0), *events])
    assert value(state, "moneyline_tickets") == 60.0
    assert np.isfinite(value(state, "splits_age"))
