"""The doctor on real servers, and on those that are dead or mute."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from pydantic import SecretStr
from redis import Redis
from typer.testing import CliRunner

from cli.main import app
from deploy.stack.kafka import KafkaBroker
from flows.checks import kafka as kafka_checks
from flows.checks import stores
from flows.connectors.topics import ensure_topics
from flows.doctor import Finding, examine
from schemas.sections.api import ApiSettings
from schemas.sections.servers import KafkaSettings, PostgresSettings, RedisSettings
from schemas.settings import Settings
from schemas.topics import Topic
from tests.answering import Reply, answering
from tests.system import Sent, Site, create_topics

NOW = 1_790_000_000_000_000
"""September 2026, for whoever asks what time it is."""
DAY_MS = 86_400_000


@pytest.fixture
def site(kafka: KafkaBroker, tmp_path: Path) -> Iterator[Site]:
    with Site(None, kafka.bootstrap, None, tmp_path) as site:
        yield site


def of_kafka(site: Site, now_us: int = NOW) -> dict[str, Finding]:
    settings = Settings(kafka=KafkaSettings(bootstrap=site.bootstrap, prefix=site.prefix))
    checks = kafka_checks.checks(settings, lambda: now_us)
    return {one.name: one for one in examine(checks, 60)}


def told(found: dict[str, Finding]) -> dict[str, tuple[str, str]]:
    return {name: (one.state.value, one.detail) for name, one in found.items()}


def letter(reason: str, moment_ms: int) -> Sent:
    value = json.dumps({"reason": reason}).encode()
    return Sent(Topic.DEAD_LETTERS, b"x", value, moment_ms)


def test_topics_that_are_as_they_must_be(site: Site) -> None:
    ensure_topics(KafkaSettings(bootstrap=site.bootstrap, prefix=site.prefix, partitions=2))
    now_ms = NOW // 1_000
    site.send(
        [
            letter("too_late", now_ms - 2 * DAY_MS),
            letter("invalid", now_ms - 1_000),
            letter("invalid", now_ms - 2_000),
            letter("future", now_ms - 1_000),
        ]
    )
    group = Consumer({"bootstrap.servers": site.bootstrap, "group.id": "steamline-archive"})
    lanes = [TopicPartition(Topic.DEAD_LETTERS.full(site.prefix), number, 0) for number in range(2)]
    group.commit(offsets=lanes, asynchronous=False)
    group.close()
    found = told(of_kafka(site))
    assert found.pop("kafka") == ("ok", f"{site.bootstrap}: 1 brokers")
    assert found == {
        "topics": ("ok", f"all 11 of {site.prefix}*"),
        "partitions": ("ok", "2 of each topic"),
        "retention": ("ok", "nothing is deleted"),
        "clock": ("ok", "the newest record is of 1 s ago"),
        "lag of score": ("ok", "has never run on these topics"),
        "lag of settle": ("ok", "has never run on these topics"),
        "lag of ledger": ("ok", "has never run on these topics"),
        "lag of curate": ("ok", "has never run on these topics"),
        "lag of archive": ("ok", "4 records behind"),
        "dead letters": ("warn", "3 in the last day: 2 invalid, 1 future"),
    }


def test_topics_that_are_not(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(of_kafka(site))["topics"][0] == "warn"
    create_topics(site.bootstrap, [Topic.LINES.full(site.prefix)], 3)
    create_topics(site.bootstrap, [Topic.GAMES.full(site.prefix)], 2, retention_ms="1000000000000")
    create_topics(
        site.bootstrap, [Topic.DEAD_LETTERS.full(site.prefix)], 2, max_message_bytes="1000000"
    )
    site.send([Sent(Topic.GAMES, b"g", b"{}", NOW // 1_000)])
    group = Consumer({"bootstrap.servers": site.bootstrap, "group.id": "steamline-score"})
    lanes = [TopicPartition(Topic.GAMES.full(site.prefix), number, 0) for number in range(2)]
    group.commit(offsets=lanes, asynchronous=False)
    group.close()
    monkeypatch.setattr(kafka_checks, "BEHIND", 0)
    found = told(of_kafka(site, NOW - 600_000_000))
    assert found["topics"][1].startswith("8 of 11 missing: ")
    assert found["partitions"] == (
        "fail",
        f"{site.prefix}games has 2, {site.prefix}lines has 3",
    )
    assert found["retention"][1] == f"1 topics delete by age or size, as {site.prefix}games"
    assert found["message size"][1] == f"{site.prefix}dead-letters takes less than 4,194,304 bytes"
    assert found["clock"] == ("fail", "the newest record is 600 s ahead of this clock")
    assert found["lag of score"] == ("warn", "1 records behind")
    assert found["dead letters"] == ("ok", "none in the last day")


def of_stores(settings: Settings, now_us: int | None = None) -> dict[str, Finding]:
    import time

    checks = stores.checks(settings, lambda: now_us or time.time_ns() // 1_000)
    wanted = [one for one in checks if one.name != "registry"]
    return {one.name: one for one in examine(wanted, 60)}


def test_stores_that_are_well(redis_url: str, database: str) -> None:
    with answering() as api:
        api.on("/ready", Reply(200, b"{}"))
        settings = Settings(
            redis=RedisSettings(url=SecretStr(redis_url)),
            postgres=PostgresSettings(dsn=SecretStr(database)),
            api=ApiSettings(host="0.0.0.0", port=int(api.url.rpartition(":")[2])),
        )
        found = of_stores(settings)
        assert {one.state.value for one in found.values()} == {"ok"}, found
        assert found.keys() == {
            *("redis", "clock of redis", "redis memory", "postgres", "clock of postgres"),
            *("migrations", "roles", "api"),
        }
        api.on("/ready", Reply(503, b"{}"))
        skewed = of_stores(settings, NOW)
        assert skewed["api"].state.value == "fail"
        assert skewed["clock of redis"].state.value == "warn"
        assert skewed["clock of postgres"].state.value == "warn"


def test_stores_that_are_not(redis_url: str, database: str) -> None:
    redis = Redis.from_url(redis_url)
    redis.config_set("maxmemory", "1gb")
    with psycopg.connect(database, autocommit=True) as ours:
        ours.execute("DELETE FROM _yoyo_migration WHERE migration_id LIKE '0014%'")
    try:
        found = of_stores(
            Settings(
                redis=RedisSettings(url=SecretStr(redis_url)),
                postgres=PostgresSettings(dsn=SecretStr(database)),
            )
        )
    finally:
        redis.config_set("maxmemory", "0")
        redis.close()
    assert found["redis memory"].state.value == "warn"
    assert "writes fail when it is full" in found["redis memory"].detail
    assert found["migrations"].detail == "1 pending, as 0014.ledger"
    assert found["migrations"].fix == "Run `steamline db migrate`"


def environment(monkeypatch: pytest.MonkeyPatch, home: Path, ports: list[int]) -> None:
    kafka, redis, postgres, mlflow, api = ports
    for key, value in {
        "HOME": str(home),
        "KAFKA_BOOTSTRAP": f"127.0.0.1:{kafka}",
        "REDIS_URL": f"redis://:s3cret-one@127.0.0.1:{redis}/0",
        "POSTGRES_DSN": f"postgresql://u:s3cret-two@127.0.0.1:{postgres}/x",
        "MLFLOW_TRACKING_URI": f"postgresql://u:s3cret-two@127.0.0.1:{mlflow}/x",
        "API_PORT": str(api),
    }.items():
        monkeypatch.setenv(f"STEAMLINE_{key}", value)
    monkeypatch.chdir(home)


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, ["doctor", "--json", *arguments])
    assert "s3cret" not in done.output
    return done.exit_code, json.loads(done.stdout)


@pytest.mark.parametrize("mute", [False, True])
def test_dead_and_mute_servers_each_get_their_line(
    mute: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(5)]
        for one in held:
            one.bind(("127.0.0.1", 0))
            if mute:
                one.listen()  # takes a connection, and never says a word
        environment(monkeypatch, tmp_path, [one.getsockname()[1] for one in held])
        # Long enough for a refusal, shorter than any of the clients' own patience.
        status, document = run("--seconds", "1.5" if mute else "60")
    assert status == 1
    assert document["ok"] is False
    state = {one["name"]: one["state"] for one in document["findings"]}
    assert state["settings"] == "ok"
    assert {state["kafka"], state["redis"], state["postgres"], state["registry"]} == {"fail"}
    assert state["api"] == ("fail" if mute else "warn")
    for one in document["findings"]:
        assert one["state"] == "ok" or one["fix"], one


def test_settings_that_cannot_be_read_are_the_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEAMLINE_SCORE_STALE_MINUTES", "-1")
    status, document = run()
    assert status == 1
    [only] = document["findings"]
    assert only["detail"].startswith("STEAMLINE_SCORE_STALE_MINUTES: ")
