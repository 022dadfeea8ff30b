"""Seasons past for the team context: results, starters' lines and team pitching.

The files name days, not times. A result, and what was pitched in it, is taken to be known at
10:00 UTC of the day after, when the last game on the West Coast has been over for hours. A
starter's line holds what he did before that day, so it is known by 10:00 UTC of the day itself;
that it is he who starts is hindsight: the files name who did.
"""

import logging
import unicodedata
from pathlib import Path
from typing import NamedTuple

import polars as pl

from flows.sources.teams import code_of
from models.features.team.context import PITCHING, RESULTS, STARTERS, empty
from schemas.errors import RejectedEvent
from schemas.time import US_PER_MINUTE

MORNING_US = 10 * 60 * US_PER_MINUTE
"""After midnight UTC."""
DAY_US = 24 * 60 * US_PER_MINUTE
RESULTS_FILE = "retrosheet_gameinfo_2000_2025.parquet"
STARTERS_FILE = "mlb_starters_pregame_2009_2026.parquet"
PITCHING_FILE = "retrosheet_teamstats_2009_2025.parquet"

_EPOCH_DAY = pl.col("date").cast(pl.Int64)
_NOMINAL_START_US = 18 * 60 * US_PER_MINUTE

log = logging.getLogger(__name__)


class History(NamedTuple):
    results: pl.DataFrame
    starters: pl.DataFrame
    pitching: pl.DataFrame


def no_history() -> History:
    return History(empty(RESULTS), empty(STARTERS), empty(PITCHING))


def read_history(data: Path, seasons: set[int], game_ids: set[str]) -> History:
    """What could matter for games of these seasons; a file that is not there gives no rows.

    game_ids: the games themselves, to tell which days have doubleheaders.
    """
    if not seasons:
        return no_history()
    results = _results(data, max(seasons))
    twice = _second_games({*results["game_id"].to_list(), *game_ids})
    return History(results, _starters(data, max(seasons), twice), _pitching(data, seasons))


def _read(data: Path, name: str) -> pl.LazyFrame | None:
    path = data / name
    if path.is_file():
        return pl.scan_parquet(path)
    log.warning("%s is not there: team features that need it stay unknown", path)
    return None


def _codes(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Clubs by our code; rows with anyone else (null too) go."""
    names = {name for column in columns for name in frame[column].unique() if name is not None}
    codes: dict[str, str | None] = {}
    for name in names:
        try:
            codes[name] = code_of(name)
        except RejectedEvent:
            codes[name] = None
    mapped = (
        pl.col(one).replace_strict(codes, default=None, return_dtype=pl.String) for one in columns
    )
    return frame.with_columns(mapped).drop_nulls(columns)


def _game_id(away: str, home: str, number: pl.Expr) -> pl.Expr:
    return pl.format("mlb-{}-{}-{}-{}", "date", away, home, number)


def _results(data: Path, last: int) -> pl.DataFrame:
    file = _read(data, RESULTS_FILE)
    if file is None:
        return empty(RESULTS)
    rows = file.filter(pl.col("season") <= last).select(
        "date",
        pl.max_horizontal("number", pl.lit(1)).alias("number"),
        pl.col("hometeam").cast(pl.String).alias("home"),
        pl.col("visteam").cast(pl.String).alias("away"),
        pl.col("site").cast(pl.String).alias("park"),
        pl.col("hruns").cast(pl.Int64).alias("home_score"),
        pl.col("vruns").cast(pl.Int64).alias("away_score"),
    )
    return _codes(rows.collect(), "home", "away").select(
        _game_id("away", "home", pl.col("number")).alias("game_id"),
        "date",
        # Orders the games of a day; the file has no times.
        (_EPOCH_DAY * DAY_US + _NOMINAL_START_US + pl.col("number") * US_PER_MINUTE).alias(
            "start_us"
        ),
        "home",
        "away",
        "park",
        (_EPOCH_DAY * DAY_US + DAY_US + MORNING_US).alias("known_us"),
        "home_score",
        "away_score",
    )


def _second_games(game_ids: set[str]) -> set[str]:
    """Days and clubs (a game id without its number) that met more than once."""
    return {game_id[:-2] for game_id in game_ids if not game_id.endswith("-1")}


def _plain(name: str | None) -> str:
    """Without accents, as the same name is spelled in two ways."""
    letters = unicodedata.normalize("NFKD", name or "")
    return "".join(one for one in letters if not unicodedata.combining(one)).casefold()


def _starters(data: Path, last: int, twice: set[str]) -> pl.DataFrame:
    file = _read(data, STARTERS_FILE)
    if file is None:
        return empty(STARTERS)
    rows = _codes(
        file.filter(pl.col("season") <= last).collect().sort("date", "game_pk"),
        "home_starter_team_abbreviation",
        "away_starter_team_abbreviation",
    )
    meeting = pl.format(
        "mlb-{}-{}-{}", "date", "away_starter_team_abbreviation", "home_starter_team_abbreviation"
    )
    rows = rows.with_columns(meeting.alias("meeting"))
    unclear = pl.col("meeting").is_in(sorted(twice)) | pl.col("meeting").is_duplicated()
    # Which game of a doubleheader a row belongs to is not told: number 0 is no game of ours.
    rows = rows.with_columns(
        pl.format("{}-{}", "meeting", pl.when(unclear).then(0).otherwise(1)).alias("game_id")
    )
    sides = [
        rows.select(
            "game_id",
            "date",
            "season",
            pl.col(f"{side}_starter_team_abbreviation").alias("team"),
            pl.col(f"{other}_starter_team_abbreviation").alias("opponent"),
            pl.col(f"{side}_starter_id").alias("id"),
            pl.col(f"{side}_starter_full_name").alias("name"),
            _count(side, "gp").alias("starts"),
            (pl.col(f"{side}_starter_pitching_ip").cast(pl.Float64) * 3)
            .round()
            .cast(pl.Int64)
            .alias("outs"),
            _count(side, "h").alias("hits"),
            _count(side, "er").alias("earned_runs"),
            _count(side, "hr").alias("home_runs"),
            _count(side, "bb").alias("walks"),
            _count(side, "k").alias("strikeouts"),
        )
        for side, other in (("home", "away"), ("away", "home"))
    ]
    lines = pl.concat(sides).filter(pl.col("id") > 0).sort("date", "game_id", "team")
    # 2026 was matched by surname: an id that suddenly has another name is another man.
    names = pl.col("name").map_elements(_plain, return_dtype=pl.String, skip_nulls=False)
    lines = lines.with_columns(names.alias("name")).filter(
        pl.col("name") == pl.col("name").first().over("season", "id")
    )
    return lines.with_columns(
        (_EPOCH_DAY * DAY_US + MORNING_US).alias("known_us"),
        # Ids are MLB's to 2025 and another provider's after.
        pl.format("{}-{}", pl.when(pl.col("season") < 2026).then(0).otherwise(1), "id").alias(
            "pitcher"
        ),
    ).select(STARTERS.names())


def _count(side: str, what: str) -> pl.Expr:
    return pl.col(f"{side}_starter_pitching_{what}").round().cast(pl.Int64)


def _pitching(data: Path, seasons: set[int]) -> pl.DataFrame:
    file = _read(data, PITCHING_FILE)
    if file is None:
        return empty(PITCHING)
    rows = file.filter(pl.col("date").dt.year().is_in(sorted(seasons))).select(
        "date",
        pl.col("gid").cast(pl.String).str.slice(-1).cast(pl.Int64).alias("number"),
        pl.col("team").cast(pl.String),
        pl.col("opp").cast(pl.String),
        (pl.col("vishome").cast(pl.String) == "h").alias("at_home"),
        pl.col("p_ipouts").cast(pl.Int64).alias("outs"),
        pl.col("p_er").cast(pl.Int64).alias("earned_runs"),
    )
    home, away = (
        pl.when("at_home").then(pl.col(one)).otherwise(pl.col(other))
        for one, other in (("team", "opp"), ("opp", "team"))
    )
    known = (_EPOCH_DAY * DAY_US + DAY_US + MORNING_US).alias("known_us")
    games = _codes(rows.collect(), "team", "opp").with_columns(
        home.alias("home"), away.alias("away")
    )
    number = pl.max_horizontal("number", pl.lit(1))
    return games.select(
        known,
        _game_id("away", "home", number).alias("game_id"),
        "date",
        "team",
        "outs",
        "earned_runs",
        pl.lit(None, pl.Int64).alias("relief_outs"),
        pl.lit(None, pl.Int64).alias("relief_earned_runs"),
    )
