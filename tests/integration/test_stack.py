"""The local stack: up, used by real clients, down, and what happens in between."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pydantic import SecretStr
from redis import Redis

from deploy.stack import StackState, down, resolve, status, up
from deploy.stack.process import listens
from deploy.stack.state import NAMES, read
from flows.connectors.migrations import require_current
from schemas.errors import DependencyDown
from schemas.sections.servers import KafkaSettings, PostgresSettings, RedisSettings
from schemas.settings import Settings

Said = list[str]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings(kafka_libs: Path, server_home: Path) -> Iterator[Settings]:
    """A stack of its own in a temporary home, with the cached jars; taken down at the end."""
    home = server_home
    (home / "kafka").mkdir()
    shutil.copytree(kafka_libs, home / "kafka" / "libs", copy_function=_link)
    settings = _settings(home)
    yield settings
    down(settings)


def _link(source: str, target: str) -> None:
    """Sparing 44 MB of copies, where both are on one file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _settings(home: Path, **sections: object) -> Settings:
    """Whatever the environment of the developer says, nothing is configured but the home."""
    unset: dict[str, object] = {
        "kafka": KafkaSettings(),
        "redis": RedisSettings(),
        "postgres": PostgresSettings(),
    }
    return Settings.model_validate({"home": home, **unset, **sections})


def _secret(value: object) -> str:
    return str(value.get_secret_value()) if hasattr(value, "get_secret_value") else ""


def _produce(bootstrap: str, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(topic, value)
    assert producer.flush(20) == 0


def _first(bootstrap: str, topic: str) -> bytes | None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "test",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    try:
        message = consumer.poll(20)
        assert message is not None
        assert message.error() is None
        return message.value()
    finally:
        consumer.close()


def _create(bootstrap: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)


async def _select(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def _log_and_read_a_metric(tracking_uri: str, artifacts: str | None) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking_uri)
    experiment = client.create_experiment("stack", artifact_location=artifacts)
    run = client.create_run(experiment).info.run_id
    client.log_metric(run, "log_loss", 0.68)
    client.log_text(run, "kept", "note.txt")
    assert client.get_run(run).data.metrics == {"log_loss": 0.68}
    assert artifacts
    assert [path.read_text() for path in Path(artifacts).rglob("note.txt")] == ["kept"]


def _processes(state: StackState) -> list[psutil.Process]:
    """The servers and all that they started."""
    mains = [psutil.Process(server.process.pid) for server in state.servers.values()]
    return mains + [child for main in mains for child in main.children(recursive=True)]


def test_up_serves_real_clients_and_down_leaves_nothing(settings: Settings) -> None:
    state = up(settings)
    assert set(state.servers) == set(NAMES)
    assert all(server.problem is None for server in status(settings).values())
    filled = resolve(settings)
    processes = _processes(state)

    with Redis.from_url(_secret(filled.redis.url)) as redis:
        assert redis.ping()
    dsn = _secret(filled.postgres.dsn)
    assert asyncio.run(_select(dsn, "select current_database()")) == "steamline"
    bootstrap = filled.kafka.bootstrap
    assert bootstrap
    _create(bootstrap, "mine")
    _produce(bootstrap, "mine", b"hello")
    assert _first(bootstrap, "mine") == b"hello"
    _log_and_read_a_metric(_secret(filled.mlflow.tracking_uri), filled.mlflow.artifacts)

    down(settings)
    assert not any(listens(server.port) for server in state.servers.values())
    alive = [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert alive == []
    assert {server.origin for server in status(settings).values()} == {"none"}
    assert resolve(settings).kafka.bootstrap is None


def test_up_twice_changes_nothing(settings: Settings) -> None:
    assert up(settings) == up(settings)


def test_data_and_addresses_survive_down_and_up(settings: Settings) -> None:
    before = up(settings)
    assert before.bootstrap
    assert before.postgres_dsn
    require_current(PostgresSettings(dsn=SecretStr(before.postgres_dsn)))
    _create(before.bootstrap, "kept")
    _produce(before.bootstrap, "kept", b"still here")
    asyncio.run(_select(before.postgres_dsn, "create table kept as select 7 as seven"))
    down(settings)

    after = up(settings)
    assert (after.bootstrap, after.redis_url, after.postgres_dsn) == (
        before.bootstrap,
        before.redis_url,
        before.postgres_dsn,
    )
    assert _first(before.bootstrap, "kept") == b"still here"
    assert asyncio.run(_select(before.postgres_dsn, "select seven from kept")) == 7


def test_up_repairs_killed_servers_in_place(settings: Settings) -> None:
    before = up(settings)
    assert before.bootstrap
    assert before.postgres_dsn
    _create(before.bootstrap, "kept")
    _produce(before.bootstrap, "kept", b"still here")
    before.servers["kafka"].process.kill()
    before.servers["postgres"].process.kill()
    assert status(settings)["kafka"].problem is not None

    said: Said = []
    after = up(settings, said.append)
    assert sorted(line.partition(" ")[0] for line in said) == ["kafka", "postgres"]
    assert after.bootstrap == before.bootstrap
    assert after.servers["redis"] == before.servers["redis"]
    assert _first(before.bootstrap, "kept") == b"still here"
    assert asyncio.run(_select(before.postgres_dsn, "select 1")) == 1


def test_a_stranger_with_the_pid_of_a_server_is_left_alone(settings: Settings) -> None:
    """After a reboot the pid in the state file may be anybody's; here it is this test's."""
    state = up(settings)
    for server in state.servers.values():
        server.process.kill()
    path = settings.home / "stack.json"
    pid = state.servers["kafka"].process.pid
    path.write_text(path.read_text().replace(f'"pid": {pid}', f'"pid": {os.getpid()}'))
    down(settings)
    assert not read(settings.home).servers


def test_without_java_the_embedded_broker_serves_and_says_its_limits(
    server_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(_path_without_java(server_home)))
    settings = _settings(server_home)
    said: Said = []
    try:
        state = up(settings, said.append)
        assert state.servers["kafka"].kind == "embedded"
        assert ["no java on PATH" in line and "5 MB" in line for line in said] == [True]
        assert state.bootstrap
        _produce(state.bootstrap, "any", b"hello")
        assert _first(state.bootstrap, "any") == b"hello"
        assert up(settings, said.append) == state
    finally:
        down(settings)
    assert not listens(state.servers["kafka"].port)


def _path_without_java(folder: Path) -> Path:
    """Only what the servers need: useradd, when this runs as root."""
    useradd = shutil.which("useradd")
    (folder / "bin").mkdir()
    if useradd:
        (folder / "bin" / "useradd").symlink_to(useradd)
    return folder / "bin"


def test_servers_that_the_settings_name_are_used_not_started(
    server_home: Path, mock_kafka: str, redis_url: str
) -> None:
    settings = _settings(
        server_home,
        kafka={"bootstrap": mock_kafka},
        redis={"url": redis_url},
        postgres={"dsn": "postgresql://nobody:secret@127.0.0.1:1/none"},
        mlflow={"tracking_uri": "sqlite://"},
    )
    assert up(settings).servers == {}
    report = status(settings)
    assert {server.origin for server in report.values()} == {"configured"}
    assert report["kafka"].problem is None
    assert report["redis"].problem is None
    refused = report["postgres"].problem
    assert refused
    assert "secret" not in refused
    assert resolve(settings).kafka.bootstrap == mock_kafka


def test_a_server_that_cannot_start_is_named_and_the_others_can_be_stopped(
    server_home: Path, mock_kafka: str
) -> None:
    settings = _settings(server_home, kafka={"bootstrap": mock_kafka})
    (settings.home / "postgres" / "data").mkdir(parents=True)
    (settings.home / "postgres" / "initialised").touch()
    with pytest.raises(DependencyDown, match="postgres"):
        up(settings)
    assert set(read(settings.home).servers) == {"redis"}
    down(settings)


def _steamline(home: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=ROOT,
        env={**os.environ, "STEAMLINE_HOME": str(home), **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_one_json_document_and_its_exit_status(
    server_home: Path, mock_kafka: str
) -> None:
    kafka = {"STEAMLINE_KAFKA_BOOTSTRAP": mock_kafka}
    before = _steamline(server_home, "stack", "status", "--json", **kafka)
    assert before.returncode == 1
    assert json.loads(before.stdout)["servers"]["redis"]["problem"] == "not started"

    started = _steamline(server_home, "stack", "up", "--json", **kafka)
    assert started.returncode == 0
    report = json.loads(started.stdout)
    assert report["up"]
    assert report["servers"]["kafka"]["origin"] == "configured"
    with Redis.from_url(report["redis_url"]) as redis:
        assert redis.ping()

    stopped = _steamline(server_home, "stack", "down", "--json")
    assert (stopped.returncode, json.loads(stopped.stdout)) == (0, {"stopped": True})


def test_a_wrong_setting_is_one_line(server_home: Path) -> None:
    run = _steamline(server_home, "stack", "up", STEAMLINE_API_PORT="70000")
    assert run.returncode == 1
    assert len(run.stderr.splitlines()) == 1
    assert "STEAMLINE_API_PORT" in run.stderr
