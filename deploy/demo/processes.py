"""The processes that a user would start, under topics of their own."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.request import urlopen

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.stack.process import free_port
from flows.connectors.kafka import SCORE_GROUP
from schemas.errors import DependencyDown
from schemas.sections.servers import KafkaSettings
from schemas.settings import Settings
from schemas.topics import CONTRACTS, INPUTS, Topic

STOP_SECONDS = 20.0

_ELECTING = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}


class Run:
    """One demo run: its own topic prefix, recovery folder and child processes."""

    def __init__(self, settings: Settings) -> None:
        """settings: with the stack's addresses filled in."""
        self.name = f"demo-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
        kafka = settings.kafka.model_copy(update={"prefix": f"{settings.kafka.prefix}{self.name}."})
        self.settings = settings.model_copy(update={"kafka": kafka})
        self._folder = tempfile.TemporaryDirectory(prefix="steamline-demo-")
        self._children: list[subprocess.Popen[bytes]] = []
        self.log = settings.home / "logs" / "demo.log"

    def __enter__(self) -> Self:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()
        self._drop_topics()
        self._folder.cleanup()

    def start_worker(self) -> None:
        self._start("run", "score", "--recovery", str(Path(self._folder.name) / "score"))

    def start_api(self, wanted_port: int) -> str:
        """The board's address, once it answers; another port where the wanted one is taken."""
        host = self.settings.api.host
        port = free_port(wanted_port or None, host)
        address = f"http://{host}:{port}"
        self._start("api", "--host", host, "--port", str(port))
        self.wait_for(lambda: _answers(f"{address}/health"), "the API to listen")
        return address

    def _start(self, *arguments: str) -> None:
        environment = {
            **os.environ,
            "STEAMLINE_KAFKA_PREFIX": self.settings.kafka.prefix,
            "STEAMLINE_REDIS_PREFIX": f"{self.settings.redis.prefix}:{self.name}",
            # Its models are fresh from training; stakes are marked so.
            "STEAMLINE_STAKING_PAPER": "true",
        }
        with self.log.open("ab") as log:
            self._children.append(
                subprocess.Popen(
                    [sys.executable, "-m", "cli.main", *arguments],
                    env=environment,
                    stdout=log,
                    stderr=log,
                    # Ctrl-C in the terminal must reach only the demo, which stops them in order.
                    start_new_session=True,
                )
            )

    def wait_for(self, ready: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
        """Raises DependencyDown when a child ends first, or time runs out."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise DependencyDown(f"waited {seconds:.0f} s for {what}; see {self.log}")
            time.sleep(0.05)

    def check(self) -> None:
        """Raises DependencyDown when a child has ended."""
        if any(child.poll() is not None for child in self._children):
            raise DependencyDown(f"a process ended; see {self.log}:\n{self._last_words()}")

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])

    def stop(self) -> None:
        """SIGTERM to all, in the order they were started; SIGKILL to what does not end."""
        for child in self._children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in self._children:
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._children.clear()

    def _drop_topics(self) -> None:
        names = [topic.full(self.settings.kafka.prefix) for topic in CONTRACTS]
        for future in (
            AdminClient(self.settings.kafka.client_config()).delete_topics(names).values()
        ):
            try:
                future.result(timeout=10)
            except KafkaException:
                # The embedded broker cannot, and forgets them anyway when it stops.
                continue


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1):
            return True
    except OSError:
        return False


class Progress:
    """How far the score worker has read, by the offsets it commits."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._consumer = Consumer({**kafka.client_config(), "group.id": SCORE_GROUP})
        self._partitions = [
            TopicPartition(name, partition)
            for name in (topic.full(kafka.prefix) for topic in INPUTS)
            for partition in self._consumer.list_topics(name, timeout=10).topics[name].partitions
        ]

    def _committed(self) -> list[TopicPartition] | None:
        """None while the broker is still electing who keeps the offsets."""
        try:
            return self._consumer.committed(self._partitions, timeout=10)
        except KafkaException as bad:
            if bad.args[0].code() not in _ELECTING:
                raise
            return None

    def started(self) -> bool:
        """Whether the worker has taken up its partitions."""
        committed = self._committed()
        return committed is not None and all(part.offset >= 0 for part in committed)

    def behind(self) -> int | None:
        """Events in the input topics that the worker has not finished; none when unknown now."""
        committed = self._committed()
        if committed is None:
            return None
        return sum(
            self._consumer.get_watermark_offsets(part, timeout=10)[1] - max(part.offset, 0)
            for part in committed
        )

    def close(self) -> None:
        self._consumer.close()


def read_all(kafka: KafkaSettings, topic: Topic) -> list[bytes]:
    """Every value of a topic as it stands now."""
    consumer = Consumer(
        {**kafka.client_config(), "group.id": "steamline-demo", "enable.auto.commit": False}
    )
    name = topic.full(kafka.prefix)
    try:
        parts = consumer.list_topics(name, timeout=10).topics[name].partitions
        ends = {
            part: consumer.get_watermark_offsets(TopicPartition(name, part), timeout=10)
            for part in parts
        }
        consumer.assign([TopicPartition(name, part, low) for part, (low, _) in ends.items()])
        left = sum(high - low for low, high in ends.values())
        values: list[bytes] = []
        while len(values) < left:
            for message in consumer.consume(min(left - len(values), 10_000), timeout=1.0):
                if message.error() is not None:
                    raise KafkaException(message.error())
                value = message.value()
                values.append(value if isinstance(value, bytes) else b"")
        return values
    finally:
        consumer.close()
