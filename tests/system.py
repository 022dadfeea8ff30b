"""Steamline as a user runs it: real processes, and clients that share no code with it.

What comes out is read by a plain Kafka consumer and compared by id.
"""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from deploy.demo.slate import Slate
from flows.connectors.parquet import ArchiveRecord
from schemas.topics import INPUTS, Topic

ROOT = Path(__file__).parents[1]
ELECTING = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)
"""A fresh broker has not yet decided who keeps the offsets of a group."""
LEADERLESS = (
    KafkaError._NOENT,  # noqa: SLF001
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
)
"""A broker that has just come back has not yet taken up its partitions."""
PARTITIONS = 4
SLOW_BATCH = 5
SLOW = {
    "STEAMLINE_KAFKA_OPTIONS": json.dumps(
        {"fetch.min.bytes": 1_000_000, "fetch.message.max.bytes": 2_500}
    )
}
"""With `SLOW_BATCH`: the broker waits for bytes that it may not send, so a worker gets a handful
of records a partition every 50 ms, and what is done to it finds it in the middle."""
ID_OF = {
    Topic.GAMES: "event_id",
    Topic.SPLITS: "event_id",
    Topic.LINES: "event_id",
    Topic.RESULTS: "event_id",
    Topic.PREDICTIONS: "prediction_id",
    Topic.STAKES: "stake_id",
    Topic.ALERTS: "alert_id",
    Topic.FILLS: "fill_id",
    Topic.SETTLEMENTS: "settlement_id",
    Topic.BANKROLLS: "update_id",
    Topic.DEAD_LETTERS: "letter_id",
}
DECISIONS = (Topic.PREDICTIONS, Topic.STAKES, Topic.ALERTS)

Decisions = dict[str, bytes]
"""{topic/id: value}"""
Place = tuple[str, int, int]
"""Topic without prefix, partition, offset."""


def wait_for(holds: Callable[[], bool], what: str, seconds: float = 60.0) -> float:
    """Seconds that it took."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() < begun + seconds, f"not {what} within {seconds:.0f} s"
        time.sleep(0.02)
    return time.monotonic() - begun


class Child:
    """One `steamline` command, its output in a file."""

    def __init__(
        self, log: Path, env: Mapping[str, str], *arguments: str, module: str = "cli.main"
    ) -> None:
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=log.parent,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float = 60.0) -> int:
        """Exit status."""
        return self._process.wait(seconds)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Ask it to end, which it must do cleanly; seconds that it took."""
        begun = time.monotonic()
        self.send(number)
        status = self.wait(30)
        assert status == 0, f"exit {status} on {number.name}: {self.said[-2000:]}"
        return time.monotonic() - begun

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def wait_for(self, holds: Callable[[], bool], what: str, seconds: float = 60.0) -> float:
        """As `wait_for`, and the process must live on."""

        def holds_and_lives() -> bool:
            assert self.alive(), f"ended while waited for {what}: {self.said[-2000:]}"
            return holds()

        return wait_for(holds_and_lives, what, seconds)


def scraped(child: Child) -> dict[str, float]:
    """Every metric that it serves, by its name and labels, as Prometheus would see it."""
    url = next(word for word in child.said.split() if word.endswith("/metrics"))
    lines = httpx.get(url, timeout=10).text.splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


@dataclass(frozen=True)
class Trained:
    """A home whose registry has champions, and the archive they come from."""

    home: Path
    archive: Path
    slate: Slate
    tracking_uri: str

    @property
    def env(self) -> dict[str, str]:
        """For every command: nothing of the developer's own settings, and these."""
        return clean_env() | {
            "STEAMLINE_HOME": str(self.home),
            "STEAMLINE_MLFLOW_TRACKING_URI": self.tracking_uri,
            # So few games promote no model, and stakes are to be seen.
            "STEAMLINE_STAKING_PAPER": "true",
        }


def clean_env() -> dict[str, str]:
    ours = ("STEAMLINE_", "BYTEWAX_", "RUST_")
    env = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return env | {"PYTHONPATH": str(ROOT)}


def steamline(env: Mapping[str, str], cwd: Path, *arguments: str) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=cwd,
        env=dict(env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@dataclass(frozen=True)
class Sent:
    """One record for an input topic."""

    topic: Topic
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: list[tuple[str, str | bytes | None]] = field(default_factory=list)


def sent(records: Iterable[ArchiveRecord], topics: Iterable[Topic] = INPUTS) -> list[Sent]:
    """Archived events as a source would send them, results left out unless asked for."""
    return [
        Sent(one.topic, one.game_id.encode(), one.value, one.occurred_at_us // 1000)
        for one in records
        if one.topic in topics
    ]


class Site:
    """Topics of its own on a broker, a recovery folder, and the processes that use them."""

    def __init__(
        self,
        trained: Trained | None,
        bootstrap: str,
        redis_url: str | None,
        folder: Path,
        batch: int = 10_000,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """batch: records that the broker gets, keeps and gives away together.

        trained, redis_url: none where no process of the site needs them.
        """
        self.bootstrap, self.batch = bootstrap, batch
        self.prefix = f"s{uuid.uuid4().hex[:8]}."
        self.folder = folder / self.prefix.rstrip(".")
        self.folder.mkdir()
        self.recovery = self.folder / "recovery"
        self.children: list[Child] = []
        home = {"STEAMLINE_HOME": str(self.folder)}
        self.env = (
            (clean_env() | home if trained is None else trained.env)
            | {
                "STEAMLINE_KAFKA_BOOTSTRAP": bootstrap,
                "STEAMLINE_KAFKA_PREFIX": self.prefix,
                "STEAMLINE_KAFKA_PARTITIONS": str(PARTITIONS),
                "STEAMLINE_REDIS_URL": redis_url or "",
                "STEAMLINE_REDIS_PREFIX": self.prefix,
            }
            | dict(env or {})
        )

    def __enter__(self) -> "Site":
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.children:
            if child.alive():
                child.kill()

    def create(self, topics: Iterable[Topic] = tuple(Topic)) -> None:
        create_topics(self.bootstrap, [topic.full(self.prefix) for topic in topics])

    def create_one(self, topic: Topic, partitions: int = PARTITIONS, **config: str) -> None:
        create_topics(self.bootstrap, [topic.full(self.prefix)], partitions, **config)

    def send(self, records: Iterable[Sent]) -> list[Place]:
        """As `send`."""
        return send(self.bootstrap, self.prefix, records, self.batch)

    def start(self, *arguments: str, **env: str) -> Child:
        log = self.folder / f"{len(self.children)}-{arguments[0]}.log"
        child = Child(log, self.env | env, *arguments)
        self.children.append(child)
        return child

    def worker(self, **env: str) -> Child:
        return self.start("run", "score", "--recovery", str(self.recovery), **env)

    def run_to_end(self) -> Child:
        """A worker from start to the end of the input, stopped cleanly."""
        worker = self.worker()
        with Lag(self) as lag:
            worker.wait_for(lambda: lag.behind() == 0, "all input scored", 120)
        worker.stop()
        return worker

    def read(self, topic: Topic) -> list[Message]:
        return read_topic(self.bootstrap, topic.full(self.prefix))

    def decisions(self, topics: Iterable[Topic] = DECISIONS) -> Decisions:
        """What was decided, by topic and id; one id must not stand for two values."""
        found: Decisions = {}
        for topic in topics:
            for message in self.read(topic):
                name = f"{topic}/{identity(topic, message)}"
                value = content(message)
                assert found.setdefault(name, value) == value, f"two values of {name}"
        return found

    def letters(self) -> list[dict[str, Any]]:
        return [json.loads(content(message)) for message in self.read(Topic.DEAD_LETTERS)]


def send(bootstrap: str, prefix: str, records: Iterable[Sent], batch: int = 10_000) -> list[Place]:
    """By a plain producer; all are on the broker when it returns, each at its place."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 50,
            "batch.num.messages": batch,
            "partitioner": "murmur2_random",
            # Without it a batch that is sent again lands behind later ones.
            "enable.idempotence": True,
            "message.max.bytes": 2_000_000,
        }
    )
    names = {topic: topic.full(prefix) for topic in Topic}
    places: dict[int, Place] = {}

    def delivered(number: int, topic: Topic, error: object, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        assert error is None, error
        assert partition is not None
        assert offset is not None
        places[number] = (topic.value, partition, offset)

    for number, one in enumerate(records):
        producer.produce(
            names[one.topic],
            one.value,
            one.key,
            timestamp=one.timestamp_ms,
            headers=one.headers,
            on_delivery=partial(delivered, number, one.topic),
        )
        if number % 500 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0
    return [places[number] for number in range(len(places))]


class Ends:
    """The ends of some topics, in one question to the broker: cheap enough to ask often."""

    def __init__(self, site: Site, topics: Iterable[Topic]) -> None:
        self.partitions = [
            TopicPartition(topic.full(site.prefix), partition)
            for topic in topics
            for partition in range(PARTITIONS)
        ]
        self._admin = AdminClient({"bootstrap.servers": site.bootstrap})
        self._known = 0

    def __call__(self) -> int:
        """Records written so far; as last known while the broker has no leaders to ask."""
        asked = {one: OffsetSpec.latest() for one in self.partitions}  # type: ignore[no-untyped-call]
        answers = self._admin.list_offsets(asked, request_timeout=10).values()
        try:
            self._known = sum(int(answer.result().offset) for answer in answers)
        except KafkaException as bad:
            if bad.args[0].code() not in LEADERLESS:
                raise
            self._admin.list_topics(timeout=10)  # asks anew who leads
        return self._known


def count_of(site: Site) -> Ends:
    """How many decisions were written, repeats included."""
    return Ends(site, DECISIONS)


class Lag:
    """How far a worker is, as any lag tool sees it: from the offsets of its consumer group."""

    def __init__(
        self, site: Site, group: str = "steamline-score", topics: Iterable[Topic] = INPUTS
    ) -> None:
        self._ends = Ends(site, topics)
        self._consumer = Consumer({"bootstrap.servers": site.bootstrap, "group.id": group})

    def __enter__(self) -> "Lag":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def done(self) -> int:
        """Records committed as done."""
        try:
            committed = self._consumer.committed(self._ends.partitions, timeout=10)
        except KafkaException as bad:
            if bad.args[0].code() not in ELECTING:
                raise
            return 0
        return sum(max(part.offset, 0) for part in committed)

    def behind(self) -> int:
        return self._ends() - self.done()


def create_topics(
    bootstrap: str, names: Iterable[str], partitions: int = PARTITIONS, **config: str
) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    # The games are of the past, and retention counts from event time.
    settings = {"retention.ms": "-1"} | {
        key.replace("_", "."): value for key, value in config.items()
    }
    topics = [NewTopic(name, partitions, 1, config=settings) for name in names]
    for done in admin.create_topics(topics).values():
        done.result(30)


def read_topic(bootstrap: str, name: str) -> list[Message]:
    """Every record of a topic as it stands now, partition after partition."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "reader", "auto.offset.reset": "error"}
    )
    try:
        parts = consumer.list_topics(name, timeout=10).topics[name].partitions
        start, left = [], 0
        for part in parts:
            low, high = consumer.get_watermark_offsets(TopicPartition(name, part), timeout=10)
            start.append(TopicPartition(name, part, low))
            left += high - low
        consumer.assign(start)
        found: list[Message] = []
        while len(found) < left:
            for message in consumer.consume(min(left - len(found), 5_000), timeout=5.0):
                assert message.error() is None, message.error()
                found.append(message)
        return sorted(found, key=lambda one: (one.partition() or 0, one.offset() or 0))
    finally:
        consumer.close()


def content(message: Message) -> bytes:
    value = message.value()
    assert isinstance(value, bytes)
    return value


def identity(topic: Topic, message: Message) -> str:
    """The id in the value, which the header must repeat."""
    named = json.loads(content(message))[ID_OF[topic]]
    assert dict(message.headers() or ())["id"] == named.encode()
    return str(named)
