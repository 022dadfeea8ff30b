"""The feature store on a real Redis: what the worker writes is what a reader gets."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgpack
import numpy as np
import pytest
from pydantic import SecretStr
from redis import Redis

from cli.features_show import looked
from deploy.stack.redis import RedisServer
from flows.connectors.feature_store import FeatureStore, connect
from flows.connectors.redis import FeatureSink, FeatureSinkPartition
from flows.steps.records import FeatureBlob
from models.features.catalogue import NAMES
from models.features.kernel import FeatureSet
from models.features.stored import FORMAT, feature_key, pack
from schemas.decisions import FeatureHeader
from schemas.errors import ConfigError, DependencyDown
from schemas.sections.servers import RedisSettings
from schemas.settings import Settings
from tests import samples
from tests.served import wait_for
from tests.system import clean_env

FEATURE_SET = FeatureSet.of(Settings()).hash
WIDTH = len(NAMES)


def blob(game_id: str, seed: int = 1, feature_set: str = FEATURE_SET, **over: int) -> FeatureBlob:
    vector = np.random.default_rng(seed).normal(size=over.get("width", WIDTH)).astype(np.float32)
    vector[3] = np.nan
    header = FeatureHeader(
        game_id=game_id,
        position=seed,
        as_of_us=samples.at(seed),
        cutoff_us=samples.START,
        feature_set=feature_set,
        count=len(vector),
        completeness=0.9,
        completeness_by={"market": 1.0},
        source_age_ms={"lines": 61_000},
    )
    return FeatureBlob(game_id, over.get("expires", 600), header, pack(header, vector))


@pytest.fixture
def redis(redis_url: str) -> RedisSettings:
    return RedisSettings(url=SecretStr(redis_url), prefix=f"t[{uuid.uuid4().hex[:8]}]*")


@pytest.fixture
def sink(redis: RedisSettings) -> FeatureSinkPartition:
    return FeatureSink(redis).build("features", 0, 1)


@pytest.fixture
def store(redis: RedisSettings) -> Iterator[FeatureStore]:
    store = FeatureStore.of(Settings(redis=redis))
    yield store
    store.close()


GAMES = [f"mlb-2026-07-20-BOS-NYY-{number}" for number in range(1, 6)]


def test_many_games_in_one_round_trip(
    redis: RedisSettings, sink: FeatureSinkPartition, store: FeatureStore
) -> None:
    written = {game: blob(game, seed) for seed, game in enumerate(GAMES, start=1)}
    sink.write_batch(list(written.values()))
    client = connect(redis)
    before = client.info("commandstats").get("cmdstat_mget", {"calls": 0})["calls"]
    found = store.read([*reversed(GAMES), GAMES[0]])
    after = client.info("commandstats")["cmdstat_mget"]["calls"]
    client.close()
    assert after - before == 1
    assert found.games == tuple(reversed(GAMES))
    assert (found.missing, found.refused) == ((), {})
    assert found.vectors.shape == (5, WIDTH)
    assert found.vectors.dtype == np.float32
    for row, game in enumerate(found.games):
        assert found.header(row) == written[game].header
        # Bit for bit, the missing value too.
        assert pack(found.header(row), found.vectors[row]) == written[game].blob
    assert store.games() == GAMES


def test_the_newest_vector_replaces_the_one_before(
    sink: FeatureSinkPartition, store: FeatureStore
) -> None:
    sink.write_batch([blob(GAMES[0], 1)])
    sink.write_batch([blob(GAMES[0], 2), blob(GAMES[0], 3)])
    assert [header.position for header in store.read([GAMES[0]]).headers] == [3]


def test_missing_games_are_named_and_none_is_nothing(
    sink: FeatureSinkPartition, store: FeatureStore
) -> None:
    sink.write_batch([blob(GAMES[1])])
    found = store.read(GAMES[:3])
    assert found.games == (GAMES[1],)
    assert found.missing == (GAMES[0], GAMES[2])
    empty = store.read([])
    assert (empty.games, empty.vectors.shape) == ((), (0, WIDTH))
    assert store.read([GAMES[4]]).vectors.shape == (0, WIDTH)


def test_another_feature_set_width_or_format_is_refused_and_says_why(
    redis: RedisSettings, sink: FeatureSinkPartition, store: FeatureStore
) -> None:
    sink.write_batch(
        [
            blob(GAMES[0]),
            blob(GAMES[1], feature_set="feedfacefeedface"),
            blob(GAMES[2], width=WIDTH - 1),
        ]
    )
    client = connect(redis)
    client.set(feature_key(redis.prefix, GAMES[3]), b"\xc1 no msgpack")
    client.set(
        feature_key(redis.prefix, GAMES[4]), msgpack.packb([FORMAT + 1, FEATURE_SET, b"", b""])
    )
    client.close()
    found = store.read(GAMES)
    assert found.games == (GAMES[0],)
    assert found.missing == ()
    assert set(found.refused) == set(GAMES[1:])
    assert f"feedfacefeedface ({WIDTH} features)" in found.refused[GAMES[1]]
    assert f"these settings read {FEATURE_SET}" in found.refused[GAMES[1]]
    assert f"({WIDTH - 1} features)" in found.refused[GAMES[2]]
    assert found.refused[GAMES[3]].startswith("not a stored vector")
    assert f"format {FORMAT + 1}" in found.refused[GAMES[4]]


def test_other_settings_make_another_feature_set(
    redis: RedisSettings, sink: FeatureSinkPartition
) -> None:
    """A reader whose quotes go stale later would take the numbers for something else."""
    sink.write_batch([blob(GAMES[0])])
    other = Settings(redis=redis, sharp_books=("pinnacle",))
    store = FeatureStore.of(other)
    assert "other settings" in store.read([GAMES[0]]).refused[GAMES[0]]
    store.close()


def test_a_vector_is_kept_as_long_as_the_flow_said(
    sink: FeatureSinkPartition, store: FeatureStore
) -> None:
    sink.write_batch([blob(GAMES[0], expires=1_000), blob(GAMES[1], expires=1)])
    kept, soon, never = store.expires_seconds([*GAMES[:2], GAMES[2]])
    assert kept in (999, 1_000)
    assert soon in (0, 1)
    assert never is None
    wait_for(lambda: store.read([GAMES[1]]).missing == (GAMES[1],), "expired", 5)
    assert store.read(GAMES[:1]).games == (GAMES[0],)


def test_a_redis_that_is_away_is_said_in_one_line(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    settings = Settings(redis=RedisSettings(url=SecretStr(server.url)))
    store = FeatureStore.of(settings)
    assert store.games() == []
    server.stop()
    for ask in (lambda: store.read(GAMES), store.games, lambda: store.expires_seconds(GAMES)):
        with pytest.raises(DependencyDown, match="Redis does not answer"):
            ask()
    store.close()


def test_a_wrong_password_is_refused_by_the_server_and_not_repeated(redis_url: str) -> None:
    scheme, _, rest = redis_url.partition("://:")
    wrong = f"{scheme}://:hunter2@{rest.partition('@')[2]}"
    store = FeatureStore.of(Settings(redis=RedisSettings(url=SecretStr(wrong))))
    with pytest.raises(DependencyDown) as refused:
        store.read(GAMES)
    assert "hunter2" not in str(refused.value)
    store.close()


def test_user_password_and_tls_pass_through_the_url() -> None:
    url = "rediss://reader:secret@cache.example:6380/2?ssl_cert_reqs=required&ssl_ca_certs=ca.pem"
    client = connect(RedisSettings(url=SecretStr(url)))
    made = client.connection_pool.make_connection()
    assert type(made).__name__ == "SSLConnection"
    options = client.connection_pool.connection_kwargs
    assert (options["username"], options["password"], options["db"]) == ("reader", "secret", 2)
    assert (options["ssl_cert_reqs"], options["ssl_ca_certs"]) == ("required", "ca.pem")
    client.close()


def test_an_url_of_no_redis_is_a_setting_to_mend() -> None:
    with pytest.raises(ConfigError, match="STEAMLINE_REDIS_URL") as bad:
        connect(RedisSettings(url=SecretStr("http://user:hunter2@host")))
    assert "hunter2" not in str(bad.value)


def command(url: str, prefix: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    env = clean_env() | {"STEAMLINE_REDIS_URL": url, "STEAMLINE_REDIS_PREFIX": prefix}
    return [sys.executable, "-m", "cli.main", "features", *arguments], env


def show(redis: RedisSettings, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert redis.url is not None
    line, env = command(redis.url.get_secret_value(), redis.prefix, "show", *arguments)
    env |= {"COLUMNS": "140"}
    return subprocess.run(line, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_show_prints_every_feature_with_its_source_and_age(
    redis: RedisSettings, sink: FeatureSinkPartition
) -> None:
    written = blob(GAMES[0], expires=500)
    sink.write_batch([written])
    document = json.loads(show(redis, GAMES[0], "--json").stdout)
    assert document["feature_set"] == FEATURE_SET
    assert 480 < document["expires_seconds"] <= 500
    features = document["features"]
    assert [one["name"] for one in features] == list(NAMES)
    assert features[3]["value"] is None
    assert features[0]["value"] == pytest.approx(
        float(np.random.default_rng(1).normal(size=1)[0]), rel=1e-6
    )
    assert {one["age_ms"] for one in features if one["source"] == "lines"} == {61_000}
    assert {one["age_ms"] for one in features if one["source"] != "lines"} == {None}
    table = show(redis, GAMES[0], "--only", "moneyline_consensus").stdout
    [row] = [line for line in table.splitlines() if "moneyline_consensus" in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]][2:] == ["probability", "lines", "1m"]


def test_show_says_what_there_is_when_the_game_is_not(
    redis: RedisSettings, sink: FeatureSinkPartition
) -> None:
    sink.write_batch([blob(GAMES[0]), blob(GAMES[1], feature_set="feedfacefeedface")])
    done = show(redis, GAMES[2])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: {GAMES[2]}: no vector: never scored, or expired. "
        f"There are: {GAMES[0]}, {GAMES[1]}\n"
    )
    done = show(redis, GAMES[1])
    assert done.returncode == 1
    assert "made of feature set feedfacefeedface" in done.stderr


def test_watch_outlives_its_redis(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    prefix, out = "w", tmp_path / "seen"
    sink = FeatureSink(RedisSettings(url=SecretStr(server.url), prefix=prefix)).build("f", 0, 1)
    sink.write_batch([blob(GAMES[0], 7)])
    line, env = command(server.url, prefix, "watch", GAMES[0], "--only", "consensus")
    env |= {"FORCE_COLOR": "1", "COLUMNS": "140", "LINES": "40", "TERM": "xterm"}
    with out.open("w") as written:
        # Fast looks, so that the test is; stays in the foreground's process group for Ctrl-C.
        watching = subprocess.Popen([*line, "--every", "0.1"], env=env, stdout=written)
    try:
        wait_for(lambda: "position 7" in out.read_text(), "shown")
        assert "total_consensus" in out.read_text()
        server.stop()
        wait_for(lambda: "Redis does not answer" in out.read_text(), "told")
        again = RedisServer(tmp_path, port=server.port)
        again.start()
        # Redis came back empty; the worker writes again, as its sink does within a second.
        wait_for(lambda: "no vector yet" in out.read_text(), "missed")
        with Redis.from_url(again.url) as client:
            newest = blob(GAMES[0], 8)
            client.set(feature_key(prefix, GAMES[0]), newest.blob)
        wait_for(lambda: "position 8" in out.read_text(), "back")
        again.stop()
        os.kill(watching.pid, signal.SIGINT)
        assert watching.wait(10) == 0
    finally:
        watching.kill()
        watching.wait()


def test_without_games_there_is_a_line_for_each(
    sink: FeatureSinkPartition, store: FeatureStore
) -> None:
    from rich.console import Console

    sink.write_batch([blob(GAMES[0], 5), blob(GAMES[1], 6, feature_set="feedfacefeedface")])
    console = Console(width=160, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(looked(store, [], ""))
    console.file.close()
    text = console.export_text()
    [row] = [line for line in text.splitlines() if GAMES[0] in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        GAMES[0],
        "5",
        "07-20 17:05:05",
        "90%",
        "1m",
        "-",
        "-",
        "-",
    ]
    assert f"{GAMES[1]}: made of feature set" in text
