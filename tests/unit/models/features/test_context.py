"""Team context and splits by source: the newest word by the cutoff, whoever says it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.features.catalogue import CONTEXT
from schemas.errors import RejectedEvent
from schemas.events import BettingSplits, Event, GameUpdate, LineMovement
from schemas.time import US_PER_MINUTE
from tests import samples
from tests.unit.models.features.facts import facts, value, vector
from tests.unit.streams import CUTOFF, fold_all, seconds, splits, streams

CUT = seconds(CUTOFF)
HOUR = 60 * US_PER_MINUTE


def told(second: float, **context: float) -> GameUpdate:
    return samples.game(second, context=context, context_as_of_us=samples.at(second))


def test_context_is_the_newest_one_known_by_the_cutoff() -> None:
    """Whole: what the newest does not name is not known, and an update without says nothing."""
    one, two = told(60, home_form=1.0, away_form=5.0), told(120, home_form=2.0)
    for events in ([one, two], [two, one]):
        state = fold_all([samples.game(0), *events, samples.game(180), told(CUT + 1, home_form=3)])
        assert value(state, "home_form") == 2.0
        assert np.isnan(value(state, "away_form"))
        assert state.record["context_as_of_us"] == samples.at(120)


def test_every_name_of_context_has_its_own_place() -> None:
    state = fold_all([told(60, **{name: float(at) for at, name in enumerate(CONTEXT)})])
    assert [value(state, name) for name in CONTEXT] == list(range(len(CONTEXT)))


def test_new_context_asks_for_a_score() -> None:
    state = fold_all([samples.game(0), samples.line(60)])
    state.dirty = False
    update = told(120, home_form=1.0)
    state.fold(update)
    assert state.wants_scoring(update)
    state.dirty = False
    older = told(90, home_form=2.0)
    state.fold(older)
    assert not state.wants_scoring(older)


def test_context_that_no_feature_is_named_after_is_refused() -> None:
    state = fold_all([samples.game(0)])
    before = state.snapshot()
    with pytest.raises(RejectedEvent, match="luck") as refused:
        state.fold(told(60, home_form=0.5, luck=1.0))
    assert refused.value.reason == "unknown_context"
    assert state.snapshot() == before


@pytest.mark.parametrize(
    ("context", "as_of_us", "why"),
    [
        ({"home_form": 0.5}, samples.at(60) + 1, "knows the future"),
        ({"home_form": 0.5}, None, "one without the other"),
        (None, samples.at(60), "one without the other"),
        ({"home_form": float("nan")}, samples.at(60), "finite"),
    ],
)
def test_context_that_cannot_be_is_refused_by_the_schema(
    context: dict[str, float] | None, as_of_us: int | None, why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        samples.game(60, context=context, context_as_of_us=as_of_us)


def test_context_may_be_as_new_as_the_event() -> None:
    assert samples.game(60, context={}, context_as_of_us=samples.at(60)).context == {}


@pytest.mark.parametrize("moment", [CUTOFF, CUTOFF + 1])
def test_context_and_splits_count_up_to_the_microsecond_of_the_cutoff(moment: int) -> None:
    before = [samples.game(0), samples.line(60), told(70, home_form=1.0), splits(80)]
    late: list[Event] = [
        splits(occurred_at_us=moment, tickets=10.0),
        splits(occurred_at_us=moment, source="sbd", handle_home_over_pct=7.0, event_id="sbd"),
        samples.game(
            occurred_at_us=moment, context={"home_form": 2.0}, context_as_of_us=samples.at(0)
        ),
    ]
    state = fold_all([*before, *late])
    if moment > CUTOFF:
        assert vector(state) == vector(fold_all(before))
    else:
        assert value(state, "home_form") == 2.0
        assert value(state, "moneyline_handle_sbd") == 7.0
        assert value(state, "splits_age") == 0.0


def test_each_source_of_splits_keeps_its_own_word() -> None:
    """Both tell of one book in turn; what one says is not overtaken by the other."""
    events = [
        splits(60, source="vsin", handle_home_over_pct=61.0),
        splits(120, source="sbd", handle_home_over_pct=44.0),
        splits(180, source="vsin", handle_home_over_pct=63.0),
        splits(240, source="sbd", handle_home_over_pct=40.0),
        splits(300, source="vsin", handle_home_over_pct=70.0, book="circa"),
    ]
    for ordered in (events, events[::-1]):
        state = fold_all([samples.game(0), *ordered])
        assert value(state, "moneyline_handle_vsin") == (63.0 + 70.0) / 2
        assert value(state, "moneyline_handle_sbd") == 40.0
        assert np.isnan(value(state, "moneyline_handle_action_network"))
        assert np.isnan(value(state, "total_handle_vsin"))
        assert value(state, "moneyline_handle") == (40.0 + 70.0) / 2


def test_a_start_moved_later_lets_splits_and_context_in_too() -> None:
    """Feeds send changes: what was held back would not come again."""
    held: list[Event] = [
        splits(CUT + 30, tickets=20.0),
        splits(CUT + 31, tickets=70.0, source="vsin", handle_home_over_pct=44.0),
        splits(CUT + 60, tickets=80.0),
        told(CUT + 61, home_form=4.0),
        samples.game(CUT + 62, source="odds", quotes_stand=True),
    ]
    state = fold_all([samples.game(0), samples.line(60), splits(90), *held])
    assert value(state, "moneyline_tickets") == 60.0
    assert value(state, "moneyline_books") == 1.0
    state.fold(samples.game(CUT + 180, start_time_us=samples.START + HOUR))
    assert value(state, "moneyline_tickets") == 80.0
    assert value(state, "moneyline_handle_vsin") == 44.0
    assert value(state, "home_form") == 4.0
    assert value(state, "moneyline_books") == 1.0
    assert not state.held


def test_held_context_is_not_overtaken_by_an_update_without() -> None:
    state = fold_all([samples.game(0), told(CUT + 60, home_form=4.0), samples.game(CUT + 120)])
    state.fold(samples.game(CUT + 180, start_time_us=samples.START + HOUR))
    assert value(state, "home_form") == 4.0


def one_of_a_kind(events: list[Event]) -> list[Event]:
    """What is overtaken while it is held is gone for good, so nothing that overtakes."""
    kinds: dict[tuple[str, ...], Event] = {}
    for event in events:
        if isinstance(event, LineMovement):
            kind: tuple[str, ...] = ("line", event.market, event.book)
        elif isinstance(event, BettingSplits):
            kind = ("splits", event.market, event.book, event.source)
        else:
            kind = ("games",)
        kinds.setdefault(kind, event)
    return list(kinds.values())


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_a_start_moved_later_is_as_if_it_had_been_known_in_time(data: st.DataObject) -> None:
    before = data.draw(streams(most=12))
    late = one_of_a_kind(data.draw(streams(first=CUTOFF + 1, last=CUTOFF + HOUR, most=25))[1:])
    minutes = data.draw(st.integers(1, 60))
    moved = samples.game(
        occurred_at_us=CUTOFF + HOUR + 1, start_time_us=samples.START + minutes * US_PER_MINUTE
    )
    held, known = fold_all([*before, *late, moved]), fold_all([*before, moved, *late])
    assert facts(held) == facts(known)
    assert held.held == known.held
