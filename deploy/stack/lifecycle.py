"""Start, stop and look at the local stack: Kafka, Redis and Postgres without Docker.

A server that the settings name wins: it is used as it is, and never started or stopped here.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from deploy.stack import probe
from deploy.stack.embedded import LIMITS, EmbeddedBroker
from deploy.stack.kafka import KafkaBroker, fetch_jars, kafka_available
from deploy.stack.postgres import PostgresServer
from deploy.stack.redis import RedisServer
from deploy.stack.state import NAMES, Name, Server, StackState, alone, artifacts, read, write
from schemas.errors import DependencyDown
from schemas.sections.servers import PostgresSettings
from schemas.settings import Settings

Say = Callable[[str], None]


class ServerStatus(BaseModel):
    """`problem` is None when it answers."""

    model_config = ConfigDict(frozen=True)

    origin: Literal["ours", "configured", "none"]
    kind: str
    pid: int | None = None
    port: int | None = None
    problem: str | None = None


def to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def up(settings: Settings, say: Say = to_stderr) -> StackState:
    """Start what is needed and not running; returns when everything answers.

    Our own Postgres has the whole schema then; a configured one is its owner's to migrate.
    Raises DependencyDown when a server does not start; the others stay up.
    """
    with alone(settings.home):
        before = read(settings.home)
        servers: dict[Name, Server] = {}
        try:
            with ThreadPoolExecutor(len(NAMES)) as pool:
                for started in [
                    pool.submit(_ensure, name, settings, before, servers, say) for name in NAMES
                ]:
                    started.result()
        finally:
            # Also when one failed: `down` must know the others.
            state = _state(settings, servers, before.ports)
            write(settings.home, state)
        if settings.postgres.dsn is None and state.postgres_dsn is not None:
            # Not up there: importing it costs more than most commands take.
            from flows.connectors.migrations import migrate

            migrate(PostgresSettings(dsn=SecretStr(state.postgres_dsn)))
        return state


def down(settings: Settings) -> None:
    """Stop everything that `up` started, and keep its data."""
    with alone(settings.home):
        before = read(settings.home)
        with ThreadPoolExecutor(len(NAMES)) as pool:
            stops = [
                pool.submit(_handle(settings.home, server).stop)
                for server in before.servers.values()
            ]
        for stop in stops:
            stop.result()
        write(settings.home, StackState(ports=before.ports))


def status(settings: Settings) -> dict[Name, ServerStatus]:
    """Asks every server, ours and configured ones."""
    state = read(settings.home)
    with ThreadPoolExecutor(len(NAMES)) as pool:
        asked = {name: pool.submit(_status, name, settings, state) for name in NAMES}
    return {name: answer.result() for name, answer in asked.items()}


def _status(name: Name, settings: Settings, state: StackState) -> ServerStatus:
    server = state.servers.get(name)
    if _configured(name, settings):
        return ServerStatus(origin="configured", kind=name, problem=_problem(name, settings))
    if server is None:
        return ServerStatus(origin="none", kind=name, problem="not started")
    return ServerStatus(
        origin="ours",
        kind=server.kind,
        pid=server.process.pid,
        port=server.port,
        problem=_trouble(server),
    )


def _ensure(
    name: Name, settings: Settings, before: StackState, servers: dict[Name, Server], say: Say
) -> None:
    """Put the running server into `servers`, started or repaired as needed."""
    running = before.servers.get(name)
    if running is not None:
        trouble = _trouble(running)
        if trouble is None:
            servers[name] = running
            return
        say(f"{name} is started again: {trouble}")
        # Alive but mute: out of the way, or its successor finds its port and data taken.
        _handle(settings.home, running).stop()
    if _needed(name, settings):
        servers[name] = _start(name, settings.home, before.ports, say)


def _start(name: Name, home: Path, ports: dict[str, int], say: Say) -> Server:
    match name:
        case "kafka":
            return _start_kafka(home, ports, say)
        case "redis":
            redis = RedisServer(home / "redis", port=ports.get("redis"))
            redis.start()
            return _server("redis", redis, redis.port, redis.url)
        case "postgres":
            postgres = PostgresServer(home / "postgres", port=ports.get("postgres"))
            postgres.start()
            return _server("postgres", postgres, postgres.port, postgres.dsn())


def _start_kafka(home: Path, ports: dict[str, int], say: Say) -> Server:
    libs = home / "kafka" / "libs"
    reason = kafka_available(libs)
    if reason is None:
        try:
            fetch_jars(libs, say)
        except DependencyDown as problem:
            reason = str(problem)
    if reason is not None:
        say(f"Using the embedded broker, for demos only ({reason}): {LIMITS}.")
        embedded = EmbeddedBroker(home / "kafka")
        embedded.start()
        port = int(embedded.bootstrap.rpartition(":")[2])
        return _server("embedded", embedded, port, embedded.bootstrap)
    broker = KafkaBroker(
        home / "kafka",
        libs,
        port=ports.get("kafka"),
        controller_port=ports.get("kafka_controller"),
    )
    broker.start()
    return _server("kafka", broker, broker.port, broker.bootstrap, broker.controller_port)


Handle = KafkaBroker | EmbeddedBroker | RedisServer | PostgresServer


def _server(
    kind: Literal["kafka", "embedded", "redis", "postgres"],
    handle: Handle,
    port: int,
    address: str,
    controller_port: int | None = None,
) -> Server:
    assert handle.process is not None
    return Server(
        kind=kind,
        process=handle.process,
        port=port,
        controller_port=controller_port,
        address=address,
    )


def _handle(home: Path, server: Server) -> Handle:
    """Take over a server that an earlier command started."""
    match server.kind:
        case "kafka":
            return KafkaBroker(
                home / "kafka",
                home / "kafka" / "libs",
                port=server.port,
                controller_port=server.controller_port,
                process=server.process,
            )
        case "embedded":
            return EmbeddedBroker(home / "kafka", process=server.process)
        case "redis":
            return RedisServer(home / "redis", port=server.port, process=server.process)
        case "postgres":
            return PostgresServer(home / "postgres", port=server.port, process=server.process)


def _trouble(server: Server) -> str | None:
    if not server.process.alive():
        return f"process {server.process.pid} is gone"
    match server.kind:
        case "kafka" | "embedded":
            return probe.kafka({"bootstrap.servers": server.address})
        case "redis":
            return probe.redis(server.address)
        case "postgres":
            return probe.postgres(server.address)


def _configured(name: Name, settings: Settings) -> bool:
    match name:
        case "kafka":
            return settings.kafka.bootstrap is not None
        case "redis":
            return settings.redis.url is not None
        case "postgres":
            return settings.postgres.dsn is not None


def _needed(name: Name, settings: Settings) -> bool:
    # MLflow keeps its runs in Postgres too, so ours is needed unless both live elsewhere.
    mlflow = name == "postgres" and settings.mlflow.tracking_uri is None
    return mlflow or not _configured(name, settings)


def _problem(name: Name, settings: Settings) -> str | None:
    match name:
        case "kafka":
            return probe.kafka(settings.kafka.client_config())
        case "redis":
            return probe.redis(settings.redis.url.get_secret_value() if settings.redis.url else "")
        case "postgres":
            dsn = settings.postgres.dsn
            return probe.postgres(dsn.get_secret_value() if dsn else "")


def _state(settings: Settings, servers: dict[Name, Server], ports: dict[str, int]) -> StackState:
    ports = dict(ports)
    for name, server in servers.items():
        ports[name] = server.port
        if server.controller_port is not None:
            ports["kafka_controller"] = server.controller_port
    tracking = None
    if "postgres" in servers:
        handle = _handle(settings.home, servers["postgres"])
        assert isinstance(handle, PostgresServer)
        tracking = handle.dsn("mlflow")
    return StackState(
        servers=servers,
        ports=ports,
        mlflow_tracking_uri=tracking,
        mlflow_artifacts=artifacts(settings),
    )
