"""Team context as events: computed from what was known, said on the `games` topic.

Each game gets its context once a day, at 10:00 UTC of its own date: every game of the day before
is over, and the first cutoff of the day is hours away. Three things move that moment: a game
whose cutoff comes first is done an hour before it; one that is not on the board yet is done when
it appears; and when a result of one of its teams arrives between its context and its cutoff (the
first game of a doubleheader), it is done again.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl

from flows.connectors import manifest
from flows.connectors.parquet import replace_source, scan
from flows.sources.mlb_history import MORNING_US, History, no_history, read_history
from flows.steps.records import Outgoing
from models.features.catalogue import CONTEXT
from models.features.team.context import RESULTS, UPCOMING, contexts, empty
from schemas.events import GameUpdate, day_of
from schemas.markets import GameStatus
from schemas.time import US_PER_MINUTE, US_PER_SECOND, to_us
from schemas.topics import Topic

SOURCE = "context"
AHEAD_US = 24 * 60 * US_PER_MINUTE
"""A live run looks at games that start within a day."""
EARLY_US = 60 * US_PER_MINUTE
PLAYED_US = 60 * US_PER_MINUTE
"""On the board an hour after its start, a game without a result was played all the same."""
DIGITS = 6


class Sighting(NamedTuple):
    """What a source said of a game, and when."""

    at_us: int
    start_us: int
    status: str
    home: str
    away: str
    mlb_game_pk: int | None
    simulated: bool


Sightings = Mapping[str, Sequence[Sighting]]
"""Game id -> in the order of time."""


class Board(NamedTuple):
    """An archive's games and results."""

    games: Sightings
    results: pl.DataFrame
    """Columns of RESULTS."""


def teams_of(game_id: str) -> tuple[date, str, str]:
    """Local date, home and away code.

    >>> teams_of("mlb-2026-07-20-BOS-NYY-1")
    (datetime.date(2026, 7, 20), 'NYY', 'BOS')
    """
    *_, away, home, _ = game_id.split("-")
    return day_of(game_id), home, away


def read_board(root: Path, until_us: int | None = None) -> Board:
    """Raises DataMissing where there is no archive."""
    time = pl.col("occurred_at_us").cast(pl.Int64)
    known = pl.lit(True) if until_us is None else time <= until_us
    rows = scan(root, Topic.GAMES).filter((pl.col("source") != SOURCE) & known)
    return board_of(rows.collect(), scan(root, Topic.RESULTS).filter(known).collect())


def board_of(games: pl.DataFrame, results: pl.DataFrame) -> Board:
    """From rows of both topics as the archive has them; contexts among the games are left out."""
    time = pl.col("occurred_at_us").cast(pl.Int64)
    rows = games.filter(pl.col("source") != SOURCE).select(
        "game_id", time, pl.col("start_time_us").cast(pl.Int64),
        "status", "home", "away", "mlb_game_pk", "simulated",
    )  # fmt: skip
    seen: defaultdict[str, list[Sighting]] = defaultdict(list)
    for game_id, *said in rows.sort("occurred_at_us", maintain_order=True).iter_rows():
        seen[game_id].append(Sighting(*said))
    scores = results.select("game_id", time.alias("known_us"), "home_score", "away_score")
    return Board(seen, _results(seen, scores.rows()))


def _results(games: Sightings, scores: Iterable[tuple[str, int, int, int]]) -> pl.DataFrame:
    """A game may be there twice: that it was played is known before its score is.

    Each row is what was known at its moment: a result to come changes nothing before it comes.
    """
    results = {game_id: (known, home, away) for game_id, known, home, away in scores}
    made = []
    for game_id, seen in games.items():
        played = (
            (one.at_us, None, None)
            for one in seen
            if one.status == GameStatus.LIVE and one.at_us >= one.start_us + PLAYED_US
        )
        day, home, away = teams_of(game_id)
        for row in (next(played, None), results.get(game_id)):
            if row is not None:
                start = (last_before(seen, row[0]) or seen[0]).start_us
                made.append((game_id, day, start, home, away, None, *row))
    return pl.DataFrame(made, schema=RESULTS, orient="row") if made else empty(RESULTS)


def moments(board: Board, cutoff_us: int) -> Iterator[tuple[str, int]]:
    """(game id, when) of every context of an archive. cutoff_us: length of the cutoff."""
    news: defaultdict[str, list[int]] = defaultdict(list)
    for home, away, known in board.results.select("home", "away", "known_us").iter_rows():
        news[home].append(known)
        news[away].append(known)
    for game_id, seen in board.games.items():
        day, home, away = teams_of(game_id)
        daily = to_us(datetime(day.year, day.month, day.day, tzinfo=UTC)) + MORNING_US
        first = max(daily, seen[0].at_us)
        listed = last_before(seen, daily)
        if listed is not None and listed.start_us - cutoff_us < daily:
            first = max(seen[0].at_us, listed.start_us - cutoff_us - EARLY_US)
        taken = {one.at_us for one in seen}
        for wanted in sorted({first, *(at for at in news[home] + news[away] if at > first)}):
            at = wanted
            while at in taken:  # a payload of the schedule is not to be cut in two
                at += US_PER_SECOND
            taken.add(at)
            known = last_before(seen, at)
            if known is None or at > known.start_us - cutoff_us:
                break
            if known.status == GameStatus.SCHEDULED:
                yield game_id, at


def last_before(seen: Sequence[Sighting], at_us: int) -> Sighting | None:
    """What was known at that moment."""
    place = bisect_right(seen, at_us, key=lambda one: one.at_us)
    return seen[place - 1] if place else None


def updates(board: Board, history: History, wanted: Iterable[tuple[str, int]]) -> list[GameUpdate]:
    """A context for each game and moment of which anything is known, in the order of time."""
    rows = []
    for game_id, at in wanted:
        day, home, away = teams_of(game_id)
        known = last_before(board.games[game_id], at)
        assert known is not None, game_id
        rows.append((game_id, day, known.start_us, home, away, None, at, None, None, None))
    upcoming = pl.DataFrame(rows, schema=UPCOMING, orient="row") if rows else empty(UPCOMING)
    made = contexts(
        upcoming.sort("as_of_us", "game_id"),
        _merged(board.results, history.results),
        history.starters,
        history.pitching,
    )
    events = []
    for row in made.iter_rows(named=True):
        context = {name: round(row[name], DIGITS) for name in CONTEXT if row[name] is not None}
        if context and row["facts_us"] is not None:
            known = last_before(board.games[row["game_id"]], row["as_of_us"])
            assert known is not None
            events.append(_update(row["game_id"], row["as_of_us"], known, context, row["facts_us"]))
    return events


def _merged(ours: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """The archive knows when a result came, the history where the game was played."""
    places = history.select("game_id", place="park")
    ours = ours.join(places, on="game_id", how="left", maintain_order="left")
    ours = ours.with_columns(pl.coalesce("park", "place").alias("park")).drop("place")
    return pl.concat([ours, history.join(ours, on="game_id", how="anti", maintain_order="left")])


def _update(
    game_id: str, at_us: int, known: Sighting, context: dict[str, float], facts_us: int
) -> GameUpdate:
    return GameUpdate(
        event_id=f"{SOURCE}-{game_id}-{at_us}",
        game_id=game_id,
        source=SOURCE,
        occurred_at_us=at_us,
        simulated=known.simulated,
        home=known.home,
        away=known.away,
        start_time_us=known.start_us,
        status=GameStatus(known.status),
        mlb_game_pk=known.mlb_game_pk,
        context=context,
        context_as_of_us=facts_us,
    )


def _history(board: Board, data: Path | None, starters: bool) -> History:
    """Of real games only: simulated clubs share no more than their names with the real ones."""
    if data is None or any(seen[0].simulated for seen in board.games.values()):
        return no_history()
    seasons = {day_of(game_id).year for game_id in board.games}
    history = read_history(data, seasons, set(board.games))
    return history if starters else history._replace(starters=no_history().starters)


def archive_contexts(
    root: Path, data: Path | None, cutoff_us: int, starters: bool = False
) -> list[GameUpdate]:
    """Every context event of an archive. Raises DataMissing where there is none.

    data: folder of past seasons, or none. starters: whether to use who started, which the files
    tell in hindsight.
    """
    board = read_board(root)
    return updates(board, _history(board, data, starters), moments(board, cutoff_us))


def put_contexts(root: Path, events: Iterable[GameUpdate]) -> int:
    """Replace the contexts in an archive that is not sealed; returns how many there are now."""
    return replace_source(root, Topic.GAMES, SOURCE, events)


def add_contexts(
    root: Path, data: Path | None, cutoff_us: int, starters: bool = False
) -> tuple[manifest.Manifest, int]:
    """Replace the contexts in a finished archive and seal it again; its manifest and how many.

    A second time gives the same bytes. Raises DataMissing where there is no finished archive.
    """
    was = manifest.read_manifest(root)
    events = archive_contexts(root, data, cutoff_us, starters)
    manifest.break_seal(root)
    count = put_contexts(root, events)
    sealed = manifest.seal(root, was.source, was.simulated, was.rejected, was.left_out)
    return sealed, count


def contexts_now(
    root: Path, data: Path | None, cutoff_us: int, now_us: int, starters: bool = True
) -> list[Outgoing]:
    """Messages for the games topic: the games of the coming day that are not past their cutoff.

    root: an archive that is being written. Nothing in it that came after `now_us` is read.
    """
    board = read_board(root, until_us=now_us)
    coming = [
        (game_id, now_us)
        for game_id, seen in sorted(board.games.items())
        if seen[-1].status == GameStatus.SCHEDULED
        and now_us <= seen[-1].start_us - cutoff_us
        and seen[-1].start_us <= now_us + AHEAD_US
    ]
    return [
        Outgoing.of(Topic.GAMES, event.game_id, event.event_id, event.occurred_at_us, event)
        for event in updates(board, _history(board, data, starters), coming)
    ]
