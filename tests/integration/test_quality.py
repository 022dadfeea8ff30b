"""`steamline data quality` on the real archive, against the raw files and their README."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.connectors.manifest import Manifest, seal
from flows.connectors.parquet import write_events
from flows.sources import oddsapi_archive
from flows.sources.tally import Tally
from models.features.catalogue import NAMES
from tests.system import clean_env

STALE = timedelta(minutes=30)


@pytest.fixture(scope="module")
def archive(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    root, tally = tmp_path_factory.mktemp("oddsapi"), Tally()
    write_events(root, oddsapi_archive.events(data_dir, tally))
    return root, seal(root, "oddsapi", False, tally.rejected, tally.left_out)


def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", "data", "quality", *arguments],
        env=clean_env() | {"COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def told(archive: tuple[Path, Manifest]) -> dict[str, Any]:
    done = ask(str(archive[0]), "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def utc(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def test_what_is_missing_is_what_the_import_left_out(
    told: dict[str, Any], archive: tuple[Path, Manifest]
) -> None:
    sealed = archive[1]
    assert told["games"] == sealed.games
    without = {name: len(games) for name, games in told["without"].items()}
    left_out = sealed.left_out
    assert without == {
        "schedule": 0,
        "quotes": 0,
        "quotes_before_cutoff": 0,
        "splits": sealed.games,  # "MLB splits as a time series were NOT found"
        "context": sealed.games,  # written without it here
        "result": left_out["games_with_winner_only"] + left_out["games_without_result"],
    }
    assert told["books_per_game"]["median"] == 11


def test_the_silences_are_those_between_the_raw_snapshots(
    told: dict[str, Any], data_dir: Path
) -> None:
    """README: gaps over 30 min: 6, longest 11.2 h before 2026-07-15 14:45."""
    seen = (
        pl.read_parquet(data_dir / "mlb_2026_oddsapi_snapshots.parquet")
        .select(pl.col("seen_at").dt.replace_time_zone("UTC"))
        .sort("seen_at")
        .with_columns(since=pl.col("seen_at").shift(1))
        .filter(pl.col("seen_at") - pl.col("since") > STALE)
    )
    assert seen.height == 6
    raw = {(row["since"].replace(microsecond=0), row["seen_at"]) for row in seen.to_dicts()}
    gaps = {(utc(gap["since"]), utc(gap["until"])): gap for gap in told["gaps"]}
    # Four of them are found to the second, each with the games that were left without a price.
    assert len(raw & gaps.keys()) == 4
    assert all(gaps[one]["games"] >= 12 for one in raw & gaps.keys())
    # The two longest lie in the All-Star break, in which the source had no game of ours to speak
    # of: one silence, from the last game before it to the end of the 11.2 h, and nobody waiting.
    [(since, until)] = gaps.keys() - raw
    longest = told["gaps"][0]
    assert (utc(longest["since"]), longest["games"]) == (since, 0)
    assert until == datetime(2026, 7, 15, 14, 45, 30, tzinfo=UTC)
    inside = {one for one in raw - gaps.keys() if since <= one[0] and one[1] <= until}
    assert inside == raw - gaps.keys()
    assert max((b - a) / timedelta(hours=1) for a, b in inside) == pytest.approx(11.2, abs=0.05)


def test_freshness_against_the_raw_moves(told: dict[str, Any], data_dir: Path) -> None:
    """A game that is polled every 15 min to its cutoff is always fresh; what is not was moved."""
    by_game = {game["game_id"]: game for game in told["by_game"]}
    assert all(0.0 < game["fresh_share"] <= 1.0 for game in by_game.values())
    # Two missed polls are 30 min; README: about 15-minute steps early on, 5 later.
    played = [game for game in by_game.values() if game["results"]]
    late = [game for game in played if game["minutes_unconfirmed"] > 30]
    # The archive ends at 23:45 on its last day, before the cutoffs of its night games.
    assert {game["game_id"][:14] for game in late} == {"mlb-2026-07-28"}
    assert all(game["cutoff"] > "2026-07-28T23:45" for game in late)
    assert told["minutes_unconfirmed"]["median"] < 15
    # Low shares are games whose start moved a day: they were postponed and have no result then.
    low = [game for game in by_game.values() if game["fresh_share"] < 0.9]
    assert low
    assert not any(game["results"] for game in low)


def test_books_are_close_to_each_other_and_the_far_ones_are_named(told: dict[str, Any]) -> None:
    assert len(told["books"]) == 33
    assert all(book["mean_absolute"] < 0.01 for book in told["books"])
    assert all(abs(quote["difference"]) > 0.03 for quote in told["far"])
    # Two brands of one house price alike.
    by_name = {(book["market"], book["book"]): book for book in told["books"]}
    one, other = by_name["moneyline", "lowvig"], by_name["moneyline", "betonlineag"]
    assert one["mean_absolute"] == other["mean_absolute"]


def test_features_of_lines_are_known_and_those_without_a_source_never(
    told: dict[str, Any],
) -> None:
    assert told["vectors"] == told["games"]
    shares = {row["category"]: row for row in told["coverage"]["categories"]}
    assert shares["temporal"]["known"] > 0.9
    assert shares["market"]["known"] > 0.95
    assert shares["team"]["known"] == 0.0
    assert [row["feature"] for row in told["coverage"]["features"]] == list(NAMES)


def test_the_tables_and_the_one_line_error(archive: tuple[Path, Manifest], tmp_path: Path) -> None:
    done = ask(str(archive[0]))
    assert done.returncode == 0, done.stderr
    for text in ("286 games", "splits 286", "Longest silences", "07-15 14:45", "betrivers"):
        assert text in done.stdout
    done = ask(str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {tmp_path}: no archive there.")
