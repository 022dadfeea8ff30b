"""Real Kafka into real Postgres, by the command that a user types."""

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions
from pydantic import SecretStr

from deploy.stack.kafka import KafkaBroker
from flows.connectors import topic_reader
from flows.connectors.kafka import ConfirmedProducer
from flows.connectors.postgres import LOCK
from flows.curate import curate_topics
from schemas.events import Event
from schemas.sections.servers import KafkaSettings, PostgresSettings
from schemas.settings import Settings
from schemas.topics import Topic
from tests import samples
from tests.curated import (
    TABLE_OF,
    ahead_of_positions,
    counts,
    in_tables,
    in_topics,
    position,
    rows,
)
from tests.system import PARTITIONS, Child, Sent, Site, Trained, scraped, wait_for

TOPIC_OF = {
    "LineMovement": Topic.LINES,
    "GameUpdate": Topic.GAMES,
    "GameResult": Topic.RESULTS,
    "BettingSplits": Topic.SPLITS,
}


def record(event: Event, **over: object) -> Sent:
    value = json.dumps(event.model_dump(mode="json") | over).encode()
    topic = TOPIC_OF[type(event).__name__]
    return Sent(topic, event.game_id.encode(), value, event.occurred_at_us // 1000)


@pytest.fixture
def site(kafka: KafkaBroker, redis_url: str, tmp_path: Path) -> Iterator[Site]:
    """Topics of its own; nothing is scored, so there are no models."""
    unused = Trained(tmp_path, tmp_path, None, "")  # type: ignore[arg-type]
    with Site(unused, kafka.bootstrap, redis_url, tmp_path) as site:
        site.create()
        yield site


def curate(site: Site, dsn: str, *options: str) -> Child:
    child = site.start("run", "curate", *options, STEAMLINE_POSTGRES_DSN=dsn)
    if "--once" in options:
        assert child.wait(120) == 0, child.said[-2000:]
    return child


def test_a_whole_real_slate(real_slate: Site, database: str) -> None:
    there = in_topics(real_slate)
    assert min(counts(there)[name] for name in ("lines", "games", "results", "stakes")) > 0
    curate(real_slate, database, "--once")
    print(counts(there))
    assert in_tables(database) == there
    games = {json.loads(m.value() or b"")["game_id"] for m in real_slate.read(Topic.LINES)}
    assert {one for (one,) in rows(database, "SELECT game_id FROM games")} == games
    # What Kafka holds is what the row says, at the place that the row names.
    message = real_slate.read(Topic.LINES)[1234]
    told = json.loads(message.value() or b"")
    found = rows(
        database,
        "SELECT (extract(epoch FROM occurred_at) * 1000000)::bigint, source, book, market,"
        " price_home_over, price_away_under, line FROM quotes WHERE topic = 'lines'"
        " AND partition = %s AND quotes.offset = %s",
        message.partition(),
        message.offset(),
    )
    names = ("occurred_at_us", "source", "book", "market", "price_home_over", "price_away_under")
    assert found == [tuple(told[name] for name in (*names, "line"))]

    # Read once more, from the beginning: every row is there, and none comes to it.
    rows(database, "DELETE FROM curate_offsets RETURNING 1")
    again = curate(real_slate, database, "--once", "--json")
    assert position(database) == sum(counts(there).values())
    assert in_tables(database) == there
    assert json.loads(again.said.splitlines()[-1]) == {
        "new": {TABLE_OF[Topic(name)]: 0 for name, count in counts(there).items() if count},
        "refused": {},
    }


def test_the_same_events_again_are_no_second_rows(site: Site, database: str) -> None:
    events = [samples.game(0), samples.line(1), samples.line(2, book="circa"), samples.result(9)]
    site.send([record(one) for one in events])
    curate(site, database, "--once")
    first = in_tables(database)
    assert counts(first)["lines"] == 2
    site.send([record(one) for one in [*events, *events]])
    curate(site, database, "--once")
    assert in_tables(database) == first
    assert position(database) == 12


def test_lines_before_their_game_and_updates_in_any_order(site: Site, database: str) -> None:
    """The game stands with what its id says until an update comes; the newest update wins."""
    site.send([record(samples.line(1))])
    curate(site, database, "--once")
    game = "SELECT day::text, away_code, home_code, number, home, start_time IS NULL FROM games"
    assert rows(database, game) == [("2026-07-20", "BOS", "NYY", 1, None, True)]
    later = samples.START + 45 * 60_000_000
    for update in (
        samples.game(20, start_time_us=later),
        samples.game(10, home_starter="A. Pitcher", mlb_game_pk=7),
        samples.game(5, home_starter="Another"),
    ):
        site.send([record(update)])
        curate(site, database, "--once")
    assert rows(
        database,
        "SELECT home, (extract(epoch FROM start_time) * 1000000)::bigint, home_starter,"
        " mlb_game_pk, event_id FROM games",
    ) == [("New York Yankees", later, "A. Pitcher", 7, samples.game(20).event_id)]


def test_a_bad_row_is_a_dead_letter_and_holds_nobody_up(site: Site, database: str) -> None:
    """What cannot be decoded, and what can be and a table refuses: alone, whole, with a reason."""
    with_rule = "ALTER TABLE quotes ADD CONSTRAINT house_rule CHECK (price_home_over <> 3.25)"
    rows(database, f"{with_rule}; SELECT 1")
    good = [record(samples.line(n)) for n in range(200)]
    nonsense = Sent(Topic.LINES, samples.GAME.encode(), b"\xff{", samples.OPEN // 1000)
    cannot_keep = record(samples.line(300, source="o\0dds"))
    refused = record(samples.line(301, 3.25, 1.35))
    other = record(samples.line(302, 3.25, 1.36))
    sent = [*good[:50], nonsense, *good[50:90], refused, cannot_keep, *good[90:], other]
    places = site.send(sent)
    said = curate(site, database, "--once", "--json").said
    found = in_tables(database)
    assert len(found[Topic.LINES]) == 200
    letters = {
        letter["letter_id"]: (letter["reason"], letter["key_base64"], letter["value_base64"])
        for letter in site.letters()
    }
    assert letters == {
        "-".join(map(str, places[sent.index(bad)])): (
            reason,
            b64encode(samples.GAME.encode()).decode(),
            b64encode(bad.value or b"").decode(),
        )
        for bad, reason in (
            (nonsense, "malformed_json"),
            (cannot_keep, "invalid"),
            (refused, "refused_by_database"),
            (other, "refused_by_database"),
        )
    }
    assert any("house_rule" in letter["detail"] for letter in site.letters())
    # They are on Kafka before the positions move, and in their own table in the same run.
    assert rows(database, "SELECT reason, value FROM dead_letters WHERE key IS NOT NULL") != []
    assert found[Topic.DEAD_LETTERS] == sorted(letters)
    assert json.loads(said.splitlines()[-1])["refused"] == {
        "malformed_json": 1,
        "invalid": 1,
        "refused_by_database": 2,
    }


def test_records_deleted_unread_stop_it_until_told_to_go_on(site: Site, database: str) -> None:
    site.send([record(samples.line(n)) for n in range(10)])
    curate(site, database, "--once")
    site.send([record(samples.line(n)) for n in range(10, 20)])
    ends = [
        TopicPartition(Topic.LINES.full(site.prefix), partition, -1)
        for partition in range(PARTITIONS)
    ]
    admin = AdminClient({"bootstrap.servers": site.bootstrap})
    for done in admin.delete_records(ends).values():
        done.result(20)
    site.send([record(samples.line(30))])
    child = site.start("run", "curate", "--once", STEAMLINE_POSTGRES_DSN=database)
    assert child.wait(60) == 1
    last = child.said.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "offset 10, the topic holds 20 to 21" in last
    assert "--accept-gap" in last
    assert len(in_tables(database)[Topic.LINES]) == 10
    curate(site, database, "--once", "--accept-gap")
    assert len(in_tables(database)[Topic.LINES]) == 11
    curate(site, database, "--once")


def test_topics_made_anew_with_fewer_partitions_stop_it_once(site: Site, database: str) -> None:
    def end(*options: str) -> Child:
        child = site.start("run", "curate", "--once", *options, STEAMLINE_POSTGRES_DSN=database)
        child.wait(60)
        return child

    name = Topic.LINES.full(site.prefix)
    producer = Producer({"bootstrap.servers": site.bootstrap})

    def put(event: Event, partition: int) -> None:
        one = record(event)
        producer.produce(name, one.value, one.key, partition, timestamp=one.timestamp_ms)
        producer.flush(20)

    for partition in range(PARTITIONS):
        put(samples.line(partition), partition)
    curate(site, database, "--once")
    admin = AdminClient({"bootstrap.servers": site.bootstrap})
    admin.delete_topics([name])[name].result(20)
    wait_for(lambda: name not in admin.list_topics(timeout=5).topics, "deleted")
    site.create_one(Topic.LINES, 1)
    put(samples.line(100), 0)
    put(samples.line(101), 0)
    for _ in range(2):
        child = end()
        assert child.wait() == 1
        last = child.said.strip().splitlines()[-1]
        assert f"{name} partition 1: it was read to offset 1 and is gone" in last
        assert "--accept-gap" in last
    assert end("--accept-gap").wait() == 0
    assert len(in_tables(database)[Topic.LINES]) == PARTITIONS + 2, "old offsets mean nothing"
    put(samples.line(102), 0)
    curate(site, database, "--once")
    assert len(in_tables(database)[Topic.LINES]) == PARTITIONS + 3


def test_partitions_that_are_added_while_it_runs_are_loaded(
    site: Site, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_reader, "LOOK_SECONDS", 0.0)
    settings = Settings(
        kafka=KafkaSettings(bootstrap=site.bootstrap, prefix=site.prefix),
        postgres=PostgresSettings(dsn=SecretStr(database)),
    )
    name = Topic.LINES.full(site.prefix)
    grown = PARTITIONS + 1
    site.send([record(samples.line(1))])
    added = False
    until = time.monotonic() + 30

    def stopping() -> bool:
        """Asked between batches: adds a partition behind the first, ends behind the second."""
        nonlocal added
        if position(database) == 1 and not added:
            admin = AdminClient({"bootstrap.servers": site.bootstrap})
            admin.create_partitions([NewPartitions(name, grown)])[name].result(20)
            one = record(samples.line(2))
            producer = Producer({"bootstrap.servers": site.bootstrap})
            producer.produce(name, one.value, one.key, PARTITIONS, timestamp=one.timestamp_ms)
            added = producer.flush(20) == 0
        return position(database) == 2 or time.monotonic() > until

    asyncio.run(curate_topics(settings, ConfirmedProducer(settings.kafka), stopping))
    assert len(in_tables(database)[Topic.LINES]) == 2
    assert ahead_of_positions(database, site.prefix) == 0
    curate(site, database, "--once")


def test_a_second_one_waits_and_takes_over(site: Site, database: str) -> None:
    first = curate(site, database)
    site.send([record(samples.line(n)) for n in range(10)])
    first.wait_for(lambda: position(database) == 10, "the first ten")
    second = curate(site, database)
    second.wait_for(lambda: "another process curates" in second.said, "to wait")
    first.kill()
    site.send([record(samples.line(n)) for n in range(10, 20)])
    second.wait_for(lambda: position(database) == 20, "the next ten")
    second.stop()
    assert len(in_tables(database)[Topic.LINES]) == 20
    assert ahead_of_positions(database, site.prefix) == 0


def test_partitions_are_made_before_they_are_needed(site: Site, database: str) -> None:
    site.send([record(samples.line(0))])
    curate(site, database, "--once")
    made = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'quotes'::regclass"
    days = ["quotes_20260720", "quotes_20260721", "quotes_20260722", "quotes_20260723"]
    assert sorted(name for (name,) in rows(database, made)) == days
    # One that somebody has dropped is made again.
    rows(database, "DROP TABLE quotes_20260720; SELECT 1")
    site.send([record(samples.line(1))])
    curate(site, database, "--once")
    assert len(in_tables(database)[Topic.LINES]) == 1


def test_an_archive_through_the_same_code(
    real_archive: Path, database: str, tmp_path: Path
) -> None:
    unused = Trained(tmp_path, tmp_path, None, "")  # type: ignore[arg-type]
    with Site(unused, "127.0.0.1:1", "redis://127.0.0.1:1", tmp_path) as site:
        said = []
        for _ in range(2):
            child = site.start(
                "db", "load", str(real_archive), "--json", STEAMLINE_POSTGRES_DSN=database
            )
            assert child.wait(180) == 0, child.said[-2000:]
            said.append(json.loads(child.said.splitlines()[-1])["new"])
    manifest = json.loads((real_archive / "archive.json").read_text())["events"]
    assert said[0] == {
        "quotes": manifest["lines"],
        "game_updates": manifest["games"],
        "results": manifest["results"],
    }
    assert set(said[1].values()) == {0}
    assert rows(database, "SELECT count(*) FROM quotes WHERE partition IS NULL") == [
        (manifest["lines"],)
    ]


def test_metrics_say_what_was_done_and_how_far_it_is(site: Site, database: str) -> None:
    events = [samples.game(0), samples.line(1), samples.line(2, book="circa"), samples.result(9)]
    nonsense = Sent(Topic.LINES, samples.GAME.encode(), b"\xff{", samples.OPEN // 1000)
    site.send([*(record(one) for one in [*events, events[1]]), nonsense])
    behind = {name: 0.0 for name in (*Topic,)}
    # Another one is at work, so the database is there and nothing moves.
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [LOCK, site.prefix])
        child = site.start(
            "run", "curate", STEAMLINE_POSTGRES_DSN=database, STEAMLINE_CURATE_METRICS_PORT="0"
        )
        child.wait_for(lambda: "another process curates" in child.said, "to wait")
        waits = scraped(child)
        assert waits["steamline_curate_batches_total"] == 0
        assert "steamline_curate_committed_timestamp_seconds" not in waits
        waiting = {Topic.GAMES: 1.0, Topic.LINES: 4.0, Topic.RESULTS: 1.0}
        assert lag(waits) == behind | waiting
    # Six records, and the letter that one of them became.
    child.wait_for(lambda: position(database) == 7, "to read everything")
    child.wait_for(lambda: lag(scraped(child)) == behind, "to have counted it")
    done = scraped(child)
    rows_in = {
        name: (done[f'steamline_curate_rows_total{{table="{name}"}}'],
               done[f'steamline_curate_repeats_total{{table="{name}"}}'])
        for name in TABLE_OF.values()
    }  # fmt: skip
    assert rows_in == dict.fromkeys(TABLE_OF.values(), (0, 0)) | {
        "game_updates": (1, 0),
        "quotes": (2, 1),
        "results": (1, 0),
        "dead_letters": (1, 0),
    }
    assert done['steamline_curate_dead_letters_total{reason="malformed_json"}'] == 1
    assert done['steamline_curate_records_total{topic="lines"}'] == 4
    assert done["steamline_curate_batches_total"] >= 1
    assert done["steamline_curate_postgres_up"] == 1
    assert done["steamline_curate_postgres_away_seconds"] == 0
    assert abs(done["steamline_curate_committed_timestamp_seconds"] - time.time()) < 60
    child.stop()


def lag(samples: dict[str, float]) -> dict[Topic, float]:
    return {
        topic: samples[f'steamline_curate_behind_records{{topic="{topic.value}"}}']
        for topic in Topic
    }
