"""MLB's schedule: who meets when and how often, what became of it, and the score."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from flows.sources.payload import Fact
from schemas.events import Ending, GameResult, GameUpdate
from schemas.markets import GameStatus
from tests.unit.flows.sources.payloads import (
    NOW,
    SCHEDULE,
    facts_of,
    reasons,
    refusals_of,
    said,
    us,
)

SAMPLE = "samples/mlb_stats_api_schedule_20210919_and_doubleheader.json"


def game(pk: int, day: str = "2026-07-20") -> Fact:
    found = [
        one
        for one in facts_of(SCHEDULE.read())
        if one.model is GameUpdate
        and one.meeting.mlb_game_pk == pk
        and one.meeting.day == date.fromisoformat(day)
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("pk", "day", "status"),
    [
        (800001, "2026-07-19", GameStatus.POSTPONED),
        (800001, "2026-07-20", GameStatus.SCHEDULED),
        (800002, "2026-07-19", GameStatus.LIVE),
        (800003, "2026-07-19", GameStatus.FINAL),
        (800004, "2026-07-20", GameStatus.LIVE),
        (800005, "2026-07-20", GameStatus.SCHEDULED),  # delayed before its start
        (800006, "2026-07-20", GameStatus.CANCELLED),
        (800007, "2026-07-20", GameStatus.FINAL),
    ],
)
def test_status(pk: int, day: str, status: GameStatus) -> None:
    assert game(pk, day).fields["status"] is status


def test_a_doubleheader_is_two_games() -> None:
    first, second = game(800004), game(800001)
    assert (first.meeting.number, second.meeting.number) == (1, 2)
    assert first.meeting[:2] == second.meeting[:2] == ("BAL", "SEA")
    assert (first.fields["home_starter"], first.fields["away_starter"]) == (
        "Tom Weiss",
        "Luis Rojo",
    )
    assert (second.fields["home_starter"], second.fields["away_starter"]) == ("José Braun", None)


def test_a_postponed_game_is_off_on_the_day_it_was_for() -> None:
    """Its entry already names the new day and the number that it has there."""
    off = game(800001, "2026-07-19")
    assert off.meeting.number is None
    assert off.fields["start_time_us"] == us("2026-07-19T23:05:00Z")
    assert game(800001).fields["start_time_us"] == us("2026-07-20T23:05:00Z")


def test_a_resumed_game_began_when_it_began() -> None:
    """It stands under both days; the later entry holds, the first pitch is that of the first."""
    resumed = game(800002, "2026-07-19")
    assert resumed.fields["start_time_us"] == us("2026-07-19T17:10:00Z")
    assert resumed.meeting.number == 1


def test_a_suspended_game_before_it_goes_on() -> None:
    def before(document: Any) -> None:
        del document["dates"][1]["games"][2]
        document["totalGames"] -= 1

    made = SCHEDULE.changed(before)
    assert not refusals_of(made)
    assert said(made, "game", home="TBR")["status"] is GameStatus.SUSPENDED


def test_a_game_that_is_on_has_begun() -> None:
    """Whatever its listed start says: nothing after this moment is before first pitch."""

    def late(document: Any) -> None:
        document["dates"][1]["games"][0]["gameDate"] = "2026-07-20T21:00:00Z"

    made = [one for one in facts_of(SCHEDULE.changed(late)) if one.meeting.mlb_game_pk == 800004]
    assert [one.fields["start_time_us"] for one in made] == [NOW]


def test_the_score_is_taken_once_it_is_official() -> None:
    results = [one for one in facts_of(SCHEDULE.read()) if one.model is GameResult]
    assert [(one.meeting.home, one.fields) for one in results] == [
        (
            "CHC",
            {
                "home_score": 5,
                "away_score": 3,
                "scheduled_innings": 9,
                "postseason": False,
                "ending": None,
                "played_on": "2026-07-19",
                "started_at_us": us("2026-07-19T18:20:00Z"),
                "resumed_at_us": None,
                "venue_changed": None,
            },
        )
    ]


def final(document: Any) -> Any:
    return document["dates"][0]["games"][2]


def ended(change: Callable[[Any], object]) -> dict[str, Any]:
    """The fields of the result, its game changed."""
    made = SCHEDULE.changed(lambda document: change(final(document)))
    assert not refusals_of(made)
    return next(one.fields for one in facts_of(made) if one.model is GameResult)


@pytest.mark.parametrize(
    ("inning", "state", "outs", "half_innings"),
    [
        (9, "End", 3, 18),
        (9, "Middle", 3, 17),
        (9, "Top", 3, 17),  # the home side ahead: its half was not played
        (9, "Bottom", 3, 18),
        (9, "Bottom", 1, 17),  # the winning run came in
        (7, "Top", 2, 12),  # called in the seventh
        (7, "Bottom", 0, 13),
        (11, "Bottom", 2, 21),
        (7, "Top", None, None),
        (7, "Between", 3, None),
    ],
)
def test_how_far_a_game_got(
    inning: int, state: str, outs: int | None, half_innings: int | None
) -> None:
    score = {"currentInning": inning, "inningState": state, "outs": outs}
    fields = ended(lambda game: game["linescore"].update(score))
    assert fields.get("half_innings") == half_innings


def test_the_score_of_the_last_full_inning() -> None:
    """Called in the bottom of the sixth: level at three after five, the home side went ahead."""

    def called(game: Any) -> None:
        game["status"].update(detailedState="Completed Early", statusCode="FR", reason="Rain")
        runs = [(1, 0), (0, 0), (0, 2), (1, 1), (1, 0)]
        innings = [
            {"num": number, "away": {"runs": away}, "home": {"runs": home}}
            for number, (away, home) in enumerate(runs, 1)
        ]
        innings.append({"num": 6, "away": {"runs": 0}, "home": {"runs": 2}})
        game["linescore"].update(currentInning=6, inningState="Bottom", outs=1, innings=innings)

    fields = ended(called)
    assert fields["ending"] is Ending.CALLED
    assert (fields["half_innings"], fields["full_away_score"], fields["full_home_score"]) == (
        11,
        3,
        3,
    )


def test_an_inning_that_is_not_told_leaves_its_score_open() -> None:
    score = {"currentInning": 2, "inningState": "End", "innings": [{"num": 2}]}
    fields = ended(lambda game: game["linescore"].update(score))
    assert fields["half_innings"] == 4
    assert "full_home_score" not in fields


def test_when_a_suspended_game_went_on() -> None:
    def over(document: Any) -> None:
        document["dates"][1]["games"][2]["status"].update(codedGameState="F", detailedState="Final")

    made = SCHEDULE.changed(over)
    (result,) = (
        one for one in facts_of(made) if one.model is GameResult and one.meeting.home == "TBR"
    )
    assert result.fields["started_at_us"] == us("2026-07-19T17:10:00Z")
    assert result.fields["resumed_at_us"] == us("2026-07-20T16:00:00Z")
    assert result.fields["played_on"] == "2026-07-19"


def test_where_a_suspended_game_stands() -> None:
    def before(document: Any) -> None:
        del document["dates"][1]["games"][2]
        document["totalGames"] -= 1
        stands = document["dates"][0]["games"][1]["linescore"]
        stands.update(currentInning=9, inningState="Top", outs=1)

    fields = said(SCHEDULE.changed(before), "game", home="TBR")
    assert (fields["home_score"], fields["away_score"], fields["half_innings"]) == (2, 2, 16)


def test_a_game_in_the_other_sides_park() -> None:
    assert ended(lambda game: game.update(reverseHomeAwayStatus=True))["venue_changed"] is True


def test_a_round_after_the_season() -> None:
    assert ended(lambda game: game.update(gameType="W"))["postseason"] is True


def test_scores_that_contradict_are_no_score() -> None:
    made = SCHEDULE.changed(lambda document: final(document)["teams"]["home"].update(score=6))
    assert reasons(made) == ["payload_changed"]
    assert said(made, "game", home="CHC")["status"] is GameStatus.FINAL


def test_a_forfeit_has_a_status_but_no_score() -> None:
    made = SCHEDULE.changed(lambda document: final(document)["status"].update(codedGameState="R"))
    assert reasons(made) == ["forfeit"]
    assert said(made, "game", home="CHC")["status"] is GameStatus.FINAL
    assert GameResult not in {one.model for one in facts_of(made)}


def test_a_status_we_do_not_know_is_no_status() -> None:
    made = SCHEDULE.changed(lambda document: final(document)["status"].update(codedGameState="W"))
    assert reasons(made) == ["unknown_status"]
    assert not [one for one in facts_of(made) if one.meeting.home == "CHC"]


def test_kinds_of_games() -> None:
    """The All-Star game is none of ours; a kind that we never saw is told."""
    assert not reasons(SCHEDULE.read())
    made = SCHEDULE.changed(lambda document: final(document).update(gameType="Z"))
    assert reasons(made) == ["unknown_game_type"]


def test_fewer_games_than_announced() -> None:
    made = SCHEDULE.changed(lambda document: document["dates"].pop())
    assert reasons(made) == ["payload_changed"]


def test_a_day_without_games_is_no_change() -> None:
    assert SCHEDULE.read(b'{"totalGames": 0, "dates": []}') == []


@pytest.fixture
def bodies(data_dir: Path) -> dict[str, bytes]:
    """Two real schedules."""
    found = json.loads((data_dir / SAMPLE).read_bytes())
    return {name: json.dumps(body).encode() for name, body in found.items()}


def test_a_real_day(bodies: dict[str, bytes]) -> None:
    """19 September 2021, 15 games; scores as in that day's papers."""
    made = SCHEDULE.read(bodies["scheduleEndpointMockResponse"])
    assert not refusals_of(made)
    scores = {
        one.meeting.away: (one.fields["away_score"], one.fields["home_score"])
        for one in facts_of(made)
        if one.model is GameResult
    }
    assert len(scores) == 15
    assert scores["COL"] == (0, 3)  # at Washington
    assert scores["CLE"] == (11, 1)  # at the Yankees, still as the Indians
    assert scores["ATH"] == (3, 2)  # of Oakland, at the Angels
    assert said(made, "game", home="NYM")["start_time_us"] == us("2021-09-19T23:08:00Z")


def test_real_doubleheaders_were_of_seven_innings(bodies: dict[str, bytes]) -> None:
    """As both leagues played them in 2021."""
    made = SCHEDULE.read(bodies["doubleHeaderMockResponse"])
    scheduled = {
        (one.meeting.home, one.meeting.number): one.fields["scheduled_innings"]
        for one in facts_of(made)
        if one.model is GameResult
    }
    assert {game for game, innings in scheduled.items() if innings == 7} == {
        ("BAL", 1),
        ("BAL", 2),
        ("NYM", 1),
        ("NYM", 2),
    }
    assert set(scheduled.values()) == {7, 9}


def test_a_real_day_with_doubleheaders(bodies: dict[str, bytes]) -> None:
    """13 April 2021: Seattle in Baltimore and Philadelphia in New York, twice each."""
    made = SCHEDULE.read(bodies["doubleHeaderMockResponse"])
    assert not refusals_of(made)
    results = {
        (one.meeting.home, one.meeting.number): (one.fields["away_score"], one.fields["home_score"])
        for one in facts_of(made)
        if one.model is GameResult
    }
    assert len(results) == 17
    assert (results["BAL", 1], results["BAL", 2]) == ((4, 3), (6, 7))
    assert (results["NYM", 1], results["NYM", 2]) == ((3, 4), (0, 4))
    # It began after midnight in London, and it is the 13th where it was played.
    days = {one.meeting.home: one.meeting.day for one in facts_of(made)}
    assert days["LAD"] == date(2021, 4, 13)
