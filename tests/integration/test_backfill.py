"""`steamline backfill` as a process: a past at a local server, real Kafka, real Postgres."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from deploy.stack.kafka import KafkaBroker
from schemas.time import to_us
from schemas.topics import Topic
from tests.answering import Answering, Reply, answering
from tests.curated import in_tables
from tests.past import END, GAME, HISTORY, LOOKS, SNAPSHOTS, START, past
from tests.polled import SAID, Polled

pytestmark = pytest.mark.long


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as server:
        past(server)
        yield server


@pytest.fixture
def polled(kafka: KafkaBroker, server: Answering, tmp_path: Path) -> Iterator[Polled]:
    with Polled(kafka.bootstrap, tmp_path, server.url, module="cli.main") as polled:
        yield polled


def run(polled: Polled, *options: str, status: int = 0, **env: str) -> dict[str, Any]:
    """The summary; of a run that is refused, what it said."""
    ours = {
        "STEAMLINE_MLBSTATS_URL": polled.url,
        "STEAMLINE_ACTIONNETWORK_URL": polled.url,
        "STEAMLINE_ODDSAPI_API_KEY": "k3y",
        **{f"STEAMLINE_{name}_PER_MINUTE": "60000" for name in
           ("MLBSTATS", "ACTIONNETWORK", "ODDSAPI")},
    }  # fmt: skip
    span = ("--every", "120", START, END)
    child = polled.start_command("backfill", *span, *options, "--json", **(ours | env))
    assert child.wait(60) == status, child.said[-3_000:]
    said = [row for row in child.said.splitlines() if row.startswith('{"sources"')]
    return json.loads(said[0]) if said else {"said": child.said}


def us(hour: int, minute: int, second: int = 0, day: int = 20) -> int:
    return to_us(datetime(2026, 7, day, hour, minute, second, tzinfo=UTC))


def lines(polled: Polled) -> list[tuple[str, str, int, Any]]:
    return sorted(
        (one["book"], one["market"], one["occurred_at_us"], one["price_home_over"])
        for one in polled.said([Topic.LINES])
    )


def test_snapshots_as_they_were_and_once_only(
    polled: Polled, server: Answering, database: str
) -> None:
    summary = run(polled, "--budget", "270")
    assert summary["sources"]["oddsapi"]["looks"] == {"new": 3}
    assert summary["alarms"] == summary["waiting"] == []
    assert [one.params["date"] for one in server.asked if one.path == SNAPSHOTS] == [
        f"2026-07-20T{at}:00Z" for at in LOOKS
    ]
    # -130 is 1 + 100/130; it moved between the first snapshot and the second, and stood since.
    assert lines(polled) == [
        ("pinnacle", "moneyline", us(17, 59, 38), pytest.approx(1 + 100 / 130)),
        ("pinnacle", "moneyline", us(19, 59, 38), pytest.approx(1 + 100 / 145)),
    ]
    games = polled.said([Topic.GAMES])
    assert {one["game_id"] for one in games} == {GAME}
    # Announced three days before, on at its start, over four hours later; nothing of who pitched.
    assert [
        (one["occurred_at_us"], one["status"]) for one in games if one["source"] == "mlb_stats"
    ] == [
        (us(0, 0, day=17), "scheduled"),
        (us(23, 5), "live"),
        (us(3, 5, day=21), "final"),
    ]
    assert all(one["home_starter"] is None for one in games)
    assert [one["occurred_at_us"] for one in games if one["quotes_stand"]] == [
        us(17, 59, 38), us(19, 59, 38), us(21, 59, 38),
    ]  # fmt: skip
    (result,) = polled.said([Topic.RESULTS])
    assert (result["home_score"], result["away_score"]) == (5, 3)
    assert result["occurred_at_us"] == us(3, 5, day=21)

    curate(polled, database)
    before, there = polled.ids(), in_tables(database)
    again = run(polled, "--budget", "270")
    assert all(one["events"] == {} for one in again["sources"].values())
    assert polled.ids() == before
    curate(polled, database)
    assert in_tables(database) == there
    assert all(there[topic] == sorted(polled.ids([topic])) != []
               for topic in (Topic.GAMES, Topic.LINES, Topic.RESULTS))  # fmt: skip


def curate(polled: Polled, database: str) -> None:
    child = polled.start_command("run", "curate", "--once", STEAMLINE_POSTGRES_DSN=database)
    assert child.wait(60) == 0, child.said[-3_000:]


def test_the_history_of_a_game_at_action_network(polled: Polled, server: Answering) -> None:
    only = ("--source", "action_network")
    summary = run(polled, *only)
    assert summary["sources"]["action_network"]["events"] == {"games": 3, "lines": 5}
    # By hand from the fixture: two moneylines; two totals, then shut at 20:00.
    found = lines(polled)
    (book,) = {one[0] for one in found}
    assert found == [
        (book, "moneyline", us(14, 0) + 200_000, pytest.approx(1 + 100 / 130)),
        (book, "moneyline", us(16, 0) + 10_000, pytest.approx(1 + 100 / 145)),
        (book, "total", us(14, 0), pytest.approx(1 + 100 / 110)),
        (book, "total", us(15, 0), pytest.approx(1 + 100 / 115)),
        (book, "total", us(20, 0), None),
    ]
    stand = [one["occurred_at_us"] for one in polled.said([Topic.GAMES]) if one["quotes_stand"]]
    assert stand == [us(18, 0), us(20, 0), us(22, 0)]
    before = polled.ids()
    again = run(polled, *only)
    assert again["sources"]["action_network"]["looks"] == {"new": 3}, "it was asked"
    assert polled.ids() == before
    assert polled.letters() == []
    assert server.times(SNAPSHOTS) == 0


def test_it_says_the_price_and_asks_nothing_beyond_the_budget(
    polled: Polled, server: Answering
) -> None:
    said = run(polled, status=1)["said"]
    assert "3 snapshots of 90 credits cost 270" in said
    assert "--budget 270" in said
    assert server.asked == []
    past(server, remaining=319)  # 50 are kept back
    said = run(polled, "--budget", "1000", status=1)["said"]
    assert "of which 319 remain and 50 are kept back" in said
    assert server.times(SNAPSHOTS) == 0
    assert polled.ids() == []
    past(server, remaining=320)
    run(polled, "--budget", "270")
    assert server.times(SNAPSHOTS) == 3


def test_a_recording_is_not_paid_for_twice_and_says_the_same(
    polled: Polled, server: Answering, kafka: KafkaBroker, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    # The second snapshot fails at first.
    good, failing = server.scripts[SNAPSHOTS], Reply(401)
    server.scripts[SNAPSHOTS] = lambda asked: (
        failing if "20:00" in asked.params["date"] else good(asked)
    )
    first = run(polled, "--budget", "270", "--record", str(kept), status=1)
    assert first["sources"]["oddsapi"]["looks"] == {"failed": 1, "new": 2}
    server.scripts[SNAPSHOTS] = good
    second = run(polled, "--budget", "90", "--record", str(kept))
    assert second["sources"]["oddsapi"]["looks"] == {"new": 1, "recorded": 2}
    assert all(b"k3y" not in gzip.decompress(path.read_bytes()) for path in kept.iterdir())
    asked = len(server.asked)
    with (
        Polled(kafka.bootstrap, tmp_path, module="cli.main") as other,
        Polled(kafka.bootstrap, tmp_path, server.url, module="cli.main") as straight,
    ):
        # Nobody is there to be asked.
        played = run(other, "--from", str(kept))
        assert played["sources"]["oddsapi"]["looks"] == {"recorded": 3}
        assert len(server.asked) == asked
        run(straight, "--budget", "270")
        assert sorted(other.said(), key=_id) == sorted(straight.said(), key=_id)
        # Where the middle came later, it is there all the same.
        assert {one[2] for one in lines(polled)} >= {one[2] for one in lines(straight)}
        assert set(straight.ids()) <= set(polled.ids())


def _id(event: dict[str, Any]) -> str:
    return str(event["event_id"])


def test_topics_that_a_score_worker_reads_are_left_alone(polled: Polled, server: Answering) -> None:
    worker = Consumer({"bootstrap.servers": polled.bootstrap, "group.id": "steamline-score"})
    worker.commit(
        offsets=[TopicPartition(Topic.LINES.full(polled.prefix), 0, 0)], asynchronous=False
    )
    worker.close()
    said = run(polled, "--source", "action_network", status=1)["said"]
    assert "--among-live" in said
    assert server.asked == []
    run(polled, "--source", "action_network", "--among-live")
    assert [topic for topic in SAID if polled.ids([topic])] != []


def test_a_missing_history_stops_no_other_and_is_told(polled: Polled, server: Answering) -> None:
    server.on(HISTORY, Reply(404))
    summary = run(polled, "--budget", "270", status=1, STEAMLINE_ACTIONNETWORK_ENABLED="true")
    assert summary["sources"]["action_network"]["looks"] == {"failed": 1, "new": 2}
    assert summary["sources"]["oddsapi"]["events"]["lines"] == 2
