"""A small season by hand, and what must never be seen: anything not known at the moment."""

import dataclasses
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features.catalogue import CONTEXT
from models.features.team.context import (
    PITCHING,
    RESULTS,
    STARTERS,
    UPCOMING,
    contexts,
    empty,
)
from schemas.time import to_us

OPENING = date(2026, 4, 1)
HOUR_US = 3_600_000_000


@dataclasses.dataclass(frozen=True)
class Game:
    """Day of the season (0 = 1 April), away, home, score; first pitch at 23:00 UTC."""

    day: int
    away: str
    home: str
    away_score: int | None = None
    home_score: int | None = None
    number: int = 1
    known_hours: float = 4.0
    """After the start."""
    season: int = 2026
    park: str | None = None

    @property
    def date(self) -> date:
        return OPENING.replace(year=self.season) + timedelta(days=self.day)

    @property
    def game_id(self) -> str:
        return f"mlb-{self.date}-{self.away}-{self.home}-{self.number}"

    @property
    def start_us(self) -> int:
        start = datetime.combine(self.date, datetime.min.time(), UTC) + timedelta(hours=23)
        return to_us(start) - (2 - self.number) * 5 * HOUR_US

    @property
    def known_us(self) -> int:
        return self.start_us + round(self.known_hours * HOUR_US)

    def row(self) -> dict[str, Any]:
        return {
            "game_id": self.game_id,
            "date": self.date,
            "start_us": self.start_us,
            "home": self.home,
            "away": self.away,
            "park": self.park,
        }


def played(*games: Game) -> pl.DataFrame:
    rows = [
        game.row()
        | {
            "known_us": game.known_us,
            "home_score": game.home_score,
            "away_score": game.away_score,
        }
        for game in games
    ]
    return pl.DataFrame(rows, schema=RESULTS) if rows else empty(RESULTS)


def ahead(game: Game, as_of_us: int | None = None, **given_: Any) -> pl.DataFrame:
    morning = game.start_us - 12 * HOUR_US
    row = game.row() | {"as_of_us": morning if as_of_us is None else as_of_us}
    columns = ("temperature", "wind_out", "roof_closed")
    return pl.DataFrame([row | dict.fromkeys(columns) | given_], schema=UPCOMING)


def known(frame: pl.DataFrame) -> dict[str, float]:
    """The one row's features that are known."""
    (row,) = frame.iter_rows(named=True)
    return {name: row[name] for name in CONTEXT if row[name] is not None}


SEASON = (
    Game(0, "NYY", "BOS", 2, 5),  # Boston wins
    Game(1, "NYY", "BOS", 4, 3),  # New York wins
    Game(2, "NYY", "BOS", 0, 1),  # Boston wins
    Game(4, "BOS", "LAD", 7, 6),  # Boston wins
    Game(5, "BOS", "LAD", 1, 8),  # Los Angeles wins
)
NEXT = Game(7, "BOS", "NYY")


def test_a_small_season_by_hand() -> None:
    made = known(contexts(ahead(NEXT), played(*SEASON)))
    half = 0.5**0.1
    weights = [half**age for age in (4, 3, 2, 1, 0)]
    form = (weights[0] + weights[2] + weights[3]) / sum(weights)
    expected = {
        # Boston: W L W W L, 17 runs for and 20 against
        "away_form": form,
        "away_last_5": 3 / 5,
        "away_season": 3 / 5,
        "away_runs_for": 17 / 5,
        "away_runs_against": 20 / 5,
        "away_rest": 1.0,  # day 6
        "away_zones": 3.0,
        "away_travel": 3_940.0,  # Los Angeles to New York, 2,448 miles
        # New York: L W L, 6 runs for and 9 against
        "home_form": half / (half**2 + half + 1),
        "home_season": 1 / 3,
        "home_runs_for": 2.0,
        "home_runs_against": 3.0,
        "home_rest": 4.0,
        "home_zones": 0.0,
        "home_travel": 289.7,  # Boston to New York, see test_parks
        "head_to_head": 1 / 3,  # of New York, at home this time
        "head_to_head_games": 3.0,
    }
    ratings = {"elo_difference", "elo_home"}
    assert made.keys() == expected.keys() | ratings
    travel = {"away_travel", "home_travel"}
    for name in expected.keys() - travel:
        assert made[name] == pytest.approx(expected[name]), name
    for name in travel:
        assert made[name] == pytest.approx(expected[name], rel=0.003), name
    assert made["elo_home"] == pytest.approx(1 / (1 + 10 ** (-made["elo_difference"] / 400)))


def test_rows_come_back_as_they_were_asked_for() -> None:
    asked = pl.concat([ahead(NEXT), ahead(SEASON[0]), ahead(NEXT, NEXT.start_us - 1)])
    made = contexts(asked, played(*SEASON))
    assert made.select("game_id", "as_of_us").equals(asked.select("game_id", "as_of_us"))
    assert made.columns == ["game_id", "as_of_us", "facts_us", *CONTEXT]
    assert made["facts_us"].to_list() == [SEASON[4].known_us, None, SEASON[4].known_us]


def test_nothing_is_known_before_the_first_game() -> None:
    assert known(contexts(ahead(SEASON[0]), played(*SEASON))) == {}


def test_a_result_counts_from_the_moment_it_is_known() -> None:
    results, last = played(*SEASON), SEASON[-1].known_us
    before = known(contexts(ahead(NEXT, last - 1), results))
    after = known(contexts(ahead(NEXT, last), results))
    assert before["away_season"] == 3 / 4
    assert after["away_season"] == 3 / 5


def test_the_second_game_of_a_doubleheader_sees_the_first_only_once_it_is_over() -> None:
    first = Game(7, "BOS", "NYY", 3, 9, number=1)
    second = Game(7, "BOS", "NYY", number=2)
    results = played(*SEASON, first)
    for as_of, games, rest in (
        (first.start_us - 1, 3.0, 1.0),
        (first.known_us - 1, 3.0, 1.0),
        (first.known_us, 4.0, 0.0),
    ):
        made = known(contexts(ahead(second, as_of), results))
        assert made["head_to_head_games"] == games
        assert made["away_rest"] == rest
    # The first must not see the second, however early that is known.
    early = Game(7, "BOS", "NYY", 0, 1, number=2, known_hours=-9.0)
    made = known(contexts(ahead(first), played(*SEASON, early)))
    assert made["head_to_head_games"] == 3.0


def test_a_game_that_is_over_is_not_upcoming() -> None:
    with pytest.raises(ValueError, match="over at"):
        contexts(ahead(SEASON[0], SEASON[0].known_us), played(*SEASON))


def test_a_new_season_begins_with_ratings_only() -> None:
    opener = Game(0, "NYY", "BOS", season=2027)
    made = known(contexts(ahead(opener), played(*SEASON)))
    assert made.keys() == {"elo_difference", "elo_home"}
    last = known(contexts(ahead(Game(9, "NYY", "BOS")), played(*SEASON)))
    # A third of the way back to the mean, the 24 points of the home team left alone.
    assert made["elo_difference"] - 24 == pytest.approx(2 / 3 * (last["elo_difference"] - 24))


def test_a_game_without_a_known_score_counts_for_rest_and_travel_only() -> None:
    unscored = Game(6, "BOS", "LAD")
    made = known(contexts(ahead(NEXT), played(*SEASON, unscored)))
    assert made["away_rest"] == 0.0
    assert made["away_season"] == 3 / 5


def test_last_5_and_10_need_so_many_games() -> None:
    games = [Game(day, "BOS", "NYY", 1, day % 2 * 2) for day in range(12)]
    for count, there in ((4, set()), (5, {5}), (9, {5}), (10, {5, 10})):
        made = known(contexts(ahead(Game(30, "BOS", "NYY")), played(*games[:count])))
        assert {last for last in (5, 10) if f"home_last_{last}" in made} == there


def test_park_factor_by_hand() -> None:
    """20 home games of 10 runs, 20 away games of 8: 1.25. With 19 of each it is not known."""
    games = [Game(day, "NYY", "COL", 4, 6) for day in range(20)]
    games += [Game(day + 30, "COL", "LAD", 5, 3) for day in range(20)]
    upcoming = ahead(Game(60, "SDP", "COL"))
    assert known(contexts(upcoming, played(*games)))["park_factor"] == pytest.approx(1.25)
    assert "park_factor" not in known(contexts(upcoming, played(*games[1:])))
    later = ahead(Game(0, "SDP", "COL", season=2029))
    assert "park_factor" not in known(contexts(later, played(*games)))  # three seasons at most
    moved = ahead(Game(60, "SDP", "COL", park="MEX02"))
    assert "park_factor" not in known(contexts(moved, played(*games)))


def test_forecasts_are_passed_on_where_they_are_given() -> None:
    made = known(
        contexts(ahead(NEXT, temperature=21.5, wind_out=-3.0, roof_closed=False), played())
    )
    assert made == {"temperature": 21.5, "wind_out": -3.0, "roof_closed": 0.0}


def start_line(game: Game, team: str, *numbers: int, pitcher: str = "ace") -> dict[str, Any]:
    opponent = game.home if team == game.away else game.away
    names = ("starts", "outs", "hits", "earned_runs", "home_runs", "walks", "strikeouts")
    return {
        "known_us": game.start_us - 13 * HOUR_US,
        "game_id": game.game_id,
        "date": game.date,
        "team": team,
        "opponent": opponent,
        "pitcher": pitcher,
    } | dict(zip(names, numbers, strict=True))


def test_starters_and_bullpen_together() -> None:
    rows = [
        start_line(SEASON[0], "BOS", 0, 0, 0, 0, 0, 0, 0),
        start_line(NEXT, "BOS", 1, 18, 5, 2, 1, 1, 6),
    ]
    starters = pl.DataFrame(rows, schema=STARTERS)
    pitching = empty(
        PITCHING,
        known_us=[SEASON[0].known_us],
        game_id=[SEASON[0].game_id],
        date=[SEASON[0].date],
        team=["BOS"],
        outs=[27],
        earned_runs=[2],
    )
    made = known(contexts(ahead(NEXT), played(*SEASON), starters, pitching))
    assert made["away_starter_era"] == 3.0
    assert made["away_starter_rest"] == 7.0
    assert made["away_starter_against"] == 3.0  # that start was against New York too
    assert made["away_bullpen_era"] == 0.0
    assert not any(name.startswith("home_starter") for name in made)
    assert "elo_home_starters" not in made  # one starter is not known
    early = ahead(NEXT, rows[1]["known_us"] - 1)
    assert not any("starter" in name for name in known(contexts(early, played(), starters)))


CLUBS = ("BOS", "NYY", "LAD", "SDP")
AS_OF_DAY = 12
UP = Game(AS_OF_DAY, "BOS", "NYY", number=2)
AS_OF = UP.start_us - 4 * HOUR_US

games_ = st.builds(
    lambda day, clubs, away, home, number, hours: Game(
        day, clubs[0], clubs[1], away, home, number, hours
    ),
    st.integers(0, 20),
    st.permutations(CLUBS),
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from([1, 2]),
    st.sampled_from([0.5, 3.0, 4.0, 30.0, 200.0]),
).filter(lambda game: game.game_id != UP.game_id)
seasons_ = st.lists(games_, max_size=25, unique_by=lambda game: game.game_id)


@settings(deadline=None, max_examples=80)
@given(seasons_, seasons_, st.randoms(use_true_random=False))
def test_what_is_known_later_changes_nothing(
    season: list[Game], others: list[Game], random: Any
) -> None:
    """Results known after the moment may be removed, changed, added and shuffled."""
    made = contexts(ahead(UP, AS_OF), played(*season))
    past = [game for game in season if game.known_us <= AS_OF]
    changed = [
        dataclasses.replace(game, home_score=9 - (game.home_score or 0), away_score=0)
        for game in season
        if game.known_us > AS_OF
    ]
    ids = {game.game_id for game in season}
    added = [game for game in others if game.known_us > AS_OF and game.game_id not in ids]
    for later in ([], changed, [*changed, *added]):
        facts = [*past, *later]
        random.shuffle(facts)
        assert contexts(ahead(UP, AS_OF), played(*facts)).equals(made)


@settings(deadline=None, max_examples=50)
@given(seasons_, st.integers(0, 24))
def test_what_is_known_by_then_does_change(season: list[Game], pick: int) -> None:
    """The counterpart: the property above would also hold for a function that looks at nothing."""
    past = [g for g in season if g.known_us <= AS_OF and {g.home, g.away} & {UP.home, UP.away}]
    if not past:
        return
    game = past[pick % len(past)]
    other = dataclasses.replace(game, home_score=(game.home_score or 0) + 1)
    changed = [other if one is game else one for one in season]
    made = contexts(ahead(UP, AS_OF), played(*season))
    assert not contexts(ahead(UP, AS_OF), played(*changed)).equals(made)


@settings(deadline=None, max_examples=30)
@given(seasons_)
def test_probabilities_and_shares_stay_in_their_range(season: list[Game]) -> None:
    made = known(contexts(ahead(UP, AS_OF), played(*season)))
    for name in ("home_form", "away_season", "head_to_head", "elo_home"):
        assert 0.0 <= made.get(name, 0.5) <= 1.0
    assert all(value == value for value in made.values())  # never NaN
