"""A whole slate: every kind of message in Kafka and in the feed, and on the embedded broker."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse

from deploy.stack.kafka import KafkaBroker
from schemas.topics import Topic
from tests.system import DECISIONS, ID_OF, Site, Trained, clean_env, sent, wait_for

FEED = {Topic.PREDICTIONS: "prediction", Topic.STAKES: "stake", Topic.ALERTS: "alert"}
SUMMARY = {
    "events",
    "dead_letters",
    "games",
    "predictions",
    "stakes",
    "model_log_loss",
    "market_log_loss",
    "seconds",
    "events_per_second",
    "simulated",
}


@pytest.fixture
def site(kafka: KafkaBroker, redis_url: str, trained: Trained, tmp_path: Path) -> Iterator[Site]:
    # The client shall see every message, so it may be as far behind as it likes.
    roomy = {"STEAMLINE_API_RING": "100000", "STEAMLINE_API_CLIENT_QUEUE": "100000"}
    with Site(trained, kafka.bootstrap, redis_url, tmp_path, env=roomy) as site:
        site.create()
        yield site


class Listener:
    """A client of the feed; what it was sent, by name of the event and id."""

    def __init__(self, address: str) -> None:
        self.seen: dict[str, dict[str, Any]] = {}
        self.others: list[str] = []
        self.connected = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(address,), daemon=True)
        self._thread.start()

    def _listen(self, address: str) -> None:
        id_of = {FEED[topic]: ID_OF[topic] for topic in DECISIONS}
        with (
            httpx.Client(timeout=30) as client,
            connect_sse(client, "GET", f"{address}/v1/feed") as source,
        ):
            for event in source.iter_sse():
                # Locks are alerts with a name of their own in the feed.
                kind = "alert" if event.event in ("locked", "unlocked") else event.event
                if kind in id_of:
                    message = event.json()
                    name = f"{kind}/{message[id_of[kind]]}"
                    assert name not in self.seen, f"sent twice: {name}"
                    self.seen[name] = message
                else:
                    self.others.append(event.event)
                    self.connected.set()
                if self._stop.is_set():
                    return

    def stop(self) -> None:
        """Ends at the next heartbeat."""
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


def serve(site: Site) -> str:
    """Address of a real API process, once it is ready."""
    api = site.start("api", "--port", "0", STEAMLINE_API_HEARTBEAT_MS="500")
    api.wait_for(lambda: "Board: " in api.said, "listening")
    address = api.said.partition("Board: ")[2].split()[0].rstrip("/")
    api.wait_for(lambda: httpx.get(f"{address}/ready", timeout=5).status_code == 200, "ready")
    return address


def test_feed_and_topics_say_the_same(site: Site, trained: Trained) -> None:
    records = sent(trained.slate.records())
    address = serve(site)
    listener = Listener(address)
    wait_for(listener.connected.is_set, "connected")
    site.send(records)
    site.run_to_end()
    assert site.letters() == []
    written = {
        f"{FEED[Topic(name.partition('/')[0])]}/{name.partition('/')[2]}": json.loads(value)
        for name, value in site.decisions().items()
    }
    predictions = [one for name, one in written.items() if name.startswith("prediction/")]
    assert {one["game_id"] for one in predictions} == {
        one.key.decode() for one in records if one.key is not None
    }
    assert all(one["simulated"] for one in written.values())
    wait_for(lambda: len(listener.seen) >= len(written), "all seen in the feed")
    listener.stop()
    assert listener.seen.keys() == written.keys()
    assert listener.seen == written
    assert "gap" not in listener.others
    assert listener.others[0] == "snapshot"

    # And the board, asked afterwards, stands at the newest of them.
    for game_id in {one["game_id"] for one in predictions}:
        newest: dict[str, dict[str, Any]] = {}
        for one in predictions:
            known = newest.get(one["target"])
            if one["game_id"] == game_id and (known is None or one["position"] > known["position"]):
                newest[one["target"]] = one
        board = httpx.get(f"{address}/v1/games/{game_id}", timeout=10).json()
        row = board["game"]["markets"]["moneyline"]["model"]
        assert row["probability"] == newest["moneyline"]["probability"]
    print(f"{len(records)} events, {len(predictions)} predictions, {len(written)} messages")


def demo(env: dict[str, str], cwd: Path) -> tuple[dict[str, Any], str]:
    """The document on standard output, and what was said on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "demo", "--once", "--json"],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document, done.stderr


@pytest.mark.long
def test_demo_on_the_embedded_broker_loses_nothing(
    trained: Trained, database: str, tmp_path: Path
) -> None:
    home, nothing = tmp_path / "home", tmp_path / "bin"
    nothing.mkdir()
    shutil.copytree(trained.archive, home / "archive" / "simulator")
    env = clean_env() | {
        "STEAMLINE_HOME": str(home),
        "STEAMLINE_MLFLOW_TRACKING_URI": f"sqlite:///{home}/mlflow.db",
        "STEAMLINE_POSTGRES_DSN": database,
        "PATH": str(nothing),
    }
    summary, said = demo(env, tmp_path)
    print(summary)
    assert "no java on PATH" in said
    assert summary.keys() >= SUMMARY
    assert summary["simulated"] is True
    # The broker drops what it has no room for without a word: all that was sent must have come.
    assert summary["events"] == len(sent(trained.slate.records()))
    assert summary["dead_letters"] == 0
    assert summary["games"] == len(trained.slate.games)
    assert summary["predictions"] % 4 == 0
    assert summary["stakes"] + summary["stakes_refused"] >= 6 * summary["games"]
    assert 0.2 < summary["model_log_loss"] < 1.2
    assert 0.2 < summary["market_log_loss"] < 1.2
    assert json.loads((home / "stack.json").read_text())["servers"] == {}, "something still runs"
