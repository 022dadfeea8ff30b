"""Every Pinnacle line of the 2016 season as events.

A row holds all three markets; an event is made of each market that differs from the game's row
before. The file is complete in changes, so between two rows the quotes are known to stand: that
is said every 15 minutes in the last 12 hours before the listed start, also next to a
change, because a change of one market says nothing of the other two. Before that, quotes are
as old as their last change.

Starters are in the file as they were in the end, not as they were known then: only the result
names them. The listed start is the only one the file has.
"""

from collections.abc import Iterator
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

SOURCE = "pinnacle"
BOOK = "pinnacle"
CONFIRM_EVERY_US = 15 * US_PER_MINUTE
CONFIRM_FOR_US = 12 * 60 * US_PER_MINUTE
RESULT_AFTER_START_US = 240 * US_PER_MINUTE

Quote = tuple[int, int, float | None]
"""American home/over price, American away/under price, line."""
Board = dict[Market, Quote | None]


class Game(NamedTuple):
    retrosheet_id: str
    game_id: str
    home: str
    away: str
    start_us: int
    home_score: int
    away_score: int
    home_starter: str | None
    away_starter: str | None


def _read(data: Path, name: str) -> pl.DataFrame:
    path = data / name
    if not path.is_file():
        raise DataMissing(f"{path}: missing. Point STEAMLINE_DATA (or --data) at the data folder")
    return pl.read_parquet(path).with_columns(pl.col(pl.Datetime("us")).cast(pl.Int64))


def _games(data: Path, rows_of: dict[str, int], tally: Tally) -> list[Game]:
    games = []
    for row in _read(data, "pinnacle_mlb_2016_games.parquet").iter_rows(named=True):
        identity: str = row["retrosheet_id"]
        try:
            home, away = code_of(row["home_team"]), code_of(row["away_team"])
        except RejectedEvent:
            tally.left_out["rows_all_star_game"] += rows_of[identity]
            continue
        day = f"{identity[3:7]}-{identity[7:9]}-{identity[9:11]}"
        games.append(
            Game(
                retrosheet_id=identity,
                game_id=f"mlb-{day}-{away}-{home}-{max(row['dh_game'], 1)}",
                home=home,
                away=away,
                start_us=row["start_utc"],
                home_score=row["home_score"],
                away_score=row["away_score"],
                home_starter=row["home_sp"] or None,
                away_starter=row["away_sp"] or None,
            )
        )
    return games


def _boards(data: Path) -> dict[str, dict[int, list[Board]]]:
    """{retrosheet_id: {entered_us: [board, ...]}}, in file order."""

    def quote(first: int | None, second: int | None, line: float | None = None) -> Quote | None:
        if first is None or second is None:
            return None
        # -100 and 100 are one price; told apart, they would look like a move.
        return 100 if first == -100 else first, 100 if second == -100 else second, line

    boards: dict[str, dict[int, list[Board]]] = {}
    rows = _read(data, "pinnacle_mlb_2016_lines.parquet").select(
        "retrosheet_id", "entered_utc", "home_ml", "away_ml", "home_spread_us", "away_spread_us",
        pl.col("away_spread").neg(), "over_us", "under_us", "total",
    )  # fmt: skip
    for game, entered, home, away, home_rl, away_rl, handicap, over, under, total in rows.rows():
        board = {
            Market.MONEYLINE: quote(home, away),
            Market.RUN_LINE: quote(home_rl, away_rl, handicap),
            Market.TOTAL: quote(over, under, total),
        }
        boards.setdefault(game, {}).setdefault(entered, []).append(board)
    return boards


def _line(game: Game, market: Market, at_us: int, quote: Quote | None) -> Draft:
    fields: dict[str, object] = {
        "event_id": f"{SOURCE}-{game.retrosheet_id}-{market.value}-{at_us}",
        "game_id": game.game_id,
        "source": SOURCE,
        "occurred_at_us": at_us,
        "book": BOOK,
        "market": market,
    }
    if quote is None:
        fields["status"] = QuoteStatus.WITHDRAWN
    else:
        fields["odds_format"] = OddsFormat.AMERICAN
        fields["price_home_over"], fields["price_away_under"], fields["line"] = quote
    return LineMovement, fields


def _update(game: Game, at_us: int, quotes_stand: bool) -> Draft:
    return GameUpdate, {
        "event_id": f"{SOURCE}-{game.retrosheet_id}-game-{at_us}",
        "game_id": game.game_id,
        "source": SOURCE,
        "occurred_at_us": at_us,
        "home": CLUBS[game.home],
        "away": CLUBS[game.away],
        "start_time_us": game.start_us,
        "status": GameStatus.SCHEDULED if at_us < game.start_us else GameStatus.LIVE,
        "quotes_stand": quotes_stand,
    }


def _result(game: Game, last_us: int, tally: Tally) -> list[Event]:
    if game.home_score == game.away_score:  # called after six innings; nobody won
        tally.left_out["games_tied"] += 1
        return []
    fields: dict[str, object] = {
        "event_id": f"{SOURCE}-{game.retrosheet_id}-result",
        "game_id": game.game_id,
        "source": SOURCE,
        "occurred_at_us": max(game.start_us + RESULT_AFTER_START_US, last_us + US_PER_SECOND),
        "home_score": game.home_score,
        "away_score": game.away_score,
        "home_starter": game.home_starter,
        "away_starter": game.away_starter,
    }
    return tally.payload([(GameResult, fields)])


def _story(game: Game, boards: dict[int, list[Board]], tally: Tally) -> Iterator[Event]:
    """One game from its first row to its result."""
    first = min(boards)
    grid = range(game.start_us - CONFIRM_FOR_US, game.start_us, CONFIRM_EVERY_US)
    confirmed = {at for at in grid if at > first}
    standing: Board = dict.fromkeys(Market)
    for at in sorted(confirmed | boards.keys()):
        drafts = [_update(game, at, at in confirmed)] if at in confirmed or at == first else []
        rows = boards.get(at, [])
        # Rows of one game and second: the last one is what stood afterwards.
        tally.left_out["quotes_superseded_within_a_second"] += len(Market) * max(len(rows) - 1, 0)
        for market, quote in rows[-1].items() if rows else ():
            if quote != standing[market]:
                drafts.append(_line(game, market, at, quote))
                standing[market] = quote
            else:
                tally.left_out["quotes_unchanged" if quote else "quotes_not_offered"] += 1
        yield from tally.payload(drafts)
    yield from _result(game, max(boards), tally)


def events(data: Path, tally: Tally) -> Iterator[Event]:
    """Game after game; the archive puts them in the order of time.

    Raises DataMissing when a file is not there.
    """
    boards = _boards(data)
    rows_of = {game: sum(map(len, of.values())) for game, of in boards.items()}
    for game in _games(data, rows_of, tally):
        yield from _story(game, boards[game.retrosheet_id], tally)
