"""Every source, from its own payload behind a real server to rows in Postgres, and once only."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from deploy.stack.kafka import KafkaBroker
from schemas.topics import Topic
from tests.answering import Answering, Asked, Reply, answering
from tests.curated import in_tables, rows
from tests.polled import SAID, Polled

FIXTURES = Path(__file__).parents[1] / "fixtures"
PATHS = {
    "mlb_stats": ("/api/v1/schedule", "mlb_stats_schedule.json"),
    "oddsapi": ("/v4/sports/baseball_mlb/odds", "oddsapi_odds.json"),
    "action_network": ("/web/v2/scoreboard/mlb", "action_network_scoreboard.json"),
    "sbd": ("/v2/matchups/mlb/betting-splits", "sbd_splits.json"),
}
"""Written by hand after each format's description: see their README."""
SOURCES = {*PATHS, "vsin"}


def moved(name: str) -> bytes:
    """A fixture whose games of 20 July are tomorrow's: no clock can be told to `steamline`."""
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    days = [date(2026, 7, day) for day in range(17, 24)]
    moved_to = {
        was.strftime(form): (was + (tomorrow - date(2026, 7, 20))).strftime(form)
        for was in days
        for form in ("%Y-%m-%d", "%Y%m%d", "%A, %b %d")
    }
    text = (FIXTURES / name).read_text()
    return re.sub("|".join(moved_to), lambda found: moved_to[found[0]], text).encode()


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as server:
        made = {"Last-Modified": format_datetime(datetime.now(UTC), usegmt=True)}
        for path, name in PATHS.values():
            server.on(path, Reply(body=moved(name), headers=made))
        page = moved("vsin_splits.html")

        def splits_page(asked: Asked) -> Reply:
            """The page says whose numbers it shows."""
            mark = f"sp-source-{asked.params['source'].lower()}".encode()
            return Reply(body=page.replace(b"sp-source-dk", mark), headers=made)

        server.scripts["/betting-splits/"] = splits_page
        server.on("/v4/sports", Reply(headers={"x-requests-remaining": "400"}))
        yield server


def test_each_source_ends_in_its_tables_once(
    kafka: KafkaBroker, server: Answering, database: str, tmp_path: Path
) -> None:
    env = {"STEAMLINE_ODDSAPI_API_KEY": "k3y", "STEAMLINE_POSTGRES_DSN": database}
    for source in SOURCES:
        prefix = f"STEAMLINE_{source.replace('_', '').upper()}"
        env |= {f"{prefix}_URL": server.url, f"{prefix}_ENABLED": "true"}
    with Polled(kafka.bootstrap, tmp_path, module="cli.main") as polled:
        summary = polled.run("--once", status=0, **env)
        assert summary["alarms"] == []
        assert summary["sources"].keys() == SOURCES
        curate(polled, env)
        there = in_tables(database)
        assert sources_of(database, "quotes") == ["action_network", "oddsapi", "sbd"]
        assert sources_of(database, "splits") == ["action_network", "sbd", "vsin"]
        assert sources_of(database, "results") == ["mlb_stats"]
        assert "mlb_stats" in sources_of(database, "game_updates")
        for topic in SAID:
            assert there[topic] == sorted(polled.ids([topic])) != []

        again = polled.run("--once", status=0, **env)
        assert all(one["events"] == {} for one in again["sources"].values())
        curate(polled, env)
        assert in_tables(database) == there
        # What found no table says why, under the same id both times.
        letters = {one["letter_id"]: one["reason"] for one in polled.letters()}
        assert there[Topic.DEAD_LETTERS] == sorted(letters)
        assert set(letters.values()) == {"unresolved"}


def sources_of(database: str, table: str) -> list[str]:
    return [name for (name,) in rows(database, f"SELECT DISTINCT source FROM {table} ORDER BY 1")]


def curate(polled: Polled, env: dict[str, str]) -> None:
    child = polled.start_command("run", "curate", "--once", **env)
    assert child.wait(60) == 0, child.said[-3_000:]
