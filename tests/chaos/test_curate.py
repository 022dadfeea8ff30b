"""The curate flow killed, and its Postgres: nothing is lost, and nothing is there twice."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.stack.kafka import KafkaBroker
from deploy.stack.postgres import PostgresServer
from flows.connectors.migrations import migrate
from flows.connectors.parquet import PLAYED
from schemas.sections.servers import PostgresSettings
from schemas.topics import Topic
from tests.curated import ahead_of_positions, counts, in_tables, in_topics, position, rows
from tests.system import SLOW, Child, Sent, Site, Trained, scraped, sent

KILLS = 10
SMALL = {"STEAMLINE_CURATE_BATCH": "100"}
"""Many transactions, so that a kill finds it before, in and behind one."""


@pytest.fixture
def site(kafka: KafkaBroker, redis_url: str, trained: Trained, tmp_path: Path) -> Iterator[Site]:
    with Site(trained, kafka.bootstrap, redis_url, tmp_path) as site:
        site.create()
        yield site


def slate(trained: Trained) -> list[Sent]:
    """A day of events and results, and two records that nobody can read."""
    records = sent(trained.slate.records(), PLAYED)
    time_ms = records[0].timestamp_ms
    bad = [Sent(topic, b"x", b"no event", time_ms) for topic in (Topic.LINES, Topic.GAMES)]
    third = len(records) // 3
    return [*records[:third], bad[0], *records[third:], bad[1]]


def curate(site: Site, dsn: str, *options: str, **env: str) -> Child:
    return site.start("run", "curate", *options, STEAMLINE_POSTGRES_DSN=dsn, **SMALL, **env)


def assert_whole(site: Site, dsn: str, records: int) -> None:
    there = in_topics_but_bad(site)
    assert counts(in_tables(dsn)) == counts(there)
    assert in_tables(dsn) == there
    # Every record once, and its letters: two of them, however often they were written.
    assert position(dsn) == records + len(site.read(Topic.DEAD_LETTERS))
    assert rows(dsn, "SELECT count(*) FROM dead_letters WHERE reason = 'malformed_json'") == [(2,)]


def in_topics_but_bad(site: Site) -> dict[Topic, list[str]]:
    return in_topics(site, lambda value: value != b"no event")


def test_killed_at_ten_random_moments(site: Site, trained: Trained, database: str) -> None:
    dice = random.Random(20_261_124)
    records = slate(trained)
    site.send(records)
    total = len(records)
    killed_at = []
    for left in range(KILLS, 0, -1):
        # A share of what is left: a fast machine goes far beyond its mark before the kill.
        behind = position(database)
        target = behind + dice.randrange(1, (total - behind) // (left + 1))
        child = curate(site, database, **SLOW)
        child.wait_for(lambda target=target: position(database) >= target, f"{target}")  # type: ignore[misc]
        time.sleep(dice.uniform(0.0, 0.05))  # wherever it is by then
        child.kill()
        killed_at.append(position(database))
        assert ahead_of_positions(database, site.prefix) == 0
    print(f"{total} records, killed at {killed_at}")
    assert len({at for at in killed_at if 0 < at < total}) == KILLS, killed_at
    assert curate(site, database, "--once").wait(60) == 0
    assert_whole(site, database, total)


@pytest.mark.parametrize(
    ("end", "seconds"), [pytest.param("stop", 60, marks=pytest.mark.long), ("kill", 3)]
)
def test_postgres_goes_and_comes_back(
    site: Site, trained: Trained, server_home: Path, end: str, seconds: int
) -> None:
    """Events go on coming for so long: the last minute before first pitch must not be missing."""
    server = PostgresServer(server_home / "postgres")
    server.start()
    try:
        dsn = server.dsn()
        migrate(PostgresSettings(dsn=SecretStr(dsn)))
        records = slate(trained)
        half = len(records) // 2
        site.send(records[:half])
        child = curate(site, dsn, STEAMLINE_CURATE_METRICS_PORT="0")
        child.wait_for(lambda: position(dsn) > 0, "a first commit")
        if end == "stop":
            server.stop()
        else:
            assert server.process is not None
            server.process.kill()
        each = -(-(len(records) - half) // seconds)
        for begin in range(half, len(records), each):
            site.send(records[begin : begin + each])
            time.sleep(1)
        child.wait_for(lambda: "waiting for Postgres" in child.said, "to notice")
        away = scraped(child)
        assert away["steamline_curate_postgres_up"] == 0
        assert away["steamline_curate_postgres_away_seconds"] >= seconds - 10
        behind = sum(value for name, value in away.items() if "_behind_records" in name)
        assert behind >= len(records) - half
        server.start()
        child.wait_for(lambda: position(dsn) >= len(records), "to catch up")
        child.wait_for(lambda: scraped(child)["steamline_curate_postgres_up"] == 1, "to say so")
        assert child.stop() < 10
        assert "Traceback" not in child.said
        assert curate(site, dsn, "--once").wait(60) == 0
        assert_whole(site, dsn, len(records))
    finally:
        server.stop()


def test_asked_to_end_while_postgres_is_away(site: Site, server_home: Path) -> None:
    server = PostgresServer(server_home / "postgres")
    server.start()
    try:
        child = curate(site, server.dsn())
        child.wait_for(lambda: "reading" in child.said, "to run")
        server.stop()
        site.send([Sent(Topic.LINES, b"x", b"no event", 1_775_822_400_000)])
        child.wait_for(lambda: "waiting for Postgres" in child.said, "to notice")
        child.stop()
    finally:
        server.stop()
