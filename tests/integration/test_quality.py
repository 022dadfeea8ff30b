"""`steamline data quality` on the real archive, against the raw files and their README."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import SecretStr

from flows.connectors.manifest import Manifest, seal
from flows.connectors.parquet import write_events
from flows.connectors.quality_table import put
from flows.quality import report
from flows.sources import oddsapi_archive
from flows.sources.tally import Tally
from models.features.catalogue import NAMES
from models.measurements import measurements
from schemas.sections.servers import PostgresSettings
from schemas.settings import Settings
from tests.curated import rows
from tests.system import clean_env

STALE = timedelta(minutes=30)


@pytest.fixture(scope="module")
def archive(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    root, tally = tmp_path_factory.mktemp("oddsapi"), Tally()
    write_events(root, oddsapi_archive.events(data_dir, tally))
    return root, seal(root, "oddsapi", False, tally.rejected, tally.left_out)


def ask(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", "data", "quality", *arguments],
        env=clean_env() | {"COLUMNS": "160"} | env,
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


def test_figures_are_kept_in_postgres_and_the_newest_stands(
    told: dict[str, Any], archive: tuple[Path, Manifest], database: str
) -> None:
    done = ask(str(archive[0]), "--to-postgres", "--json", STEAMLINE_POSTGRES_DSN=database)
    assert done.returncode == 0, done.stderr
    kept = json.loads(done.stdout)["postgres"]
    counted = rows(database, "SELECT count(*), count(DISTINCT measured_at) FROM data_quality")
    assert counted == [(kept["figures"], 1)]
    assert kept["changed"] == kept["figures"]

    # Day by day they come to what the report says of the whole.
    sums = {
        (metric, subject): value
        for metric, subject, value in rows(
            database, "SELECT metric, subject, sum(value) FROM data_quality GROUP BY 1, 2"
        )
    }
    assert sums["games", ""] == told["games"]
    assert {name: sums["games_without", name] for name in told["without"]} == {
        name: len(games) for name, games in told["without"].items()
    }
    assert sums["gaps", ""] == len(told["gaps"])
    assert sums["quotes_far", ""] == len(told["far"])
    (longest,) = rows(
        database,
        "SELECT source, day::text, value FROM data_quality"
        " WHERE metric = 'longest_gap_hours' ORDER BY value DESC LIMIT 1",
    )
    first = told["gaps"][0]
    assert longest == (first["source"], first["since"][:10], pytest.approx(first["hours"]))
    shares = {
        category: value
        for category, value in rows(
            database,
            "SELECT k.subject, sum(k.value * g.value) / sum(g.value) FROM data_quality k"
            " JOIN data_quality g ON g.day = k.day AND g.metric = 'games'"
            " WHERE k.metric = 'features_known' GROUP BY 1",
        )
    }
    assert shares == {
        row["category"]: pytest.approx(row["known"], abs=1e-6)
        for row in told["coverage"]["categories"]
    }

    # Again: nothing is new. One that is wrong is put right, and no other is touched.
    later = datetime(2026, 11, 24, tzinfo=UTC)
    found = report(archive[0], Settings(_env_file=None), 0.03)  # type: ignore[call-arg]
    figures = list(measurements(found.quality, found.known))
    postgres = PostgresSettings(dsn=SecretStr(database))
    assert put(postgres, figures, later) == 0
    wrong = (
        "UPDATE data_quality SET value = 99, measured_at = '2026-01-01Z'"
        " WHERE metric = 'games' AND day = '2026-07-20' RETURNING 1"
    )
    assert rows(database, wrong) == [(1,)]
    assert put(postgres, figures, later) == 1
    assert rows(
        database,
        "SELECT day::text, value FROM data_quality WHERE measured_at = %s",
        later,
    ) == [("2026-07-20", sum("2026-07-20" in game["game_id"] for game in told["by_game"]))]


def test_the_tables_and_the_one_line_error(archive: tuple[Path, Manifest], tmp_path: Path) -> None:
    done = ask(str(archive[0]))
    assert done.returncode == 0, done.stderr
    for text in ("286 games", "splits 286", "Longest silences", "07-15 14:45", "betrivers"):
        assert text in done.stdout
    done = ask(str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {tmp_path}: no archive there.")
