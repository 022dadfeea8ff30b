"""The context of upcoming games, each as of its own moment.

Facts are folded in the order in which they became known, and a game's context is read off when
its moment has come: what is not known by then has not been seen.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from models.features.catalogue import CONTEXT
from models.features.team.elo import Ratings, win_probability
from models.features.team.parks import distance_km, home_park, zones_eastward
from models.features.team.pitching import Bullpens, Line, Rotation, TeamGame
from models.features.team.season import ParkRuns, Played, TeamSeason, head_to_head, record
from schemas.time import from_us

_GAME = {
    "game_id": pl.String(),
    "date": pl.Date(),  # local, as in the game id; its year is the season
    "start_us": pl.Int64(),
    "home": pl.String(),
    "away": pl.String(),
    "park": pl.String(),  # Retrosheet's id; null: the home team's park of that season
}
UPCOMING = pl.Schema(
    _GAME
    | {
        "as_of_us": pl.Int64(),
        "temperature": pl.Float64(),  # forecasts known at as_of_us; null where none was
        "wind_out": pl.Float64(),
        "roof_closed": pl.Boolean(),
    }
)
RESULTS = pl.Schema(
    _GAME
    | {
        "known_us": pl.Int64(),
        "home_score": pl.Int64(),  # null scores: played, and more is not known
        "away_score": pl.Int64(),
    }
)
STARTERS = pl.Schema(
    {
        "known_us": pl.Int64(),
        "game_id": pl.String(),
        "date": pl.Date(),
        "team": pl.String(),
        "opponent": pl.String(),
        "pitcher": pl.String(),
        # this season before the game, starts only
        "starts": pl.Int64(),
        "outs": pl.Int64(),
        "hits": pl.Int64(),
        "earned_runs": pl.Int64(),
        "home_runs": pl.Int64(),
        "walks": pl.Int64(),
        "strikeouts": pl.Int64(),
    }
)
PITCHING = pl.Schema(
    {
        "known_us": pl.Int64(),
        "game_id": pl.String(),
        "date": pl.Date(),
        "team": pl.String(),
        # of the whole team in this game
        "outs": pl.Int64(),
        "earned_runs": pl.Int64(),
        "relief_outs": pl.Int64(),  # null where not told
        "relief_earned_runs": pl.Int64(),
    }
)

_EPOCH = date(1970, 1, 1)
Row = dict[str, Any]
Fact = tuple[int, int, int, str, Row]
"""Known when, rank of its kind, start, game id, row."""


def empty(schema: pl.Schema, **columns: list[Any]) -> pl.DataFrame:
    """A frame of the schema; columns that are not given are null.

    >>> empty(RESULTS).is_empty()
    True
    """
    length = max((len(values) for values in columns.values()), default=0)
    return pl.DataFrame(
        {name: columns.get(name, [None] * length) for name in schema}, schema=schema
    )


def contexts(
    upcoming: pl.DataFrame,
    results: pl.DataFrame,
    starters: pl.DataFrame | None = None,
    pitching: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """game_id, as_of_us, facts_us and one column a name of `CONTEXT`, null where not known.

    Frames follow UPCOMING, RESULTS, STARTERS and PITCHING. facts_us: when the newest fact that
    could have been used became known; null before the first. Rows as in `upcoming`.
    Raises ValueError for a game whose own result was known at its moment.
    """
    facts = sorted(
        [
            *_facts(results, 0),
            *_facts(starters if starters is not None else empty(STARTERS), 1),
            *_facts(pitching if pitching is not None else empty(PITCHING), 2),
        ],
        key=lambda fact: fact[:4],
    )
    known, taken, newest = _Known(), 0, None
    made: dict[int, Row] = {}
    moments = list(enumerate(upcoming.select(UPCOMING.names()).iter_rows(named=True)))
    for place, game in sorted(moments, key=lambda one: one[1]["as_of_us"]):
        while taken < len(facts) and facts[taken][0] <= game["as_of_us"]:
            newest, kind, _, _, row = facts[taken]
            known.take(kind, row)
            taken += 1
        key = {"game_id": game["game_id"], "as_of_us": game["as_of_us"], "facts_us": newest}
        made[place] = key | known.context(game)
    rows = [made[place] for place in range(len(made))]
    schema = {"game_id": pl.String(), "as_of_us": pl.Int64(), "facts_us": pl.Int64()}
    return pl.DataFrame(rows, schema=schema | dict.fromkeys(CONTEXT, pl.Float64()))


def _facts(frame: pl.DataFrame, rank: int) -> Iterator[Fact]:
    for row in frame.iter_rows(named=True):
        yield row["known_us"], rank, row.get("start_us", 0), row["game_id"], row


def _day(local: date) -> int:
    return (local - _EPOCH).days


@dataclass
class _Known:
    """Everything folded so far."""

    teams: "defaultdict[str, TeamSeason]" = field(default_factory=lambda: defaultdict(TeamSeason))
    ratings: Ratings = field(default_factory=Ratings)
    parks: ParkRuns = field(default_factory=ParkRuns)
    rotation: Rotation = field(default_factory=Rotation)
    bullpens: Bullpens = field(default_factory=Bullpens)
    over: dict[str, bool] = field(default_factory=dict)
    """Game id -> whether its score is known, not only that it was played."""

    def take(self, kind: int, row: Row) -> None:
        takers: tuple[Callable[[Row], None], ...] = (self._result, self._line, self._pitched)
        takers[kind](row)

    def _result(self, row: Row) -> None:
        scored = row["home_score"] is not None
        before = self.over.get(row["game_id"])
        if before or (before is not None and not scored):
            return
        self.over[row["game_id"]] = scored
        home, away, season = row["home"], row["away"], row["date"].year
        park = row["park"] or home_park(home, season)
        runs = row["home_score"], row["away_score"]
        for team, opponent, (own, other) in ((home, away, runs), (away, home, runs[::-1])):
            game = Played(
                row["start_us"], row["game_id"], _day(row["date"]), opponent, park, own, other
            )
            if before is not None:
                self.teams[team].drop(row["game_id"])
            self.teams[team].add(season, game)
        if None not in runs:
            self.ratings.add(home, away, season, runs[0] - runs[1])
            self.parks.add(home, away, park, season, sum(runs))

    def _line(self, row: Row) -> None:
        numbers = {name: row[name] for name in Line._fields if name in row}
        line = Line(season=row["date"].year, day=_day(row["date"]), **numbers)
        start = self.rotation.add(line)
        if start is not None:
            before, outs, earned = start
            self.bullpens.add_start(before.game_id, before.team, outs, earned)

    def _pitched(self, row: Row) -> None:
        numbers = {name: row[name] for name in TeamGame._fields if name in row}
        self.bullpens.add(TeamGame(season=row["date"].year, day=_day(row["date"]), **numbers))

    def context(self, game: Row) -> dict[str, float]:
        if game["game_id"] in self.over:
            raise ValueError(f"{game['game_id']}: over at {game['as_of_us']}, not upcoming")
        season, day = game["date"].year, _day(game["date"])
        home, away = game["home"], game["away"]
        park = game["park"] or home_park(home, season)
        made: dict[str, float] = {}
        played = {team: self.teams[team].before(season, game["start_us"]) for team in (home, away)}
        for side, team, opponent in (("home", home, away), ("away", away, home)):
            games = played[team]
            features = record(games) | _since(games, day, park, game["start_us"])
            features |= self.rotation.features(game["game_id"], team, opponent, day)
            lately = [(one.game_id, one.day) for one in games]
            features |= self.bullpens.features(team, season, day, lately)
            made |= {f"{side}_{name}": value for name, value in features.items()}
        if played[home] and played[away]:
            meetings = head_to_head(played[home], away)
            made["head_to_head_games"] = float(len(meetings))
            if meetings:
                made["head_to_head"] = sum(meetings) / len(meetings)
        factor = None if park is None else self.parks.factor(home, park, season)
        if factor is not None:
            made["park_factor"] = factor
        made |= self._elo(game["game_id"], home, away, season)
        given = {name: game[name] for name in ("temperature", "wind_out", "roof_closed")}
        return made | {name: float(value) for name, value in given.items() if value is not None}

    def _elo(self, game_id: str, home: str, away: str, season: int) -> dict[str, float]:
        difference = self.ratings.difference(home, away, season)
        if difference is None:
            return {}
        made = {"elo_difference": difference, "elo_home": win_probability(difference)}
        ours = self.rotation.elo_points(game_id, home)
        theirs = self.rotation.elo_points(game_id, away)
        if ours is not None and theirs is not None:
            made["elo_home_starters"] = win_probability(difference + ours - theirs)
        return made


def _since(games: list[Played], day: int, park: str | None, start_us: int) -> dict[str, float]:
    """Rest, travel and time zones since the team's last game of the season."""
    if not games:
        return {}
    last = games[-1]
    made: dict[str, float | None] = {"rest": float(max(day - last.day - 1, 0))}
    if park is not None and last.park is not None:
        made["travel"] = distance_km(last.park, park)
        made["zones"] = zones_eastward(last.park, park, from_us(start_us))
    return {name: value for name, value in made.items() if value is not None}
