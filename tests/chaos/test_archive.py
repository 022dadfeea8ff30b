"""The archive killed while a real slate is being produced, with repeats: nothing is lost, nothing
is there twice. A plain reader of the topics and of the files is the judge."""

import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from deploy.stack.kafka import KafkaBroker
from flows.connectors.parquet import PLAYED, read_archive, write_events
from flows.connectors.parts import Listing
from flows.sources import oddsapi_archive
from flows.sources.tally import Tally
from schemas.topics import Topic
from tests.archived import Archived
from tests.system import Child, Sent, wait_for

SLATE = "2026-07-28"
KILLS = 10
REPEATED = 0.1
RUBBISH = 40
CHUNK = 250


@pytest.fixture(scope="session")
def slate(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Sent]:
    """All that became known about the games of a real day, in the order in which it did."""
    root = tmp_path_factory.mktemp("oddsapi")
    write_events(root, oddsapi_archive.events(data_dir, Tally()))
    records = [
        Sent(one.topic, one.game_id.encode(), one.value, one.occurred_at_us // 1000)
        for one in read_archive(root)
        if SLATE in one.game_id
    ]
    assert len(records) > 7_000
    return records


@pytest.fixture
def archived(kafka: KafkaBroker, tmp_path: Path) -> Iterator[Archived]:
    archived = Archived(kafka.bootstrap, tmp_path)
    yield archived
    archived.end()


def with_repeats(records: list[Sent], dice: random.Random) -> list[Sent]:
    """Some of them a second time, somewhere later."""
    out: list[tuple[float, Sent]] = []
    for number, one in enumerate(records):
        out.append((number, one))
        if dice.random() < REPEATED:
            out.append((number + dice.choice((0.5, dice.uniform(1, 2_000))), one))
    return [one for _, one in sorted(out, key=lambda pair: pair[0])]


def assert_whole(archived: Archived, records: list[Sent]) -> None:
    """Held against the topics, and every id of what was sent is in."""
    found = archived.command("verify")
    assert (found["differences"], found["first"]) == (0, None)
    assert (found["kafka"], found["behind"], found["lost"]) == (True, 0, 0)
    rows = {
        topic: archived.assert_holds_the_topic(topic) for topic in PLAYED if any_of(archived, topic)
    }
    ids = {
        (one.topic, json.loads(one.value)["event_id"]) for one in records if one.value is not None
    }
    assert sum(rows.values()) == len(ids)
    assert found["rows"] == len(ids)


def any_of(archived: Archived, topic: Topic) -> bool:
    return any(archived.root.glob(f"topic={topic.value}/date=*/part-*.parquet"))


def test_killed_ten_times_while_a_slate_is_produced(archived: Archived, slate: list[Sent]) -> None:
    dice = random.Random(20_260_728)
    records = with_repeats(slate, dice)
    killed, share = threading.Event(), len(records) // (KILLS + 1)
    rolls: list[int] = []
    due = 0

    def produce() -> None:
        for begin in range(0, len(records), CHUNK):
            # Each one to be killed gets its share, however slow the machine is.
            while begin >= due and not killed.is_set():
                killed.wait(0.02)
            archived.send(records[begin : begin + CHUNK])
            killed.wait(0.1)

    producer = threading.Thread(target=produce, daemon=True)
    producer.start()
    for _ in range(KILLS):
        before = newest(archived)
        due += share
        child = archived.start()
        child.wait_for(lambda before=before: newest(archived) > before, "a roll")  # type: ignore[misc]
        time.sleep(dice.uniform(0.0, 0.6))  # wherever it is by then
        child.kill()
        rolls.append(newest(archived))
    killed.set()
    producer.join()
    child = archived.start(STEAMLINE_ARCHIVE_ROLL_SECONDS="600")
    child.wait_for(lambda: "archiving" in child.said, "at work")
    child.stop(signal.SIGTERM)
    assert newest(archived) > rolls[-1], "what was read is written on the way out"
    archived.command("run", "--once")
    assert len(set(rolls)) == KILLS, "each time it had gone on"
    assert_whole(archived, records)
    held = archived.command("ls")["topics"]
    repeats = sum(one["repeats"] for one in held.values())
    assert repeats == len(records) - len(slate) > 500
    print(f"{len(records)} records, {repeats} repeats, killed after rolls {rolls}")


def newest(archived: Archived) -> int:
    """Rolls of all topics that count so far."""
    return sum(Listing(archived.root, topic.value).newest for topic in Topic)


def test_killed_while_compacting_beside_a_writer(archived: Archived, slate: list[Sent]) -> None:
    dice = random.Random(7)
    done = threading.Event()

    def produce() -> None:
        for begin in range(0, len(slate), CHUNK):
            archived.send(slate[begin : begin + CHUNK])
            done.wait(0.3)

    producer = threading.Thread(target=produce)
    producer.start()
    child = archived.start()
    child.wait_for(lambda: newest(archived) > 10, "some rolls")
    compacting = ("archive", "compact", "--archive", str(archived.root), "--before", "2099-01-01")
    interrupted = 0
    for number in range(6):
        one = Child(archived.folder / f"compact-{number}.log", archived.env, *compacting)
        merged = set(archived.root.glob("topic=*/*/part-*-[0-9]*.parquet"))
        wait_for(
            lambda one=one, merged=merged: (
                not one.alive()  # type: ignore[misc]
                or set(archived.root.glob("topic=*/*/part-*-[0-9]*.parquet")) != merged
            ),
            "a merged file",
        )
        time.sleep(dice.uniform(0.0, 0.02))
        interrupted += one.alive()
        one.kill()
    done.set()
    producer.join()
    child.stop()
    archived.command("run", "--once")
    archived.command("compact", "--before", "2099-01-01")
    assert_whole(archived, slate)
    folders = {path.parent for path in archived.root.glob("topic=*/*/part-*.parquet")}
    assert all(len(list(folder.iterdir())) == 1 for folder in folders)
    print(f"{interrupted} of 6 compactions were killed in the middle")
    assert interrupted > 0


def test_rubbish_is_kept_apart_and_stops_nothing(archived: Archived, slate: list[Sent]) -> None:
    dice = random.Random(3)
    good = [one for one in slate if one.topic is Topic.LINES][:1_000]
    rubbish = [
        Sent(Topic.LINES, b"k", dice.randbytes(dice.randrange(200)), good[0].timestamp_ms)
        for _ in range(RUBBISH)
    ]
    mixed = good + rubbish
    dice.shuffle(mixed)
    archived.send(mixed)
    done = archived.command("run", "--once")
    assert (done["rows"], done["apart"]) == (1_000, RUBBISH)
    apart = pl.concat(
        [pl.read_parquet(path) for path in archived.root.glob("topic=lines/apart/*.parquet")]
    )
    wanted = {
        (partition, offset): value
        for partition, offset, value in archived.on_kafka(Topic.LINES)
        if not value.startswith(b"{")
    }
    kept = apart.select("kafka_partition", "kafka_offset", "value").rows()
    assert {(partition, offset): value for partition, offset, value in kept} == wanted
    assert archived.command("verify")["differences"] == 0
