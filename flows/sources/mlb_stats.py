"""MLB Stats API: the schedule with probable pitchers, status and score.

This source announces our games: official date, clubs and number of the day make the game id.
Ask with hydrate=probablePitcher,linescore,team.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from flows.sources import facts
from flows.sources.payload import Fact, Meeting, Payload, Refusal
from flows.sources.shape import Day, Raw, Shape, as_bytes, changed, read_json, shaped
from flows.sources.teams import code_of
from schemas.errors import RejectedEvent
from schemas.events import Ending
from schemas.markets import GameStatus
from schemas.time import Micros

SOURCE = "mlb_stats"

# Regular season and the rounds after it.
_POSTSEASON = frozenset("FDLW")
_COUNT = _POSTSEASON | {"R"}
# Spring training, exhibitions, the All-Star game and its like: other rules, other teams.
_OUT_OF_SCOPE = frozenset("SEAIPCN")

# codedGameState of the API's own list of states; the texts have a hundred variants.
_STATUS = {
    "S": GameStatus.SCHEDULED,
    "P": GameStatus.SCHEDULED,  # pre-game, warm-up, delayed start
    "I": GameStatus.LIVE,  # delays during the game too
    "M": GameStatus.LIVE,  # a manager's challenge
    "N": GameStatus.LIVE,  # an umpire's review
    "T": GameStatus.SUSPENDED,
    "U": GameStatus.SUSPENDED,
    "O": GameStatus.FINAL,  # over; the score is not official yet
    "F": GameStatus.FINAL,
    "Q": GameStatus.FINAL,  # forfeited
    "R": GameStatus.FINAL,
    "D": GameStatus.POSTPONED,
    "C": GameStatus.CANCELLED,
}
_OFFICIAL = "F"
_CALLED = "Completed Early"
_FORFEITED = frozenset("QR")
_BEGUN = frozenset({GameStatus.LIVE, GameStatus.SUSPENDED, GameStatus.FINAL})
_CALLED_OFF = frozenset({GameStatus.POSTPONED, GameStatus.CANCELLED})


class _Status(Shape):
    codedGameState: str
    detailedState: str


class _Team(Shape):
    name: str


class _Pitcher(Shape):
    fullName: Annotated[str, Field(min_length=1, max_length=64)]


class _Side(Shape):
    team: _Team
    score: int | None = None
    probablePitcher: _Pitcher | None = None


class _Sides(Shape):
    home: _Side
    away: _Side


class _Runs(Shape):
    runs: int | None = None


class _LineTeams(Shape):
    home: _Runs
    away: _Runs


class _Inning(Shape):
    num: int
    home: _Runs | None = None
    away: _Runs | None = None


class _Linescore(Shape):
    teams: _LineTeams | None = None
    currentInning: int | None = None
    inningState: str | None = None
    outs: int | None = None
    innings: list[_Inning] | None = None


class _Game(Shape):
    gamePk: Annotated[int, Field(gt=0)]
    gameType: str
    gameDate: Micros
    officialDate: Day
    gameNumber: Annotated[int, Field(ge=1, le=9)]
    doubleHeader: Literal["N", "Y", "S"]
    status: _Status
    teams: _Sides
    linescore: _Linescore | None = None
    scheduledInnings: int | None = None
    reverseHomeAwayStatus: bool = False
    resumeDate: Micros | None = None
    resumedFrom: Micros | None = None


class _Date(Shape):
    date: Day
    games: list[Raw]


class _Schedule(Shape):
    totalGames: int
    dates: list[Raw]


def _meeting(game: _Game, listed: date, status: GameStatus) -> Meeting:
    """Raises RejectedEvent for what is no club."""
    day, number = game.officialDate, int(game.gameNumber)
    number_known: int | None = number
    if status in _CALLED_OFF and listed != day:
        # The API has moved the entry on to the day of the new game; it is the old one that is off.
        day, number_known = listed, None
    return Meeting(
        home=code_of(game.teams.home.team.name),
        away=code_of(game.teams.away.team.name),
        start_us=game.gameDate,
        day=day,
        number=number_known,
        mlb_game_pk=game.gamePk,
    )


def _score(game: _Game) -> tuple[int, int] | str:
    """Home, away; or what is wrong."""
    said = {(game.teams.home.score, game.teams.away.score)}
    if game.linescore is not None and game.linescore.teams is not None:
        runs = game.linescore.teams
        said.add((runs.home.runs, runs.away.runs))
    said.discard((None, None))
    if len(said) != 1:
        return "no score" if not said else f"scores that contradict: {sorted(said, key=str)}"
    home, away = said.pop()
    if home is None or away is None:
        return "the score of one side only"
    return home, away


def _half_innings(score: _Linescore) -> int | None:
    """Those that are over. Three outs end one before its state does."""
    if score.currentInning is None or score.inningState is None:
        return None
    before = 2 * (score.currentInning - 1)
    over = {"Top": 0, "Middle": 1, "Bottom": 1, "End": 2}.get(score.inningState)
    if over is None or (score.inningState in ("Top", "Bottom") and score.outs is None):
        return None
    out = score.inningState in ("Top", "Bottom") and score.outs == 3
    return before + over + (1 if out else 0)


def _full_score(score: _Linescore, half_innings: int) -> tuple[int, int] | None:
    """Home, away at the end of the last full inning, where every inning is told."""
    full = half_innings // 2
    told = {one.num: one for one in score.innings or ()}
    home = away = 0
    for number in range(1, full + 1):
        one = told.get(number)
        if one is None or one.home is None or one.away is None:
            return None
        if one.home.runs is None or one.away.runs is None:
            return None
        home, away = home + one.home.runs, away + one.away.runs
    return home, away


def _progress(game: _Game) -> dict[str, object]:
    """How far it got, as far as it is told."""
    found: dict[str, object] = {
        "scheduled_innings": game.scheduledInnings,
        "postseason": game.gameType in _POSTSEASON,
    }
    if game.linescore is None:
        return found
    half_innings = _half_innings(game.linescore)
    if half_innings is None:
        return found
    found["half_innings"] = half_innings
    full = _full_score(game.linescore, half_innings)
    if full is not None:
        found["full_home_score"], found["full_away_score"] = full
    return found


def _suspended(game: _Game) -> dict[str, object]:
    """Where it stands."""
    score = _score(game)
    if isinstance(score, str):
        return {}
    return _progress(game) | {"home_score": score[0], "away_score": score[1]}


def _ended(game: _Game) -> dict[str, object]:
    """How it came to its score."""
    # The later entry of a game that was suspended is dated by the day it went on.
    began, resumed = game.gameDate, game.resumeDate
    if game.resumedFrom is not None:
        began, resumed = game.resumedFrom, game.gameDate
    return _progress(game) | {
        "ending": Ending.CALLED if game.status.detailedState.startswith(_CALLED) else None,
        "played_on": game.officialDate.isoformat(),
        "started_at_us": began,
        "resumed_at_us": resumed,
        "venue_changed": game.reverseHomeAwayStatus or None,
    }


def _starter(side: _Side) -> str | None:
    return None if side.probablePitcher is None else side.probablePitcher.fullName


def _game(raw: Raw, listed: date, now_us: int) -> Iterator[Fact | Refusal]:
    """listed: the day under which the schedule has it."""
    game = shaped(_Game, raw, "game")
    if isinstance(game, Refusal):
        yield game
        return
    if game.gameType not in _COUNT:
        if game.gameType not in _OUT_OF_SCOPE:
            yield Refusal("unknown_game_type", repr(game.gameType), as_bytes(raw))
        return
    coded = game.status.codedGameState
    status = _STATUS.get(coded)
    if status is None:
        detail = f"status {coded!r} ({game.status.detailedState!r}) is none that we know"
        yield Refusal("unknown_status", detail, as_bytes(raw))
        return
    try:
        meeting = _meeting(game, listed, status)
    except RejectedEvent as bad:
        yield Refusal(bad.reason, bad.detail, as_bytes(raw))
        return
    # First pitch of a resumed game was on the day it began: its market closed then.
    start_us = game.resumedFrom or game.gameDate
    if status in _BEGUN:
        start_us = min(start_us, now_us)
    home, away = game.teams.home, game.teams.away
    meeting = meeting._replace(start_us=start_us)
    yield facts.game(
        meeting,
        start_us,
        status,
        raw,
        starters=(_starter(home), _starter(away)),
        progress=_suspended(game) if status is GameStatus.SUSPENDED else {},
    )
    if coded in _FORFEITED:
        yield Refusal("forfeit", "a forfeited game: books differ in what they pay", as_bytes(raw))
    if coded != _OFFICIAL:
        return
    score = _score(game)
    if isinstance(score, str):
        yield changed(f"game {game.gamePk} is final with {score}", raw)
    else:
        yield facts.result(meeting, *score, raw, progress=_ended(game))


def parse(payload: Payload) -> Sequence[Fact | Refusal]:
    """Of each game: its schedule and, once it is official, its score."""
    document = read_json(payload)
    if isinstance(document, Refusal):
        return [document]
    schedule = shaped(_Schedule, document, "schedule")
    if isinstance(schedule, Refusal):
        return [schedule]
    now_us = payload.said_at_us or payload.fetched_at_us
    refused: list[Fact | Refusal] = []
    # A suspended game stands under the day it began and under the day it goes on: the later holds.
    found: dict[tuple[object, ...], list[Fact | Refusal]] = {}
    listed = 0
    for raw_day in schedule.dates:
        day = shaped(_Date, raw_day, "date")
        if isinstance(day, Refusal):
            refused.append(day)
            continue
        for raw in day.games:
            listed += 1
            made = list(_game(raw, day.date, now_us))
            key = next(
                ((one.meeting.mlb_game_pk, one.meeting.day) for one in made if type(one) is Fact),
                (listed,),
            )
            found[key] = made
    if listed != schedule.totalGames:
        detail = f"totalGames is {schedule.totalGames}, but {listed} games are listed"
        refused.append(changed(detail, payload.body))
    return [*refused, *facts.said_once(one for made in found.values() for one in made)]
