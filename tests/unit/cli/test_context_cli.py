"""`steamline data context` and `steamline run context`."""

import json
from pathlib import Path

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from cli.main import app
from flows.connectors.parquet import read_archive
from schemas.topics import Topic
from tests.unit.flows.test_context import PLAYED, SECOND, archive, at, seen

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for key in ("STEAMLINE_DATA", "STEAMLINE_HOME"):
        monkeypatch.delenv(key, raising=False)


def contexts(root: Path) -> int:
    return sum(b'"source":"context"' in one.value for one in read_archive(root, [Topic.GAMES]))


def test_simulated_archives_have_context_unless_told_otherwise() -> None:
    shape = ["data", "simulate", "--days", "2", "--games", "3", "--out", "here"]
    assert RUNNER.invoke(app, [*shape, "--no-context"]).exit_code == 0
    assert contexts(Path("here")) == 0
    done = RUNNER.invoke(app, ["data", "context", "here", "--json"])
    said = json.loads(done.stdout)
    # Three games of new clubs on the first day; of the second, those whose clubs have played.
    assert 1 <= said["contexts"] <= 3
    assert contexts(Path("here")) == said["contexts"]
    assert RUNNER.invoke(app, shape).exit_code == 0
    again = RUNNER.invoke(app, ["data", "context", "here", "--json"])
    assert json.loads(again.stdout)["fingerprint"] == said["fingerprint"]


def test_a_real_archive_without_history_says_so(tmp_path: Path) -> None:
    archive(tmp_path / "here", [*PLAYED, seen(SECOND, at(20, 18), at(21, 23))])
    done = RUNNER.invoke(app, ["data", "context", "here"])
    assert done.exit_code == 0
    assert "here: 1 contexts of 2 games" in done.stdout
    assert "STEAMLINE_DATA is not set" in done.stderr


def test_no_archive_is_one_line() -> None:
    done = RUNNER.invoke(app, ["data", "context", "nowhere"])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: nowhere/archive.json: missing")
    assert done.stderr.count("\n") == 1


def test_todays_contexts_go_to_kafka(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock_kafka: str
) -> None:
    monkeypatch.setenv("STEAMLINE_KAFKA_BOOTSTRAP", mock_kafka)
    monkeypatch.setenv("STEAMLINE_KAFKA_PREFIX", "contextcli.")
    admin = AdminClient({"bootstrap.servers": mock_kafka})
    for topic in Topic:  # asked for, a topic of the mock exists
        admin.list_topics(topic.full("contextcli."), timeout=10)
    archive(tmp_path / "here", [*PLAYED, seen(SECOND, at(20, 18), at(21, 23))])
    command = ["run", "context", "--archive", "here", "--at", "2026-07-21T12:00", "--json"]
    done = RUNNER.invoke(app, command)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["games"] == [SECOND]
    consumer = Consumer(
        {"bootstrap.servers": mock_kafka, "group.id": "t", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["contextcli.games"])
    message = None
    for _ in range(60):
        message = consumer.poll(0.5)
        if message is not None:
            break
    consumer.close()
    assert message is not None
    assert message.error() is None
    key, value = message.key(), message.value()
    assert key is not None
    assert value is not None
    assert (bytes(key) if isinstance(key, bytes) else key.encode()) == SECOND.encode()
    assert json.loads(value)["context"]["home_season"] == 1.0
    assert message.timestamp()[1] == at(21, 12) // 1_000
