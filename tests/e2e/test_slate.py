"""A day's events by an independent client; decisions read back from Kafka and from the feed."""

import json
import re
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from httpx_sse import connect_sse

from deploy.stack.kafka import KafkaBroker
from flows.connectors.parquet import read_archive
from schemas.topics import Topic
from tests.system import Lag, Sent, Site, Trained, content, sent, wait_for

KCAT = shutil.which("kcat")


def with_kcat(site: Site, records: list[Sent]) -> None:
    """Key and value by kcat, which sets the time of sending and no headers."""
    topic = records[0].topic.full(site.prefix)
    lines = [f"{(one.key or b'').decode()}\t{(one.value or b'').decode()}" for one in records]
    command = [KCAT or "kcat", "-P", "-b", site.bootstrap, "-t", topic, "-K", "\t"]
    subprocess.run(command, input="\n".join(lines), text=True, check=True)


def schedule_and_lines(trained: Trained) -> tuple[list[Sent], list[Sent]]:
    """The first announcement of each game of the slate, and its lines until three hours before."""
    games: dict[bytes, Sent] = {}
    starts: dict[bytes, int] = {}
    lines: list[Sent] = []
    for one in sent(read_archive(trained.archive, games=set(trained.slate.games))):
        assert one.key is not None
        assert one.value is not None
        if one.topic is Topic.GAMES and one.key not in games:
            event = json.loads(one.value) | {"settles": True, "quotes_stand": False}
            games[one.key] = replace(one, value=json.dumps(event).encode())
            starts[one.key] = event["start_time_us"] // 1000
        elif one.topic is Topic.LINES and one.timestamp_ms < starts[one.key] - 3 * 3_600_000:
            lines.append(one)
    return list(games.values()), lines


class Follower:
    """A reader of the feed in a thread: {id: value} of the predictions it was told."""

    def __init__(self, url: str) -> None:
        self.predictions: dict[str, dict[str, object]] = {}
        self.started = threading.Event()
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._follow, args=(url,), daemon=True)
        self._thread.start()

    def _follow(self, url: str) -> None:
        with (
            httpx.Client(timeout=httpx.Timeout(5.0, read=30.0)) as client,
            connect_sse(client, "GET", url) as source,
        ):
            for event in source.iter_sse():
                if event.event == "snapshot":
                    self.started.set()
                if event.event == "prediction":
                    value = event.json()
                    assert value["prediction_id"] not in self.predictions, "told twice"
                    self.predictions[value["prediction_id"]] = value
                if self.over.is_set():
                    return

    def stop(self) -> None:
        self.over.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.mark.skipif(KCAT is None, reason="kcat is not installed")
def test_kafka_and_the_feed_say_the_same(
    kafka: KafkaBroker, redis_url: str, trained: Trained, tmp_path: Path
) -> None:
    games, lines = schedule_and_lines(trained)
    with Site(trained, kafka.bootstrap, redis_url, tmp_path) as site:
        site.create()
        api = site.start("api", "--port", "0")
        api.wait_for(lambda: "Board: " in api.said, "an API that listens")
        found = re.search(r"Board: (http\S+)/", api.said)
        assert found is not None
        base = found.group(1)
        wait_for(lambda: httpx.get(f"{base}/ready").status_code == 200, "an API that caught up")
        follower = Follower(f"{base}/v1/feed")
        wait_for(follower.started.is_set, "the feed's snapshot")

        # Any value would switch a web server of Bytewax's on, which writes into the folder.
        worker = site.worker(BYTEWAX_DATAFLOW_API_ENABLED="0")
        with_kcat(site, games)
        with_kcat(site, lines)
        with Lag(site) as lag:
            worker.wait_for(lambda: lag.behind() == 0, "all input scored", 120)
        worker.stop()
        on_kafka = {
            value["prediction_id"]: value
            for value in (json.loads(content(one)) for one in site.read(Topic.PREDICTIONS))
        }
        assert site.letters() == []
        assert {value["game_id"] for value in on_kafka.values()} == {
            (one.key or b"").decode() for one in games
        }
        wait_for(lambda: len(follower.predictions) >= len(on_kafka), "the feed to tell them all")
        follower.stop()
        assert follower.predictions == on_kafka
        assert list(worker.log.parent.glob("*.json")) == []
