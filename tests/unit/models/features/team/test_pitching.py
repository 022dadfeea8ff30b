"""Starters' rates against the record books, the starts between two lines, bullpens by hand."""

import pytest

from models.features.team.pitching import (
    Bullpens,
    Line,
    Rotation,
    TeamGame,
    game_score,
    rates,
)

FIELDS = ("starts", "outs", "hits", "earned_runs", "home_runs", "walks", "strikeouts")


def line(day: int, *numbers: int, team: str = "LAD", opponent: str = "PIT", **over: int) -> Line:
    """numbers: as FIELDS."""
    values = dict(zip(FIELDS, numbers, strict=True)) | over
    fields = {"season": 2016, "day": day, "pitcher": "kershaw", "team": team} | values
    return Line(game_id=f"g{day}", opponent=opponent, **fields)  # type: ignore[arg-type]


def test_rates_of_clayton_kershaw() -> None:
    """baseball-reference.com, 2016 before his 16th start: 115 innings, 1.57 ERA, 0.670 WHIP,
    11.0 K/9; FIP = (13 x 6 + 3 x 7 - 2 x 141) / 115 + 3.10."""
    made = rates(line(0, 15, 345, 70, 20, 6, 7, 141))
    assert made["starter_era"] == pytest.approx(1.57, abs=0.005)
    assert made["starter_whip"] == pytest.approx(0.670, abs=0.001)
    assert made["starter_k9"] == pytest.approx(11.03, abs=0.01)
    assert made["starter_hr9"] == pytest.approx(0.47, abs=0.001)
    assert made["starter_fip"] == pytest.approx(3.10 - 183 / 115)


def test_no_rates_before_the_first_out() -> None:
    assert rates(line(0, 0, 0, 0, 0, 0, 0, 0)) == {}
    assert rates(line(0, 1, 0, 4, 5, 1, 2, 0)) == {}  # five runs and nobody out


def test_game_score() -> None:
    """7 innings, 6 hits, 2 runs, 1 home run, 1 walk, 8 strikeouts:
    47.4 + 8 + 31.5 - 2 - 12 - 6 - 4 = 62.9."""
    assert game_score(21, 6, 2, 1, 1, 8) == pytest.approx(62.9)


def test_the_start_between_two_lines() -> None:
    rotation = Rotation()
    assert rotation.add(line(100, 0, 0, 0, 0, 0, 0, 0, opponent="SDP")) is None
    told = rotation.add(line(105, 1, 21, 1, 0, 0, 1, 9, opponent="SFG"))
    assert told is not None
    assert told[0].game_id == "g100"
    assert told[1:] == (21, 0)
    rotation.add(line(111, 2, 45, 5, 2, 0, 1, 21, opponent="SDP"))
    # San Diego again: no run in 7 innings. San Francisco: 2 earned runs in 8.
    made = rotation.features("g111", "LAD", "SDP", 111)
    assert made["starter_against"] == 0.0
    assert made["starter_rest"] == 6.0
    assert made["starter_era"] == pytest.approx(18.0 / 15.0)
    assert rotation.features("g111", "LAD", "SFG", 111)["starter_against"] == 2.25
    assert rotation.features("g111", "SDP", "LAD", 111) == {}


def test_lines_that_do_not_fit_tell_no_start() -> None:
    rotation = Rotation()
    rotation.add(line(100, 3, 60, 15, 6, 1, 4, 20))
    assert rotation.add(line(115, 5, 102, 25, 9, 2, 6, 33)) is None  # two starts in between
    assert rotation.add(line(120, 6, 90, 30, 10, 3, 7, 40)) is None  # fewer outs than before
    assert rotation.add(line(120, 7, 140, 30, 10, 3, 7, 40)) is None  # twice on a day
    assert rotation.against == {}


def test_a_start_called_off_is_no_start() -> None:
    rotation = Rotation()
    for day, *numbers in ((100, 0, 0, 0, 0, 0, 0, 0), (105, 1, 18, 5, 2, 0, 1, 6),
                          (106, 1, 18, 5, 2, 0, 1, 6)):  # fmt: skip
        rotation.add(line(day, *numbers))
    assert rotation.features("g106", "LAD", "PIT", 106)["starter_rest"] == 6.0


def test_a_new_season_starts_anew() -> None:
    rotation = Rotation()
    rotation.add(line(100, 5, 100, 20, 9, 1, 6, 33, season=2015))
    assert rotation.add(line(300, 0, 0, 0, 0, 0, 0, 0)) is None
    assert "starter_rest" not in rotation.features("g300", "LAD", "PIT", 300)


def test_elo_points_are_drawn_to_the_team() -> None:
    """Two starts of 80.4 each, and the team has no others: he is its usual starter. With ten of
    47.4 by colleagues the team's mean is 52.9, his own is drawn to it as
    (2 x 80.4 + 10 x 52.9) / 12 = 57.483, and 4.7 x 4.583 = 21.54 points are his."""
    rotation = Rotation()
    rotation.scores["kershaw"].extend([80.4, 80.4])
    rotation.team_scores["LAD"].extend([80.4, 80.4])
    rotation.add(line(100, 2, 54, 6, 0, 0, 0, 12))
    assert rotation.elo_points("g100", "LAD") == pytest.approx(0.0)
    rotation.team_scores["LAD"].extend([47.4] * 10)
    assert rotation.elo_points("g100", "LAD") == pytest.approx(4.7 * 55.0 / 12.0)
    assert rotation.elo_points("g100", "SDP") is None


def pitched(day: int, outs: int, earned: int, *relief: int) -> TeamGame:
    told = relief or (None, None)
    return TeamGame(f"g{day}", 2016, day, "LAD", outs, earned, *told)


@pytest.mark.parametrize("start_first", [True, False])
def test_a_bullpen_is_the_team_without_its_starter(start_first: bool) -> None:
    """27 outs and 4 earned runs, 18 and 1 of them the starter's: 3 runs in 3 innings."""
    bullpens = Bullpens()
    game = pitched(100, 27, 4)
    if start_first:
        bullpens.add_start("g100", "LAD", 18, 1)
        assert bullpens.features("LAD", 2016, 101, []) == {}
        bullpens.add(game)
    else:
        bullpens.add(game)
        assert bullpens.features("LAD", 2016, 101, []) == {}
        bullpens.add_start("g100", "LAD", 18, 1)
    assert bullpens.features("LAD", 2016, 101, [("g100", 100)]) == {"bullpen_era": 9.0}
    assert bullpens.features("LAD", 2017, 400, []) == {}


def test_fatigue_needs_every_game_of_three_days() -> None:
    bullpens = Bullpens()
    for day, outs in ((100, 9), (102, 12), (103, 6)):
        bullpens.add(pitched(day, 27, 3, outs, 1))
    games = [("g100", 100), ("g102", 102), ("g103", 103)]
    # 12 + 6 outs; day 100 is four days before day 104
    assert bullpens.features("LAD", 2016, 104, games)["bullpen_fatigue"] == 6.0
    assert bullpens.features("LAD", 2016, 104, games)["bullpen_era"] == pytest.approx(3.0)
    unknown = [*games, ("other", 103)]
    assert "bullpen_fatigue" not in bullpens.features("LAD", 2016, 104, unknown)
    assert bullpens.features("LAD", 2016, 110, games)["bullpen_fatigue"] == 0.0
