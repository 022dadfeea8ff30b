"""Which game a source means. Times of doubleheaders are those of real ones (13 April 2021)."""

from datetime import date, timedelta

import pytest

from flows.sources.payload import Fact, Meeting
from flows.sources.schedule import Schedule
from schemas.events import GameUpdate
from schemas.markets import GameStatus
from schemas.time import US_PER_MINUTE
from tests import samples
from tests.unit.facts import BOS_NYY, DAY, PK, listed

HOUR = 60 * US_PER_MINUTE
SECOND_GAME = BOS_NYY._replace(number=2, mlb_game_pk=PK + 1, start_us=samples.START + 4 * HOUR)


def known(*facts: Fact) -> Schedule:
    schedule = Schedule()
    schedule.learn(facts)
    return schedule


def found(schedule: Schedule, meeting: Meeting) -> str | None:
    return schedule.resolve(meeting).game_id


def at_start(minutes: float) -> Meeting:
    return Meeting("NYY", "BOS", samples.START + int(minutes * US_PER_MINUTE))


def test_by_game_pk_by_number_and_by_start() -> None:
    schedule = known(listed(), listed(SECOND_GAME))
    first, second = samples.GAME, "mlb-2026-07-20-BOS-NYY-2"
    assert found(schedule, Meeting("?", "?", mlb_game_pk=PK + 1)) == second
    assert found(schedule, Meeting("NYY", "BOS", day=DAY, number=2)) == second
    assert found(schedule, Meeting("NYY", "BOS", day=DAY, number=1)) == first
    assert found(schedule, at_start(5)) == first
    assert found(schedule, at_start(245)) == second
    assert found(schedule, Meeting("BOS", "NYY", samples.START)) is None, "home and away differ"


@pytest.mark.parametrize("minutes", [90, 120, 150, 179])
def test_a_start_between_two_games_is_neither(minutes: float) -> None:
    # A first game that is delayed must not pass for the second.
    schedule = known(listed(), listed(SECOND_GAME))
    assert found(schedule, at_start(minutes)) is None
    assert found(known(listed()), at_start(minutes)) == samples.GAME, "alone there is no doubt"


def test_a_placeholder_start_minutes_after_the_first_game_confuses_nothing() -> None:
    # The league lists the second game of a day that follows at once as 5 minutes after the first.
    schedule = known(listed(), listed(SECOND_GAME._replace(start_us=samples.START + 300_000_000)))
    assert found(schedule, at_start(1)) == samples.GAME
    assert found(schedule, at_start(2.5)) is None
    assert found(schedule, at_start(215)) is None


def test_day_and_clubs_name_a_game_only_where_there_is_one() -> None:
    alone = Meeting("NYY", "BOS", day=DAY)
    assert found(known(listed()), alone) == samples.GAME
    assert found(known(listed(), listed(SECOND_GAME)), alone) is None
    over = known(listed(status=GameStatus.FINAL), listed(SECOND_GAME))
    assert found(over, alone) is None, "the first being over does not make it the second"
    moved_away = known(listed(), listed(SECOND_GAME, GameStatus.POSTPONED))
    assert found(moved_away, alone) is None
    assert found(known(listed()), Meeting("NYY", "BOS")) is None
    assert found(known(listed()), Meeting("NYY", "BOS", day=DAY + timedelta(days=1))) is None
    assert found(Schedule(), alone) is None


def test_start_and_day_that_contradict_name_nothing() -> None:
    assert found(known(listed()), at_start(0)._replace(day=date(2026, 7, 21))) is None


def test_a_game_moved_by_a_day_keeps_its_id() -> None:
    tomorrow = DAY + timedelta(days=1)
    schedule = known(listed())
    # Both entries in one payload, as the schedule sends them, in either order.
    new = listed(BOS_NYY._replace(day=tomorrow, number=2, start_us=samples.START + 24 * HOUR))
    old = listed(status=GameStatus.POSTPONED)
    for facts in ([old, new], [new, old]):
        kept = schedule.learn(facts)
        assert kept == [new], "what is said of the day that it left is dropped"
    assert found(schedule, BOS_NYY) == samples.GAME
    assert found(schedule, Meeting("NYY", "BOS", day=tomorrow, number=2)) == samples.GAME
    assert found(schedule, Meeting("NYY", "BOS", day=DAY, number=1)) is None
    assert found(schedule, at_start(24 * 60)) == samples.GAME


@pytest.mark.parametrize(("days", "kept"), [(-1, True), (2, True), (3, False)])
def test_how_far_a_game_is_moved_decides_whether_it_is_the_same(days: int, kept: bool) -> None:
    schedule = known(listed())
    other = BOS_NYY._replace(
        day=DAY + timedelta(days=days), start_us=samples.START + days * 24 * HOUR
    )
    schedule.learn([listed(other)])
    assert (found(schedule, BOS_NYY) == samples.GAME) is kept


def test_a_makeup_weeks_later_is_another_game() -> None:
    later = DAY + timedelta(days=30)
    schedule = known(listed(), listed(BOS_NYY._replace(mlb_game_pk=PK + 7, day=later)))
    makeup = BOS_NYY._replace(day=later, number=1, start_us=samples.START + 30 * 24 * HOUR)
    # The league may number the makeup 1 and the day's own game 2 then; that one keeps its id.
    schedule.learn([listed(makeup)])
    assert found(schedule, BOS_NYY) == "mlb-2026-08-19-BOS-NYY-2"
    assert found(schedule, BOS_NYY._replace(mlb_game_pk=PK + 7)) == "mlb-2026-08-19-BOS-NYY-1"
    former = schedule.get(samples.GAME)
    assert former is not None
    assert former.status is GameStatus.POSTPONED


def test_postponed_games_are_found_by_their_pk_alone() -> None:
    schedule = known(listed(status=GameStatus.POSTPONED))
    assert found(schedule, BOS_NYY) == samples.GAME
    assert found(schedule, at_start(0)) is None


def test_it_is_rebuilt_from_what_is_on_the_topic() -> None:
    event = samples.game(
        source="mlb_stats", mlb_game_pk=PK, start_time_us=samples.START + 24 * HOUR
    )
    schedule = Schedule()
    schedule.remember(event)
    schedule.remember(event.model_copy(update={"source": "context", "mlb_game_pk": 1}))
    assert len(schedule) == 1
    assert found(schedule, BOS_NYY) == samples.GAME
    moved = BOS_NYY._replace(
        day=DAY + timedelta(days=1), start_us=samples.START + 24 * HOUR, number=2
    )
    old = listed(status=GameStatus.POSTPONED)
    assert schedule.learn([old, listed(moved)]) == [listed(moved)]
    assert schedule.starts_us() == [samples.START + 24 * HOUR]


def test_old_games_are_forgotten() -> None:
    schedule = known(listed())
    schedule.forget(DAY)
    assert len(schedule) == 1
    schedule.forget(DAY + timedelta(days=1))
    assert (len(schedule), found(schedule, BOS_NYY), found(schedule, at_start(0))) == (
        0,
        None,
        None,
    )


def test_a_listing_without_its_pk_is_not_learned() -> None:
    schedule = known(listed(BOS_NYY._replace(mlb_game_pk=None)))
    assert len(schedule) == 0
    assert GameUpdate is listed().model
