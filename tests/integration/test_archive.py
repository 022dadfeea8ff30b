"""`steamline archive` on a real broker: every command, and every refusal, as a user meets them."""

import csv
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import polars as pl
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions
from pydantic import BaseModel

from deploy.stack.kafka import KafkaBroker
from flows.archive import Unmetered, archive
from flows.connectors import topic_reader
from flows.connectors.parquet import PLAYED, read_archive, scan, write_events
from flows.parity import compare_archive
from flows.sources import oddsapi_archive
from flows.sources.tally import Tally
from flows.steps.records import Record
from flows.training import read_training_set
from schemas.errors import OffsetOutOfRange
from schemas.sections.keeping import ArchiveSettings
from schemas.sections.servers import KafkaSettings
from schemas.settings import Settings
from schemas.topics import Topic
from schemas.wire import headers
from tests.archived import ID_COLUMN, Archived
from tests.samples import GAME, OTHER, alert, at, game, line, prediction, result, stake
from tests.system import (
    PARTITIONS,
    SLOW,
    SLOW_BATCH,
    Sent,
    Site,
    Trained,
    create_topics,
    send,
    sent,
    wait_for,
)

REAL_DAYS = ("2026-07-27", "2026-07-28")


@pytest.fixture
def archived(kafka: KafkaBroker, tmp_path: Path) -> Iterator[Archived]:
    archived = Archived(kafka.bootstrap, tmp_path)
    yield archived
    archived.end()


def as_sent(topic: Topic, message: BaseModel, ms: int = 1_784_567_100_000) -> Sent:
    value = message.model_dump_json().encode()
    fields = json.loads(value)
    key = str(fields["game_id"]).encode()
    return Sent(topic, key, value, ms, headers(topic, fields[ID_COLUMN[topic]]))


def lines(count: int, begin: int = 0) -> list[Sent]:
    return [
        as_sent(
            Topic.LINES,
            line(n, game_id=GAME if n % 3 else OTHER, event_id=f"e{n}"),
            1_784_567_100_000 + n * 1_000,
        )
        for n in range(begin, begin + count)
    ]


def test_a_real_slate_from_kafka_gives_the_same_as_its_import(
    archived: Archived, data_dir: Path, tmp_path: Path
) -> None:
    """Vectors, training data and replay, all read by what knows nothing of Kafka."""
    imported = tmp_path / "import"
    write_events(
        imported,
        (
            event
            for event in oddsapi_archive.events(data_dir, Tally())
            if any(day in event.game_id for day in REAL_DAYS)
        ),
    )
    archived.send(
        Sent(one.topic, one.game_id.encode(), one.value, one.occurred_at_us // 1000)
        for one in read_archive(imported)
    )
    archived.command("run", "--once", STEAMLINE_ARCHIVE_ROLL_ROWS="2000")
    many = {topic: one["files"] for topic, one in archived.command("ls")["topics"].items()}
    assert many["lines"] > 10
    for merged in (False, True):
        if merged:
            archived.command("compact", "--before", "2099-01-01")
        for topic in PLAYED:
            rows, wanted = (scan(root, topic).collect() for root in (archived.root, imported))
            # At equal times of one game an import keeps the order of its source, which is Kafka's.
            assert rows.equals(wanted), topic
        assert [one.value for one in read_archive(archived.root)] == [
            one.value for one in read_archive(imported)
        ]
        found = compare_archive(archived.root, Settings())
        assert (found.mismatches, found.first) == (0, None)
        assert found.vectors > 1_000
        ours, theirs = (
            read_training_set([root], None, Settings()) for root in (archived.root, imported)
        )
        assert ours.fingerprint == theirs.fingerprint
    print(f"{found.vectors} vectors of {found.games} games, lines in {many['lines']} files")


def test_what_a_worker_writes_is_archived_too(
    kafka: KafkaBroker, redis_url: str, trained: Trained, tmp_path: Path
) -> None:
    with Site(trained, kafka.bootstrap, redis_url, tmp_path) as site:
        site.create()
        games = sorted(trained.slate.games)[:3]
        site.send(
            one for one in sent(trained.slate.records()) if (one.key or b"").decode() in games
        )
        site.send([Sent(Topic.LINES, b"k", b"rubbish", 1_784_567_100_000)])
        site.run_to_end()
        archived = Archived(kafka.bootstrap, tmp_path, site.prefix)
        archived.command("run", "--once")
        for topic in (Topic.PREDICTIONS, Topic.STAKES, Topic.ALERTS, Topic.DEAD_LETTERS):
            assert archived.assert_holds_the_topic(topic) > 0, topic
            out = tmp_path / f"{topic.value}.jsonl"
            archived.command("export", topic.value, str(out))
            on_kafka = {value for _, _, value in archived.first_by_id(topic).values()}
            assert set(out.read_bytes().splitlines()) == on_kafka
        assert archived.command("ls")["topics"]["lines"]["apart"] == {"malformed_json": 1}
        assert archived.command("verify")["differences"] == 0


def test_every_message_goes_in_and_comes_out(archived: Archived, tmp_path: Path) -> None:
    messages: dict[Topic, list[BaseModel]] = {
        Topic.GAMES: [game(), game(5, context={"home_form": 0.5}, context_as_of_us=at(0))],
        Topic.LINES: [line(1), line(2, market="total"), line(3, game_id=OTHER)],
        Topic.RESULTS: [result(9)],
        Topic.PREDICTIONS: [prediction(1), prediction(2)],
        Topic.STAKES: [stake(1), stake(2, fraction=0.0)],
        Topic.ALERTS: [alert(1, values={"steam": 1.5})],
    }
    archived.send(as_sent(topic, one) for topic, some in messages.items() for one in some)
    done = archived.command("run", "--once")
    assert done["topics"]["lines"]["rows"] == 3
    for topic, some in messages.items():
        out = tmp_path / "out.jsonl"
        assert archived.command("export", topic.value, str(out))["rows"] == len(some)
        on_kafka = sorted(value for _, _, value in archived.on_kafka(topic))
        assert sorted(out.read_bytes().splitlines()) == on_kafka
    table = tmp_path / "lines.parquet"
    assert archived.command("export", "lines", str(table), "--game", OTHER)["rows"] == 1
    assert pl.read_parquet(table)["game_id"].to_list() == [OTHER]
    sheet = tmp_path / "predictions.csv"
    archived.command("export", "predictions", str(sheet))
    with sheet.open() as file:
        rows = list(csv.DictReader(file))
    assert json.loads(rows[0]["best"])[0]["book"] == "pinnacle"
    assert json.loads(rows[0]["read_to"]) == {"lines": 1}
    assert rows[0]["as_of_us"] == "2026-07-20T17:05:01.000000Z"
    part = archived.command(
        "export",
        "lines",
        str(table),
        "--start",
        "2026-07-20T17:05:02",
        "--end",
        "2026-07-20T17:05:03",
    )
    assert part["rows"] == 1
    assert pl.read_parquet(table)["market"].to_list() == ["total"]
    assert "--format" in archived.refused("export", "lines", str(tmp_path / "lines.xlsx"))
    assert "Use one of lines, splits" in archived.refused("export", "odds", str(table))
    assert not (tmp_path / "lines.xlsx").exists()


def test_it_goes_on_where_it_stopped_and_says_where_that_is(archived: Archived) -> None:
    archived.send(lines(300))
    archived.command("run", "--once")
    first = archived.command("ls")["topics"]["lines"]
    assert first["rows"] == 300
    assert sum(at["next"] for at in first["partitions"].values()) == 300
    assert archived.command("run", "--once")["rows"] == 0, "nothing new, nothing written"
    archived.send(lines(50, 300))
    assert archived.command("verify")["behind"] == 50
    archived.command("run", "--once")
    found = archived.command("verify")
    assert (found["differences"], found["behind"], found["rows"]) == (0, 0, 350)
    assert archived.assert_holds_the_topic(Topic.LINES) == 350


def delete_before(archived: Archived, topic: Topic, offset: int) -> None:
    """What retention does."""
    admin = AdminClient({"bootstrap.servers": archived.bootstrap})
    name = topic.full(archived.prefix)
    partitions = admin.list_topics(name, timeout=10).topics[name].partitions
    wanted = [
        TopicPartition(name, p, min(offset, ends_of(archived, name, p)[1])) for p in partitions
    ]
    for done in admin.delete_records(wanted).values():
        done.result(20)


def ends_of(archived: Archived, name: str, partition: int) -> tuple[int, int]:
    consumer = Consumer({"bootstrap.servers": archived.bootstrap, "group.id": "ends"})
    low, high = consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=10)
    consumer.close()
    return low, high


def test_what_retention_deleted_unread_stops_it(archived: Archived) -> None:
    archived.send(lines(100))
    archived.command("run", "--once")
    archived.send(lines(400, 100))
    before = {
        p: at["next"] for p, at in archived.command("ls")["topics"]["lines"]["partitions"].items()
    }
    delete_before(archived, Topic.LINES, 120)
    said = archived.refused("run", "--once")
    assert "lines partition" in said
    assert "retention has deleted" in said
    assert "--accept-loss" in said
    assert "retention has deleted" in archived.command("verify")["first"]
    archived.command("run", "--once", "--accept-loss")
    found = archived.command("verify")
    lost = sum(
        max(0, min(120, ends_of(archived, Topic.LINES.full(archived.prefix), int(p))[1]) - next_)
        for p, next_ in before.items()
    )
    assert lost > 0
    assert (found["differences"], found["lost"], found["behind"]) == (0, lost, 0)
    assert archived.command("ls")["topics"]["lines"]["lost"] == lost
    assert found["rows"] == 500 - lost


def test_what_retention_overtakes_is_written_as_far_as_it_came(archived: Archived) -> None:
    """Kafka may have it no more by the next start."""
    send(archived.bootstrap, archived.prefix, lines(3_000), SLOW_BATCH)

    class Overtaking(Unmetered):
        came = 0

        def read(self, records: list[Record]) -> None:
            if records and not self.came:
                delete_before(archived, Topic.LINES, 900)
            self.came += len(records)

    meter = Overtaking()
    settings = Settings(
        kafka=KafkaSettings(
            bootstrap=archived.bootstrap,
            prefix=archived.prefix,
            options=json.loads(SLOW["STEAMLINE_KAFKA_OPTIONS"]),
        ),
        archive=ArchiveSettings(roll_rows=100_000, roll_seconds=3_600.0),
    )
    with pytest.raises(OffsetOutOfRange, match="by retention or with the topic; `--accept-loss`"):
        archive(settings, archived.root, meter=meter)
    held = archived.command("ls")["topics"]["lines"]
    assert held["rows"] == meter.came > 0
    assert "retention has deleted" in archived.refused("run", "--once")
    archived.command("run", "--once", "--accept-loss")
    found = archived.command("verify")
    assert (found["differences"], found["behind"], found["rows"] + found["lost"]) == (0, 0, 3_000)


def test_partitions_that_are_added_while_it_runs_are_archived(
    archived: Archived, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_reader, "LOOK_SECONDS", 0.0)
    name = Topic.LINES.full(archived.prefix)
    admin = AdminClient({"bootstrap.servers": archived.bootstrap})
    producer = Producer({"bootstrap.servers": archived.bootstrap})
    (one, two) = lines(2)

    class Growing(Unmetered):
        """Adds one behind the first record that comes."""

        came = 0

        def read(self, records: list[Record]) -> None:
            if records and not self.came:
                admin.create_partitions([NewPartitions(name, PARTITIONS + 1)])[name].result(20)
                producer.produce(name, two.value, two.key, PARTITIONS, timestamp=two.timestamp_ms)
                producer.flush(20)
            self.came += len(records)

    meter = Growing()
    archived.send([one])
    settings = Settings(kafka=KafkaSettings(bootstrap=archived.bootstrap, prefix=archived.prefix))
    until = time.monotonic() + 30
    archive(
        settings,
        archived.root,
        stopping=lambda: meter.came == 2 or time.monotonic() > until,
        meter=meter,
    )
    assert archived.assert_holds_the_topic(Topic.LINES) == 2
    assert archived.command("run", "--once")["rows"] == 0, "nothing twice"
    assert archived.command("verify")["differences"] == 0


def test_a_topic_that_was_made_anew_stops_it(archived: Archived) -> None:
    archived.send(lines(100))
    archived.command("run", "--once")
    name = Topic.LINES.full(archived.prefix)
    admin = AdminClient({"bootstrap.servers": archived.bootstrap})
    admin.delete_topics([name])[name].result(20)
    wait_for(lambda: name not in admin.list_topics(timeout=5).topics, "deleted")
    create_topics(archived.bootstrap, [name])
    said = archived.refused("run", "--once")
    assert "made anew" in said
    assert "new folder" in said
    assert "ends at" in archived.command("verify")["first"]


def test_offsets_of_another_prefix_or_an_import_are_not_mixed_in(
    archived: Archived, tmp_path: Path
) -> None:
    archived.send(lines(10))
    archived.command("run", "--once")
    archived.env["STEAMLINE_KAFKA_PREFIX"] = f"x{uuid.uuid4().hex[:8]}."
    assert "Choose another folder" in archived.refused("run", "--once")
    write_events(tmp_path / "import", [line()])
    archived.root = tmp_path / "import"
    assert "was imported" in archived.refused("run", "--once")


def test_two_do_not_write_at_once(archived: Archived) -> None:
    child = archived.start()
    child.wait_for(lambda: "archiving" in child.said, "at work")
    assert "is at work there" in archived.refused("run", "--once")
    child.stop()
    archived.command("run", "--once")


def test_a_full_disk_is_one_line_and_nothing_is_lost(archived: Archived) -> None:
    archived.send(lines(2_000))
    archived.command("run", "--once", STEAMLINE_ARCHIVE_ROLL_ROWS="100000")
    archived.send(lines(4_000, 2_000))
    # No file may be longer than 8 kB from here on: as a full disk, a write fails in its middle.
    said = archived.refused("run", "--once", limit={"-f": 8})
    assert "start again" in said
    assert "File too large" in said
    found = archived.command("verify")
    assert (found["differences"], found["rows"], found["behind"]) == (0, 2_000, 4_000)
    assert list(archived.root.glob("**/*.partial")) == []
    archived.command("run", "--once")
    assert archived.assert_holds_the_topic(Topic.LINES) == 6_000
    before = archived.command("ls")["topics"]["lines"]["files"]
    said = archived.refused("compact", "--before", "2099-01-01", limit={"-f": 8})
    assert "File too large" in said
    assert archived.command("ls")["topics"]["lines"]["files"] == before
    assert archived.command("verify")["differences"] == 0


def test_markers_of_transactions_are_no_gap(archived: Archived) -> None:
    producer = Producer(
        {"bootstrap.servers": archived.bootstrap, "transactional.id": uuid.uuid4().hex}
    )
    producer.init_transactions(20)
    for number, commit in enumerate((True, False, True)):
        producer.begin_transaction()
        for one in lines(10, number * 10):
            name = one.topic.full(archived.prefix)
            producer.produce(name, one.value, one.key, timestamp=one.timestamp_ms)
        producer.flush(20)
        if commit:
            producer.commit_transaction(20)
        else:
            producer.abort_transaction(20)
    archived.send(lines(5, 100))
    assert archived.command("run", "--once")["rows"] == 25
    found = archived.command("verify")
    assert (found["differences"], found["rows"]) == (0, 25)
    assert found["markers"] >= 10
    ids = archived.rows(Topic.LINES)["event_id"].to_list()
    assert sorted(ids) == sorted(f"e{n}" for n in (*range(10), *range(20, 30), *range(100, 105)))


def test_it_is_counted_for_prometheus(archived: Archived) -> None:
    archived.send([*lines(20), *lines(5), Sent(Topic.LINES, b"k", b"x", 1_784_567_100_000)])
    child = archived.start(STEAMLINE_ARCHIVE_METRICS_PORT="0")
    child.wait_for(lambda: "metrics: http" in child.said, "listening")
    address = child.said.partition("metrics: ")[2].split()[0]

    def value(name: str) -> float:
        found = [
            one.rpartition(" ")[2]
            for one in httpx.get(address, timeout=5).text.splitlines()
            if one.startswith(name + " ")
        ]
        return float(found[0]) if found else 0.0

    rows = 'steamline_archive_rows_total{topic="lines"}'
    child.wait_for(lambda: value(rows) == 20, "20 rows")
    assert value('steamline_archive_records_total{topic="lines"}') == 26
    apart = 'steamline_archive_apart_records_total{{reason="{}",topic="lines"}}'
    assert value(apart.format("repeat")) == 5
    assert value(apart.format("malformed_json")) == 1
    assert value('steamline_archive_rows_total{topic="games"}') == 0
    assert value("steamline_archive_newest_timestamp_seconds") == 1_784_567_119.0
    child.stop()
