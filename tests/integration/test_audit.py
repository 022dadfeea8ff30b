"""`steamline audit` over real servers: what it finds equal is, and what is taken away it finds."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from deploy.demo.slate import choose_slate
from flows.connectors.parquet import PLAYED, TopicWriter, scan
from schemas.topics import Topic
from tests.curated import in_topics, rows
from tests.system import Child, Site


def audit(site: Site, dsn: str, *options: str) -> tuple[int, dict[str, Any]]:
    child: Child = site.start("audit", "--json", *options, STEAMLINE_POSTGRES_DSN=dsn)
    status = child.wait(120)
    return status, json.loads(child.said.strip().splitlines()[-1])


def of_slate(archive: Path, root: Path) -> Path:
    """An archive of those games of the day that were played to the end."""
    games = sorted(choose_slate(archive).games)
    for topic in PLAYED:
        with TopicWriter(root, topic) as writer:
            writer.add_rows(scan(archive, topic).filter(pl.col("game_id").is_in(games)).collect())
    return root


def test_a_whole_real_slate(
    real_slate: Site, real_archive: Path, database: str, tmp_path: Path
) -> None:
    archive = of_slate(real_archive, tmp_path / "archive")
    day = choose_slate(real_archive).day
    child = real_slate.start("run", "curate", "--once", STEAMLINE_POSTGRES_DSN=database)
    assert child.wait(120) == 0
    options = ("--archive", str(archive), "--day", day.isoformat())
    status, told = audit(real_slate, database, *options)
    assert (status, told["differences"], told["found"]) == (0, 0, [])
    assert [stage["stage"] for stage in told["stages"]] == ["archive", "kafka", "postgres"]
    there = in_topics(real_slate)
    for stage in told["stages"]:
        for name, topic in stage["topics"].items():
            assert topic["ids"] == len(there[Topic(name)]), (stage["stage"], name)
            assert topic["refused"] == 0
    digests = [stage["topics"]["lines"]["digest"] for stage in told["stages"]]
    assert len(set(digests)) == 1

    # One row less, and one id that nobody sent.
    ((gone,),) = rows(
        database,
        "DELETE FROM quotes WHERE event_id = (SELECT min(event_id) FROM quotes) RETURNING event_id",
    )
    rows(database, "UPDATE results SET event_id = 'invented' || event_id RETURNING 1")
    status, told = audit(real_slate, database)
    assert status == 1
    results = len(there[Topic.RESULTS])
    assert told["differences"] == 1 + 2 * results
    found = {one["topic"]: one for one in told["found"]}
    assert found["lines"] == {
        "topic": "lines",
        "between": ["kafka", "postgres"],
        "missing": 1,
        "extra": 0,
        "examples": [gone],
    }
    assert (found["results"]["missing"], found["results"]["extra"]) == (results, results)
