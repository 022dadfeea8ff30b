"""Starters and bullpens, from lines that stand before a game and totals that stand after it.

A starter's line holds his starts of the season so far. Two lines of one starter in a row, one
start apart, say what the start between them was: nothing later than the second line is used.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from models.features.team.elo import STARTER_POINTS

FIP_CONSTANT = 3.10
FATIGUE_DAYS = 3
PITCHER_STARTS = 30
TEAM_STARTS = 50
PRIOR_STARTS = 10.0
"""A starter's mean game score is drawn to his team's as if he had that many such starts more."""


class Line(NamedTuple):
    """A starter before a game: his starts of the season so far, added up."""

    game_id: str
    season: int
    day: int
    team: str
    opponent: str
    pitcher: str
    starts: int
    outs: int
    hits: int
    earned_runs: int
    home_runs: int
    walks: int
    strikeouts: int


class TeamGame(NamedTuple):
    """A team's pitching in a finished game."""

    game_id: str
    season: int
    day: int
    team: str
    outs: int
    earned_runs: int
    relief_outs: int | None
    relief_earned_runs: int | None


def rates(line: Line) -> dict[str, float]:
    """ERA, WHIP, K/9, HR/9 and FIP; nothing before the first out.

    FIP = (13 HR + 3 BB - 2 K) / IP + constant (Tango); lines do not tell hit batters.
    """
    if line.outs <= 0:
        return {}
    innings = line.outs / 3.0
    fip = 13.0 * line.home_runs + 3.0 * line.walks - 2.0 * line.strikeouts
    return {
        "starter_era": 9.0 * line.earned_runs / innings,
        "starter_whip": (line.walks + line.hits) / innings,
        "starter_k9": 9.0 * line.strikeouts / innings,
        "starter_hr9": 9.0 * line.home_runs / innings,
        "starter_fip": fip / innings + FIP_CONSTANT,
    }


def game_score(outs: int, hits: int, runs: int, home_runs: int, walks: int, so: int) -> float:
    """Tango's, as FiveThirtyEight uses it; here `runs` are earned runs.

    >>> game_score(27, 0, 0, 0, 0, 27)
    114.9
    """
    return 47.4 + so + 1.5 * outs - 2.0 * walks - 2.0 * hits - 3.0 * runs - 4.0 * home_runs


def _last(length: int) -> "defaultdict[str, deque[float]]":
    return defaultdict(lambda: deque(maxlen=length))


@dataclass
class Rotation:
    """Starters' lines and the starts between them."""

    lines: dict[tuple[str, str], Line] = field(default_factory=dict)
    """(game_id, team) -> line"""
    newest: dict[str, Line] = field(default_factory=dict)
    before: dict[tuple[str, str], Line] = field(default_factory=dict)
    """(game_id, team) -> the starter's line before this one, in the same season"""
    against: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """(pitcher, opponent) -> (outs, earned runs)"""
    scores: "defaultdict[str, deque[float]]" = field(default_factory=lambda: _last(PITCHER_STARTS))
    team_scores: "defaultdict[str, deque[float]]" = field(
        default_factory=lambda: _last(TEAM_STARTS)
    )

    def add(self, line: Line) -> tuple[Line, int, int] | None:
        """The line before, with outs and earned runs of its start, where the two tell."""
        self.lines[line.game_id, line.team] = line
        old = self.newest.get(line.pitcher)
        self.newest[line.pitcher] = line
        if old is None or old.season != line.season or old.day >= line.day:
            return None
        if line.starts == old.starts:  # he was announced and did not pitch
            older = self.before.get((old.game_id, old.team))
            if older is not None:
                self.before[line.game_id, line.team] = older
            return None
        self.before[line.game_id, line.team] = old
        outs, earned = line.outs - old.outs, line.earned_runs - old.earned_runs
        if line.starts != old.starts + 1 or outs < 0 or earned < 0:
            return None
        played, runs = self.against.get((line.pitcher, old.opponent), (0, 0))
        self.against[line.pitcher, old.opponent] = played + outs, runs + earned
        score = game_score(
            outs,
            line.hits - old.hits,
            earned,
            line.home_runs - old.home_runs,
            line.walks - old.walks,
            line.strikeouts - old.strikeouts,
        )
        self.scores[line.pitcher].append(score)
        self.team_scores[old.team].append(score)
        return old, outs, earned

    def features(self, game_id: str, team: str, opponent: str, day: int) -> dict[str, float]:
        line = self.lines.get((game_id, team))
        if line is None:
            return {}
        made = rates(line)
        before = self.before.get((game_id, team))
        if before is not None:
            made["starter_rest"] = float(day - before.day)
        outs, earned = self.against.get((line.pitcher, opponent), (0, 0))
        if outs:
            made["starter_against"] = 27.0 * earned / outs
        return made

    def elo_points(self, game_id: str, team: str) -> float | None:
        """What the starter is worth over his team's usual start."""
        line, starts = self.lines.get((game_id, team)), self.team_scores.get(team)
        if line is None or not starts:
            return None
        own, usual = self.scores.get(line.pitcher, ()), sum(starts) / len(starts)
        mean = (sum(own) + PRIOR_STARTS * usual) / (len(own) + PRIOR_STARTS)
        return STARTER_POINTS * (mean - usual)


@dataclass
class Bullpens:
    """Relief innings: as told, or the team's less those of its starter once both are known."""

    totals: dict[tuple[str, str], TeamGame] = field(default_factory=dict)
    """(game_id, team) of games whose relief is not known yet."""
    starts: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """(game_id, team) -> outs and earned runs of starters whose game is not known yet."""
    relief: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    """(team, season) -> outs, earned runs"""
    recent: "defaultdict[str, dict[str, tuple[int, int]]]" = field(
        default_factory=lambda: defaultdict(dict)
    )
    """team -> game_id -> (day, relief outs), as told"""

    def add(self, game: TeamGame) -> None:
        key = game.game_id, game.team
        if game.relief_outs is not None and game.relief_earned_runs is not None:
            self._count(game, game.relief_outs, game.relief_earned_runs)
            told = self.recent[game.team]
            told[game.game_id] = game.day, game.relief_outs
            for old in [one for one, (day, _) in told.items() if day < game.day - FATIGUE_DAYS]:
                del told[old]
        elif key in self.starts:
            self._without_starter(game, *self.starts.pop(key))
        else:
            self.totals[key] = game

    def add_start(self, game_id: str, team: str, outs: int, earned: int) -> None:
        game = self.totals.pop((game_id, team), None)
        if game is None:
            self.starts[game_id, team] = outs, earned
        else:
            self._without_starter(game, outs, earned)

    def _without_starter(self, game: TeamGame, outs: int, earned: int) -> None:
        self._count(game, max(game.outs - outs, 0), max(game.earned_runs - earned, 0))

    def _count(self, game: TeamGame, outs: int, earned: int) -> None:
        played, runs = self.relief.get((game.team, game.season), (0, 0))
        self.relief[game.team, game.season] = played + outs, runs + earned

    def features(
        self, team: str, season: int, day: int, games: Sequence[tuple[str, int]]
    ) -> dict[str, float]:
        """games: (game_id, day) of the team's known games this season."""
        made: dict[str, float] = {}
        outs, earned = self.relief.get((team, season), (0, 0))
        if outs:
            made["bullpen_era"] = 27.0 * earned / outs
        told = self.recent.get(team, {})
        lately = [game_id for game_id, played in games if day - FATIGUE_DAYS <= played]
        if told and all(game_id in told for game_id in lately):
            made["bullpen_fatigue"] = sum(told[game_id][1] for game_id in lately) / 3.0
        return made
