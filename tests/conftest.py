"""Servers for tests, each started once a session and only when a test asks for it."""

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from confluent_kafka import Producer
from pydantic import SecretStr

from deploy.demo.slate import choose_slate
from deploy.stack.kafka import KafkaBroker, fetch_jars, kafka_available
from deploy.stack.postgres import PostgresServer
from deploy.stack.redis import RedisServer
from flows.connectors.migrations import migrate
from flows.connectors.parquet import PLAYED
from schemas.sections.servers import PostgresSettings
from tests.rest import Rest, filled
from tests.system import Site, Trained, clean_env, sent, steamline

ROOT = Path(__file__).parents[1]
CACHE = Path(os.environ.get("STEAMLINE_TEST_CACHE", ROOT / ".steamline"))


@pytest.fixture
def server_home() -> Iterator[Path]:
    """A temporary home for servers; Postgres must not live in `tmp_path`.

    Run as root, Postgres is another user, and pytest closes its folders to other users at the
    start of each session, so of another one too that runs at the same time.
    """
    with TemporaryDirectory(prefix="steamline-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def kafka_libs() -> Path:
    """Where Kafka's jars are kept between runs; skips where a real broker cannot run."""
    libs = CACHE / "kafka" / "libs"
    reason = kafka_available(libs)
    if reason is not None:
        pytest.skip(f"no real Kafka here: {reason}")
    fetch_jars(libs)
    return libs


@pytest.fixture(scope="session")
def kafka(kafka_libs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A real Apache Kafka: `.bootstrap`; share it, prefix your topics, leave it running."""
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"), kafka_libs)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def own_kafka(kafka_libs: Path, tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker for one test, which may `stop`, `kill`, `start` and `restart` it."""
    broker = KafkaBroker(tmp_path / "kafka", kafka_libs)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def mock_kafka() -> Iterator[str]:
    """Bootstrap of librdkafka's mock cluster: at once, 4 partitions a topic, no admin calls."""
    cluster = Producer({"test.mock.num.brokers": 1})
    brokers = cluster.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    del cluster


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real, empty Redis, shared by the session."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real Postgres: `.dsn("steamline")`, `.dsn("mlflow")`, both databases empty."""
    with TemporaryDirectory(prefix="steamline-test-") as folder:  # see server_home
        server = PostgresServer(Path(folder) / "postgres")
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def postgres_dsn(postgres: PostgresServer) -> str:
    """DSN of the database `steamline` on a real Postgres, shared by the session."""
    return postgres.dsn()


@pytest.fixture(scope="session")
def _schema(postgres: PostgresServer) -> str:
    """Name of a database with the whole schema and no rows: to be copied, never used."""
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE schema_only")
    migrate(PostgresSettings(dsn=SecretStr(postgres.dsn("schema_only"))))
    return "schema_only"


@pytest.fixture
def database(postgres: PostgresServer, _schema: str) -> Iterator[str]:
    """DSN of a migrated, empty database of the test's own."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {_schema}")
        yield postgres.dsn(name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def trained(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Champions in a real MLflow, trained by the commands a user types on simulated games."""
    home = tmp_path_factory.mktemp("trained")
    archive = home / "archive" / "simulator"
    uri = postgres.dsn("mlflow")
    env = clean_env() | {"STEAMLINE_HOME": str(home), "STEAMLINE_MLFLOW_TRACKING_URI": uri}
    # A large edge, so that the boosters have something to learn from few games.
    shape = ("--days", "16", "--games", "8", "--edge", "0.2")
    steamline(env, home, "data", "simulate", "--out", str(archive), *shape)
    boosters = json.loads(
        steamline(env, home, "model", "train", "--archive", str(archive), "--json")
    )
    # Equal values say little when they come out of one trunk.
    assert sum(booster["trees"] for booster in boosters) > 50
    return Trained(home, archive, choose_slate(archive), uri)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real historical data that STEAMLINE_DATA names; skips without it."""
    named = os.environ.get("STEAMLINE_DATA")
    if not named:
        pytest.skip("STEAMLINE_DATA is not set: no real data here")
    if not Path(named).is_dir():
        pytest.skip(f"STEAMLINE_DATA={named} is not a folder")
    return Path(named)


@pytest.fixture(scope="session")
def real_archive(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real season of The Odds API, imported by the command a user types."""
    home = tmp_path_factory.mktemp("real")
    archive = home / "archive"
    env = clean_env() | {"STEAMLINE_DATA": str(data_dir), "STEAMLINE_HOME": str(home)}
    steamline(env, home, "data", "import", "oddsapi", "--out", str(archive))
    return archive


@pytest.fixture(scope="session")
def real_slate(
    kafka: KafkaBroker,
    redis_url: str,
    trained: Trained,
    real_archive: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """Topics that hold a real day: its events, its results, and what a worker made of it."""
    slate = choose_slate(real_archive)
    with Site(trained, kafka.bootstrap, redis_url, tmp_path_factory.mktemp("slate")) as site:
        site.create()
        site.send(sent(slate.records(), PLAYED))
        site.run_to_end()
        yield site


@pytest.fixture(scope="session")
def rest(
    kafka: KafkaBroker,
    redis_url: str,
    postgres: PostgresServer,
    _schema: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Rest]:
    """An API process over servers that hold something of everything it can tell."""
    folder = tmp_path_factory.mktemp("rest")
    with filled(kafka.bootstrap, redis_url, postgres, _schema, folder) as rest:
        yield rest
