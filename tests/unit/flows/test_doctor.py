"""The doctor's checks side by side, and those of this machine."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from pydantic import SecretStr

from flows.checks import local, stores
from flows.doctor import Check, Finding, State, examine, ok, warn
from models.features.kernel import FeatureSet
from models.provenance import Logged
from models.registry import FORCED, GATE, NAME, Registry, Version
from schemas.errors import DependencyDown
from schemas.markets import Target
from schemas.sections.servers import KafkaSettings, MlflowSettings, PostgresSettings, RedisSettings
from schemas.settings import Settings


def states(found: Sequence[Finding]) -> dict[str, str]:
    return {one.name: one.state.value for one in found}


def test_checks_that_hang_or_break_hold_up_no_other() -> None:
    never = Event()

    def hangs() -> list[Finding]:
        never.wait()
        return []

    def breaks() -> list[Finding]:
        raise KeyError("what\nelse")

    def is_down() -> list[Finding]:
        raise DependencyDown("Kafka is away")

    found = examine(
        [
            Check("hangs", hangs, "end it"),
            Check("fine", lambda: [ok("fine", "yes"), warn("nearly", "so", "do")], ""),
            Check("breaks", breaks, "mend it"),
            Check("down", is_down, "start it"),
        ],
        0.3,
    )
    never.set()
    assert found == [
        Finding("hangs", State.FAIL, "no answer within 0.3 s", "end it"),
        Finding("fine", State.OK, "yes"),
        Finding("nearly", State.WARN, "so", "do"),
        Finding("breaks", State.FAIL, "KeyError: 'what\\nelse'", "mend it"),
        Finding("down", State.FAIL, "Kafka is away", "start it"),
    ]


def look(settings: Settings, env_file: Path) -> list[Finding]:
    return examine(local.checks(settings, env_file), 60)


def test_a_machine_that_is_well(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "season").touch()
    env_file = tmp_path / ".env"
    env_file.touch(0o600)
    settings = Settings(
        home=tmp_path / "home",
        data=tmp_path / "data",
        redis=RedisSettings(url=SecretStr("redis://:8f3a9c@cache:6379/0")),
        postgres=PostgresSettings(dsn=SecretStr("postgresql://u:b52d7e@db.example/x")),
        mlflow=MlflowSettings(tracking_uri=SecretStr("http://127.0.0.1:9")),
        kafka=KafkaSettings(bootstrap="kafka:9092,127.0.0.1:9092,[::1]:9092"),
    )
    found = states(look(settings, env_file))
    assert found.pop("disk") in ("ok", "warn", "fail"), "as the machine is"
    assert found == {
        "versions": "ok",
        "data folder": "ok",
        "recovery": "ok",
        "model cache": "warn",
        "secrets": "ok",
    }


@pytest.mark.parametrize(
    ("free", "state"), [(1 << 29, "fail"), (5 << 30, "warn"), (11 << 30, "ok")]
)
def test_room_on_the_disk(
    free: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert states(look(Settings(home=tmp_path), tmp_path / ".env"))["disk"] == state


def test_a_home_that_cannot_be_written_and_data_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    found = look(Settings(home=tmp_path / "home", data=tmp_path / "none"), tmp_path / ".env")
    bad = {one.name: one for one in found if one.state is State.FAIL}
    assert bad.keys() == {"home", "data folder"}
    assert "cannot be written" in bad["home"].detail
    assert "STEAMLINE_HOME" in bad["home"].fix


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (
            {"redis": RedisSettings(url=SecretStr("redis://:change-me@c:1/0"))},
            "STEAMLINE_REDIS_URL has a default password",
        ),
        (
            {"redis": RedisSettings(url=SecretStr("redis://cache.example:1/0"))},
            "STEAMLINE_REDIS_URL has no password",
        ),
        (
            {"postgres": PostgresSettings(dsn=SecretStr("postgresql://u:Postgres@db/x"))},
            "STEAMLINE_POSTGRES_DSN has a default password",
        ),
        (
            {"kafka": KafkaSettings(bootstrap="kafka.example:9092")},
            "Kafka at kafka.example is spoken to in plain text",
        ),
    ],
)
def test_secrets_that_are_none(part: dict[str, Any], told: str, tmp_path: Path) -> None:
    found = look(Settings(home=tmp_path, **part), tmp_path / ".env")
    assert told in [one.detail for one in found if one.state is State.WARN]


def test_an_env_file_that_others_can_read(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.touch(0o644)
    env_file.chmod(0o644)
    [one] = [one for one in look(Settings(home=tmp_path), env_file) if one.name == "secrets"]
    assert one.fix == f"chmod 600 {env_file}"


def test_champions_are_there_past_the_gate_and_of_this_feature_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(mlflow=MlflowSettings(tracking_uri=SecretStr("http://127.0.0.1:9")))
    tags = {GATE: FORCED, NAME: "7-abc"}
    champions = {target: Version(target, "7", "run", 0, (), tags) for target in Target}
    hashes = dict.fromkeys(Target, FeatureSet.of(settings).hash)
    monkeypatch.setattr(Registry, "require_answer", lambda _: None)
    monkeypatch.setattr(Registry, "find", lambda _, target, alias: champions.get(target))

    def of_run(_: object, version: Version, importances: bool) -> Logged:
        return Logged({"feature_set": hashes[version.target]}, {}, {})

    monkeypatch.setattr(Registry, "logged", of_run)

    def seen() -> list[tuple[str, str, str]]:
        [check] = [one for one in stores.checks(settings, lambda: 0) if one.name == "registry"]
        return [(one.name, one.state.value, one.detail) for one in examine([check], 60)]

    good = f"{hashes[Target.TOTAL]} in all 4 champions"
    assert seen() == [
        ("registry", "ok", "answers"),
        ("feature set", "ok", good),
        ("champions", "ok", "all 4 past the gate"),
    ]
    hashes[Target.TOTAL] = "f00d"
    champions[Target.RUNS] = Version(Target.RUNS, "3", "run", 0, (), {NAME: "3-x"})
    del champions[Target.MARGIN]
    bad = {(name, state): detail for name, state, detail in seen()}
    assert bad["champions", "fail"] == "none for margin"
    assert bad["feature set", "fail"].endswith("total 7-abc")
    assert bad["champions", "warn"] == "runs on paper only: no real stakes"
