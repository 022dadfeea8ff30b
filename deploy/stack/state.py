"""What the local stack is made of right now, kept in `STEAMLINE_HOME/stack.json`."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from deploy.stack.private import write_private
from deploy.stack.process import Process
from schemas.errors import ConfigError
from schemas.sections.base import PREFIX
from schemas.settings import Settings

Name = Literal["kafka", "redis", "postgres"]
NAMES: tuple[Name, ...] = ("kafka", "redis", "postgres")


class Server(BaseModel):
    """One server that the stack started, and so will stop."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["kafka", "embedded", "redis", "postgres"]
    process: Process
    port: int
    controller_port: int | None = None
    """Kafka's second listener."""
    address: str
    """What a client takes: host:port list, URL or DSN, with its password."""


class StackState(BaseModel):
    """Ours to stop, and where to reach it; a server that the settings name is not in here."""

    model_config = ConfigDict(frozen=True)

    servers: dict[Name, Server] = Field(default_factory=dict)
    ports: dict[str, int] = Field(default_factory=dict)
    """Last used, asked for again at the next start: {name: port}."""
    mlflow_tracking_uri: str | None = None
    mlflow_artifacts: str | None = None

    def address(self, name: Name) -> str | None:
        server = self.servers.get(name)
        return server.address if server else None

    @property
    def bootstrap(self) -> str | None:
        return self.address("kafka")

    @property
    def redis_url(self) -> str | None:
        return self.address("redis")

    @property
    def postgres_dsn(self) -> str | None:
        return self.address("postgres")


def read(home: Path) -> StackState:
    """Empty when the stack was never up."""
    path = home / "stack.json"
    try:
        return StackState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return StackState()
    except ValidationError:
        raise ConfigError(
            f"{PREFIX}HOME", f"{path} is damaged", "End its servers and remove the file"
        ) from None


def write(home: Path, state: StackState) -> None:
    """Readable by its owner only: the addresses hold passwords."""
    write_private(home / "stack.json", state.model_dump_json(indent=2))


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """One `up` or `down` at a time."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def resolve(settings: Settings) -> Settings:
    """Fill what is unset with the addresses of the local stack, if one is up.

    Whether its servers answer is not asked: a worker must wait for a broker that restarts.
    """
    state = read(settings.home)
    kafka, redis, postgres = settings.kafka, settings.redis, settings.postgres
    mlflow = settings.mlflow
    if kafka.bootstrap is None:
        kafka = kafka.model_copy(update={"bootstrap": state.bootstrap})
    if redis.url is None:
        redis = redis.model_copy(update={"url": _secret(state.redis_url)})
    if postgres.dsn is None:
        postgres = postgres.model_copy(update={"dsn": _secret(state.postgres_dsn)})
    if mlflow.tracking_uri is None:
        mlflow = mlflow.model_copy(update={"tracking_uri": _secret(state.mlflow_tracking_uri)})
    if mlflow.artifacts is None:
        mlflow = mlflow.model_copy(update={"artifacts": artifacts(settings)})
    return settings.model_copy(
        update={"kafka": kafka, "redis": redis, "postgres": postgres, "mlflow": mlflow}
    )


def artifacts(settings: Settings) -> str:
    return settings.mlflow.artifacts or str((settings.home / "mlflow").resolve())


def _secret(value: str | None) -> SecretStr | None:
    return None if value is None else SecretStr(value)
