"""The 2026 file of line moves at eleven books (origin: The Odds API) as events.

The source polled a board of prices and kept what changed. `seen_at`, the arrival of a
snapshot, is when a change became known. A game's start is taken from the moves of that moment;
the events file knows the later one, which is used for nothing here.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl

from flows.sources.tally import Draft, Tally
from flows.sources.teams import CLUBS, code_of
from schemas.errors import DataMissing, RejectedEvent
from schemas.events import Event, GameResult, GameUpdate, LineMovement, QuoteStatus
from schemas.markets import GameStatus, Market
from schemas.odds import OddsFormat
from schemas.time import US_PER_MINUTE, US_PER_SECOND

SOURCE = "oddsapi"
MARKETS = {"h2h": Market.MONEYLINE, "spreads": Market.RUN_LINE, "totals": Market.TOTAL}

# The file says who won, not when we heard. No nine innings are over and confirmed before.
RESULT_AFTER_START_US = 240 * US_PER_MINUTE
RESULT_AFTER_LAST_SIGHT_US = 15 * US_PER_MINUTE


class Game(NamedTuple):
    """A row of the events file, as far as it is no future knowledge, plus the final score."""

    event_id: str
    game_id: str
    home: str
    away: str
    mlb_game_pk: int | None
    last_seen_us: int
    home_score: int | None
    away_score: int | None
    home_win: bool | None


class Move(NamedTuple):
    """A row of the moves file; prices are American, none when the book dropped the market."""

    seen_us: int
    book: str
    market: str
    home_over: int | None
    away_under: int | None
    point: float | None
    start_us: int | None


def _read(data: Path, name: str) -> pl.DataFrame:
    path = data / name
    if not path.is_file():
        raise DataMissing(f"{path}: missing. Point STEAMLINE_DATA (or --data) at the data folder")
    return pl.read_parquet(path).with_columns(
        pl.col(pl.Datetime).cast(pl.Datetime("us")).cast(pl.Int64)
    )


def _moves(data: Path) -> pl.DataFrame:
    return _read(data, "mlb_2026_oddsapi_moves.parquet").select(
        "event_id",
        "seen_at",
        "book",
        "market",
        "price_home_over",
        "price_away_under",
        pl.col("point").cast(pl.Float64),
        "commence_time",
    )


def _games(data: Path, moves: pl.DataFrame, tally: Tally) -> list[Game]:
    """Every event id that is a game of its own.

    Left out, with the moves on them: the All-Star game; ids without a row in the events file
    (games after its end); and placeholders, which vanish before their start while the same two
    clubs meet under another id that day. The games that remain are numbered by first start.
    """
    last_start = (
        moves.drop_nulls("commence_time")
        .group_by("event_id")
        .agg(pl.col("commence_time").sort_by("seen_at").last().alias("last_start"))
    )
    rows = _read(data, "mlb_2026_oddsapi_events.parquet").join(last_start, on="event_id")
    moves_of = dict(moves.group_by("event_id").len().iter_rows())
    games: list[Game] = []
    met: dict[tuple[date, str, str], int] = {}
    for row in rows.sort("commence_first", "event_id").iter_rows(named=True):
        moves_on_it = moves_of.pop(row["event_id"])
        try:
            home, away = code_of(row["home_team"]), code_of(row["away_team"])
        except RejectedEvent:
            tally.left_out["moves_all_star_game"] += moves_on_it
            continue
        if row["n_same_day"] > 1 and row["last_seen"] < row["last_start"]:
            tally.left_out["moves_placeholder_game"] += moves_on_it
            continue
        meeting = (row["date_et"], home, away)
        met[meeting] = met.get(meeting, 0) + 1
        games.append(
            Game(
                event_id=row["event_id"],
                game_id=f"mlb-{row['date_et']}-{away}-{home}-{met[meeting]}",
                home=home,
                away=away,
                mlb_game_pk=row["mlb_game_pk"],
                last_seen_us=row["last_seen"],
                home_score=row["home_score"],
                away_score=row["away_score"],
                home_win=row["home_win"],
            )
        )
    tally.left_out["moves_game_not_listed"] += sum(moves_of.values())
    return games


def _line(game: Game, move: Move) -> Draft:
    fields: dict[str, object] = {
        "event_id": f"{SOURCE}-{game.event_id}-{move.book}-{move.market}-{move.seen_us}",
        "game_id": game.game_id,
        "source": SOURCE,
        "occurred_at_us": move.seen_us,
        "book": move.book,
        "market": MARKETS[move.market],
    }
    if move.home_over is None:
        fields["status"] = QuoteStatus.WITHDRAWN
    else:
        fields["odds_format"] = OddsFormat.AMERICAN
        fields["price_home_over"] = move.home_over
        fields["price_away_under"] = move.away_under
        fields["line"] = move.point
    return LineMovement, fields


def _sighting(game: Game, seen_us: int, start_us: int) -> Draft:
    return GameUpdate, {
        "event_id": f"{SOURCE}-{game.event_id}-game-{seen_us}",
        "game_id": game.game_id,
        "source": SOURCE,
        "occurred_at_us": seen_us,
        "home": CLUBS[game.home],
        "away": CLUBS[game.away],
        "start_time_us": start_us,
        "status": GameStatus.SCHEDULED if seen_us < start_us else GameStatus.LIVE,
        "mlb_game_pk": game.mlb_game_pk,
        "quotes_stand": True,
    }


def _result(game: Game, start_us: int, last_us: int, tally: Tally) -> list[Event]:
    if game.home_score is None or game.away_score is None:
        reason = "games_without_result" if game.home_win is None else "games_with_winner_only"
        tally.left_out[reason] += 1
        return []
    known_us = max(
        start_us + RESULT_AFTER_START_US,
        game.last_seen_us + RESULT_AFTER_LAST_SIGHT_US,
        last_us + US_PER_SECOND,
    )
    fields: dict[str, object] = {
        "event_id": f"{SOURCE}-{game.event_id}-result",
        "game_id": game.game_id,
        "source": SOURCE,
        "occurred_at_us": known_us,
        "home_score": game.home_score,
        "away_score": game.away_score,
    }
    return tally.payload([(GameResult, fields)])


def _story(game: Game, moves: list[Move], snapshots: list[int], tally: Tally) -> Iterator[Event]:
    """One game from first sight to result.

    snapshots: arrival times from the game's first move to the end of the moves file. A game is
    on the board while any quote of it is open: when it leaves, the file says `gone` for all.
    (Checked: this gives the events file's n_snapshots for every game.)
    """
    arrived: dict[int, list[Move]] = {}
    for move in moves:
        arrived.setdefault(move.seen_us, []).append(move)
    quoted: set[tuple[str, str]] = set()
    start_us = 0
    for seen_us in snapshots:
        changed = arrived.get(seen_us, ())
        for move in changed:
            if move.home_over is None:
                quoted.discard((move.book, move.market))
            else:
                quoted.add((move.book, move.market))
            start_us = move.start_us or start_us
        drafts = [_sighting(game, seen_us, start_us)] if quoted else []
        drafts += [_line(game, move) for move in changed]
        yield from tally.payload(drafts)
    yield from _result(game, start_us, moves[-1].seen_us, tally)


def events(data: Path, tally: Tally) -> Iterator[Event]:
    """Game after game; the archive puts them in the order of time.

    Snapshots after the last move of the whole file are not used: the file was cut there, so
    silence no longer means that a quote stands.
    Raises DataMissing when a file is not there.
    """
    moves = _moves(data)
    taken = _read(data, "mlb_2026_oddsapi_snapshots.parquet")["seen_at"]
    snapshots: list[int] = taken.filter(taken <= moves["seen_at"].max()).to_list()
    by_game: dict[str, list[Move]] = {}
    for event_id, *rest in moves.iter_rows():
        by_game.setdefault(event_id, []).append(Move(*rest))
    for game in _games(data, moves, tally):
        first = by_game[game.event_id][0].seen_us
        seen = [one for one in snapshots if one >= first]
        yield from _story(game, by_game[game.event_id], seen, tally)
