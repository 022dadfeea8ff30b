"""Training rows: what was known at decision time, and nothing later."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.boosters.dataset import (
    DECISION_MINUTES,
    TrainingSet,
    build_training_set,
    newest,
    sample,
)
from models.boosters.tasks import shares
from models.features.catalogue import NAMES
from models.features.history import History
from models.features.kernel import FeatureSet
from schemas.errors import DataMissing
from schemas.events import Event, LineMovement
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE
from tests import samples
from tests.unit.frames import frames_of
from tests.unit.models.boosters.seasons import season
from tests.unit.streams import CUTOFF, RULES, fold_all, seconds, splits, streams

FEATURES = FeatureSet.of(Settings())
FIRST_PITCH = seconds(samples.START)
DAY = 24 * 60


def build(events: Sequence[Event]) -> TrainingSet:
    return build_in_order(sorted(events, key=lambda event: event.occurred_at_us))


def build_in_order(events: Sequence[Event]) -> TrainingSet:
    return build_training_set([sample(History.of(frames_of(events), RULES), FEATURES)])


def before(minutes: float, book: str = "pinnacle", **over: Any) -> LineMovement:
    """A quote so long before first pitch."""
    return samples.line(FIRST_PITCH - minutes * 60, book=book, **over)


def whole_game(**over: Any) -> list[Event]:
    """A schedule a day ahead, a quote every half hour, splits every two, then the result."""
    return [
        samples.game(FIRST_PITCH - DAY * 60, **over),
        *(before(minutes, home=1.8 + minutes / 10_000, **over) for minutes in range(0, DAY, 30)),
        *(
            splits(FIRST_PITCH - minutes * 60 + 1, tickets=40 + minutes / 60, **over)
            for minutes in range(0, DAY, 120)
        ),
        samples.result(FIRST_PITCH + 3 * 3600, **over),
    ]


def reaches(data: TrainingSet) -> list[float]:
    """Minutes before first pitch of each row's as-of."""
    return [float(left) for left in (data.start_us - data.as_of_us) / US_PER_MINUTE]


def test_the_last_position_before_each_decision_time() -> None:
    """Quotes at .. 750, 720, 690 ..: the last at or before T-720 is that at 720, and so on."""
    data = build(whole_game())
    assert DECISION_MINUTES == (60, 120, 180, 360, 720)
    # Splits come a second later than the quote of the same minute: they are past the time.
    assert reaches(data) == [720.0, 360.0, 180.0, 120.0, 60.0]
    assert data.game_ids == [samples.GAME]
    assert data.game.tolist() == [0] * 5
    assert data.over_us.tolist() == [samples.at(FIRST_PITCH + 3 * 3600)] * 5
    assert data.day.tolist() == [date(2026, 7, 20).toordinal() - date(1970, 1, 1).toordinal()] * 5
    assert data.books.tolist() == [[1, 0, 0]] * 5
    assert data.home_score.tolist() == [5.0] * 5
    assert data.away_score.tolist() == [3.0] * 5
    assert data.vectors.shape == (5, len(NAMES))
    assert data.vectors.dtype == np.float32
    assert len(data) == 5


def test_rows_are_what_the_live_fold_and_kernel_give_at_that_moment() -> None:
    events = sorted(whole_game()[:-1], key=lambda event: event.occurred_at_us)
    data = build(whole_game())
    for row, as_of in enumerate(data.as_of_us.tolist()):
        state = fold_all(event for event in events if event.occurred_at_us <= as_of)
        view = FEATURES.view(state.record)
        assert FEATURES.vectors(state.record, view).tobytes() == data.vectors[row].tobytes()
        np.testing.assert_equal(data.consensus[row], view.consensus[0])
        np.testing.assert_equal(data.line[row], view.line[0])


def test_a_decision_time_without_a_position_of_its_own_gives_no_row() -> None:
    """One quote at T-200: it serves 180 and nothing else; 720 has the schedule's position."""
    data = build(
        [samples.game(FIRST_PITCH - 800 * 60), before(200), samples.result(FIRST_PITCH + 9)]
    )
    assert reaches(data) == [800.0, 200.0]
    assert np.isnan(data.consensus[0]).all()
    assert np.isfinite(data.consensus[1, 0])


@settings(deadline=None, max_examples=60)
@given(streams(most=25))
def test_no_row_is_later_than_the_cutoff_and_each_game_counts_once(events: list[Event]) -> None:
    other = whole_game(game_id=samples.OTHER)
    data = build([*events, *other, samples.result(FIRST_PITCH + 9_000)])
    assert (data.as_of_us <= CUTOFF).all()
    assert (data.start_us - data.as_of_us >= RULES.cutoff_us).all()
    totals = np.bincount(data.game, weights=shares(data.game, np.ones(len(data), bool)))
    np.testing.assert_allclose(totals, 1.0, rtol=0, atol=1e-12)
    for game in range(len(data.game_ids)):
        rows = data.game == game
        left = np.sort((data.start_us - data.as_of_us)[rows] / US_PER_MINUTE)
        # No two rows between the same two decision times.
        bands = np.searchsorted(DECISION_MINUTES, left, side="right")
        assert len(set(bands.tolist())) == rows.sum()


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_nothing_after_a_row_changes_it(data: st.DataObject) -> None:
    """The leak test: cut at the row's as-of, alter and append what follows, build again."""
    events = data.draw(streams(most=25))
    result = samples.result(FIRST_PITCH + 9_000)
    rows = build([*events, result])
    for row, as_of in enumerate(rows.as_of_us.tolist()):
        kept = [event for event in events if event.occurred_at_us <= as_of]
        other = data.draw(streams(first=as_of + 1, last=samples.START, most=8))[1:]
        again = build([*kept, *other, result])
        if as_of not in again.as_of_us:  # a later position took the decision time over
            continue
        same = again.as_of_us.tolist().index(as_of)
        assert again.vectors[same].tobytes() == rows.vectors[row].tobytes()
        assert again.consensus[same].tobytes() == rows.consensus[row].tobytes()
        assert again.line[same].tobytes() == rows.line[row].tobytes()


def test_the_leak_test_sees_a_leak() -> None:
    """An event before the as-of does change the row, so equality above means something."""
    rows = build(whole_game())
    changed = build([*whole_game(), before(400, "circa", home=1.5, away=2.8)])
    same = rows.as_of_us.tolist() == changed.as_of_us.tolist()
    assert same
    differs = [
        rows.vectors[row].tobytes() != changed.vectors[row].tobytes() for row in range(len(rows))
    ]
    assert differs == [False, True, True, True, True]


def test_events_past_the_cutoff_change_no_row() -> None:
    late: list[Event] = [
        before(59.99, "circa", home=1.2, away=4.6),
        splits(FIRST_PITCH - 59 * 60, tickets=1.0, book="circa"),
        samples.game(FIRST_PITCH - 58 * 60, source="odds", quotes_stand=True),
    ]
    plain, more = build(whole_game()), build([*whole_game(), *late])
    for field in fields(TrainingSet):
        one, other = getattr(plain, field.name), getattr(more, field.name)
        np.testing.assert_array_equal(one, other, err_msg=field.name)


def test_games_without_a_result_are_absent() -> None:
    unfinished = whole_game(game_id=samples.OTHER)[:-1]
    assert build([*whole_game(), *unfinished]).game_ids == [samples.GAME]
    with pytest.raises(DataMissing, match="result"):
        build(unfinished)
    with pytest.raises(DataMissing, match="result"):
        build([samples.result()])


def test_what_the_live_flow_refuses_is_left_out() -> None:
    """An unknown book and an event past the lateness horizon: dead letters live, absent here."""
    unknown = before(300, book="corner bookie", home=1.2, away=4.6)
    strange = splits(FIRST_PITCH - 300 * 60, book="corner bookie")
    plain = build(whole_game())
    assert build([*whole_game(), unknown, strange]).vectors.tobytes() == plain.vectors.tobytes()
    ordered = sorted(whole_game(), key=lambda event: event.occurred_at_us)
    ordered.insert(-1, before(11 * 60, home=1.2, away=4.6, event_id="late"))
    late = build_in_order(ordered)
    assert late.vectors.tobytes() == plain.vectors.tobytes()


def test_games_stand_in_the_order_of_their_last_known_start() -> None:
    """The first game is moved from before the second to after it, and the other way round."""
    hour = 60 * US_PER_MINUTE
    for first_start, last_start, order in (
        (samples.START, samples.START + 2 * hour, [samples.OTHER, samples.GAME]),
        (samples.START + 2 * hour, samples.START, [samples.GAME, samples.OTHER]),
    ):
        moved = [
            samples.game(FIRST_PITCH - DAY * 60, start_time_us=first_start),
            before(800),
            samples.game(FIRST_PITCH - 500 * 60, start_time_us=last_start),
            before(490, "circa"),
            samples.result(FIRST_PITCH + 5 * 3600),
        ]
        fixed = whole_game(game_id=samples.OTHER)
        fixed[0] = samples.game(
            FIRST_PITCH - DAY * 60, game_id=samples.OTHER, start_time_us=samples.START + hour
        )
        data = build([*moved, *fixed])
        assert data.game_ids == order
        mine = data.game == order.index(samples.GAME)
        assert set(data.start_us[mine].tolist()) == {last_start}
        assert (np.diff(data.game) >= 0).all()


def test_a_payload_is_sampled_when_it_is_all_in() -> None:
    events: list[Event] = [
        samples.game(FIRST_PITCH - DAY * 60),
        before(70, settles=False),
        before(70, "circa"),
        before(65, "betmgm", settles=False),
        samples.result(FIRST_PITCH + 9),
    ]
    data = build(events)
    assert reaches(data)[-1] == 70.0
    assert data.vectors[-1, NAMES.index("moneyline_books")] == 2


def test_equal_events_of_two_games_give_equal_rows() -> None:
    data = build([*whole_game(), *whole_game(game_id=samples.OTHER)])
    assert data.game.tolist() == [0] * 5 + [1] * 5
    assert data.vectors[:5].tobytes() == data.vectors[5:].tobytes()


def test_a_moment_at_which_the_live_flow_would_not_score_gives_no_row() -> None:
    """Word that the quotes still stand, ten minutes after the same word, changes no feature."""
    words: list[Event] = [
        samples.game(FIRST_PITCH - minutes * 60, source="odds", quotes_stand=True)
        for minutes in (75, 65)
    ]
    data = build(
        [
            samples.game(FIRST_PITCH - DAY * 60),
            before(80),
            *words,
            samples.result(FIRST_PITCH + 9),
        ]
    )
    assert reaches(data)[-1] == 75.0


def test_a_game_of_two_archives_would_count_twice() -> None:
    part = sample(History.of(frames_of(whole_game()), RULES), FEATURES)
    with pytest.raises(DataMissing, match=f"{samples.GAME} is in more than one archive"):
        build_training_set([part, part])


def test_a_window_keeps_the_newest_days_whole() -> None:
    data = season(days=6, games=2)
    kept = newest(data, 2)
    assert kept.game_ids == data.game_ids[-4:]
    assert kept.game.tolist() == np.repeat([0, 1, 2, 3], 3).tolist()
    for field in fields(TrainingSet):
        if field.name not in ("game", "game_ids"):
            assert getattr(kept, field.name).tobytes() == getattr(data, field.name)[-12:].tobytes()
