"""Topics on a real broker, `steamline archive` over them, and what a plain reader makes of both."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from typer.testing import CliRunner

from cli.archive import app
from schemas.topics import Topic
from tests.system import (
    PARTITIONS,
    Child,
    Sent,
    clean_env,
    content,
    create_topics,
    read_topic,
    send,
    steamline,
)

ID_COLUMN = {
    Topic.LINES: "event_id",
    Topic.SPLITS: "event_id",
    Topic.GAMES: "event_id",
    Topic.RESULTS: "event_id",
    Topic.PREDICTIONS: "prediction_id",
    Topic.STAKES: "stake_id",
    Topic.ALERTS: "alert_id",
    Topic.FILLS: "fill_id",
    Topic.SETTLEMENTS: "settlement_id",
    Topic.BANKROLLS: "update_id",
    Topic.DEAD_LETTERS: "letter_id",
}


class Archived:
    """A prefix of its own, a folder, and the commands that a user types."""

    def __init__(self, bootstrap: str, folder: Path, prefix: str | None = None) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix or f"a{uuid.uuid4().hex[:8]}."
        self.folder = folder
        self.root = folder / "live"
        self.children: list[Child] = []
        self.env = clean_env() | {
            "STEAMLINE_HOME": str(folder / "home"),
            "STEAMLINE_KAFKA_BOOTSTRAP": bootstrap,
            "STEAMLINE_KAFKA_PREFIX": self.prefix,
            "STEAMLINE_KAFKA_PARTITIONS": str(PARTITIONS),
        }
        if prefix is None:
            create_topics(bootstrap, [topic.full(self.prefix) for topic in Topic])

    def send(self, records: Iterable[Sent]) -> None:
        send(self.bootstrap, self.prefix, records)

    def start(self, *options: str, **env: str) -> Child:
        """`archive run` in the background; a roll whenever something has come."""
        log = self.folder / f"run-{len(self.children)}.log"
        more = {"STEAMLINE_ARCHIVE_ROLL_SECONDS": "0.1"} | env
        child = Child(log, self.env | more, "archive", "run", "--archive", str(self.root), *options)
        self.children.append(child)
        return child

    def end(self) -> None:
        for child in self.children:
            if child.alive():
                child.kill()

    def command(self, *arguments: str, **env: str) -> Any:
        """The JSON document of a command."""
        told = (*arguments, "--archive", str(self.root), "--json")
        if arguments[0] == "run":  # it takes over the signals of its process
            return json.loads(steamline(self.env | env, self.folder, "archive", *told))
        done = CliRunner().invoke(app, told, env=self.env | env)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return json.loads(done.stdout)

    def refused(self, *arguments: str, limit: Mapping[str, int] | None = None) -> str:
        """The one line of a command that must fail; limit: `ulimit` options."""
        limits = "".join(f"ulimit {name} {value}; " for name, value in (limit or {}).items())
        command = [sys.executable, "-m", "cli.main", "archive", *arguments]
        done = subprocess.run(
            ["bash", "-c", f'{limits}exec "$@"', "-", *command, "--archive", str(self.root)],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, (done.returncode, done.stderr[-2000:])
        (line,) = (one for one in done.stderr.splitlines() if one.startswith("error: "))
        assert "Traceback" not in done.stderr, done.stderr[-2000:]
        return line

    def on_kafka(self, topic: Topic) -> list[tuple[int, int, bytes]]:
        """partition, offset, value of every record of the topic."""
        return [
            (one.partition() or 0, one.offset() or 0, content(one))
            for one in read_topic(self.bootstrap, topic.full(self.prefix))
        ]

    def first_by_id(self, topic: Topic) -> dict[str, tuple[int, int, bytes]]:
        """Of the topic, by a reader that drops repeats: id -> partition, offset, value."""
        found: dict[str, tuple[int, int, bytes]] = {}
        for record in self.on_kafka(topic):
            found.setdefault(json.loads(record[2])[ID_COLUMN[topic]], record)
        return found

    def rows(self, topic: Topic) -> pl.DataFrame:
        """id, partition and offset in the files, by another reader than ours."""
        files = sorted(self.root.glob(f"topic={topic.value}/date=*/part-*.parquet"))
        columns = [ID_COLUMN[topic], "kafka_partition", "kafka_offset"]
        return pl.concat([pl.read_parquet(path, columns=columns) for path in files])

    def assert_holds_the_topic(self, topic: Topic) -> int:
        """Every id of the topic once, from where it stood first; how many."""
        wanted = {name: place[:2] for name, place in self.first_by_id(topic).items()}
        rows = self.rows(topic).rows()
        assert len(rows) == len(wanted)
        assert {name: (partition, offset) for name, partition, offset in rows} == wanted
        return len(rows)
