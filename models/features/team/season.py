"""What a team has done this season: form, record, runs, where and when it played last."""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

HALF_LIFE_GAMES = 10.0
PARK_SEASONS = 3
PARK_MIN_GAMES = 20
"""At home and away each; with fewer, a park factor is noise."""


class Played(NamedTuple):
    """A game from one team's side; ordered by start."""

    start_us: int
    game_id: str
    day: int
    """Days since 1970, local."""
    opponent: str
    park: str | None
    runs_for: int | None
    """None: the game was played, its score is not known."""
    runs_against: int | None

    @property
    def won(self) -> float:
        """1, 0, or a half for a tie."""
        assert self.runs_for is not None
        assert self.runs_against is not None
        return 0.5 * (1 + (self.runs_for > self.runs_against) - (self.runs_for < self.runs_against))


@dataclass
class TeamSeason:
    """The known games of the newest season that is known of a team."""

    season: int = 0
    games: list[Played] = field(default_factory=list)
    """In the order they were played."""

    def add(self, season: int, game: Played) -> None:
        if season > self.season:
            self.season, self.games = season, []
        if season == self.season:
            insort(self.games, game)

    def drop(self, game_id: str) -> None:
        """Before more is known of it."""
        self.games = [game for game in self.games if game.game_id != game_id]

    def before(self, season: int, start_us: int) -> list[Played]:
        """Known games of that season that began before `start_us`."""
        if season != self.season:
            return []
        return [game for game in self.games if game.start_us < start_us]


def record(games: Sequence[Played]) -> dict[str, float]:
    """form, last_5, last_10, season, runs_for, runs_against; what cannot be known is absent."""
    scored = [game for game in games if game.runs_for is not None]
    if not scored:
        return {}
    won = [game.won for game in scored]
    weights = [0.5 ** (age / HALF_LIFE_GAMES) for age in range(len(won) - 1, -1, -1)]
    made = {
        "form": sum(w * x for w, x in zip(weights, won, strict=True)) / sum(weights),
        "season": sum(won) / len(won),
        "runs_for": sum(game.runs_for or 0 for game in scored) / len(scored),
        "runs_against": sum(game.runs_against or 0 for game in scored) / len(scored),
    }
    for last in (5, 10):
        if len(won) >= last:
            made[f"last_{last}"] = sum(won[-last:]) / last
    return made


def head_to_head(home_games: Sequence[Played], opponent: str) -> list[float]:
    """Won by the home team of the upcoming game, this season's meetings in order."""
    met = (game for game in home_games if game.opponent == opponent)
    return [game.won for game in met if game.runs_for is not None]


@dataclass
class ParkRuns:
    """Runs of both teams in a team's home games by park, and in its away games, by season."""

    home: dict[tuple[str, str, int], tuple[int, int]] = field(default_factory=dict)
    """(team, park, season) -> (games, runs)"""
    away: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    def add(self, home: str, away: str, park: str | None, season: int, runs: int) -> None:
        if park is not None:
            games, total = self.home.get((home, park, season), (0, 0))
            self.home[home, park, season] = games + 1, total + runs
        games, total = self.away.get((away, season), (0, 0))
        self.away[away, season] = games + 1, total + runs

    def factor(self, team: str, park: str, season: int) -> float | None:
        """Of the last three seasons, this one included as far as it is known."""
        seasons = range(season - PARK_SEASONS + 1, season + 1)
        here = [self.home.get((team, park, one), (0, 0)) for one in seasons]
        there = [self.away.get((team, one), (0, 0)) for one in seasons]
        games, runs = (sum(part) for part in zip(*here, strict=True))
        away_games, away_runs = (sum(part) for part in zip(*there, strict=True))
        if min(games, away_games) < PARK_MIN_GAMES or not away_runs:
            return None
        return float((runs / games) / (away_runs / away_games))
