from pathlib import Path

import pytest

from deploy.stack.kafka import POM, kafka_available


def _program(folder: Path, name: str, says: str = "") -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    program.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_without_java(path: Path) -> None:
    assert kafka_available() == "no java on PATH"


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ('openjdk version "11.0.2" 2019-01-15', "java 11 is older than 17"),
        ("not a java at all", "java ? is older than 17"),
    ],
)
def test_with_an_old_java(path: Path, says: str, reason: str) -> None:
    _program(path, "java", says)
    assert kafka_available() == reason


def test_maven_is_needed_only_while_the_jars_are_not_there(path: Path, tmp_path: Path) -> None:
    _program(path, "java", 'openjdk version "21.0.1" 2023-10-17')
    assert kafka_available(tmp_path) == "no mvn on PATH to fetch Kafka's jars"
    (tmp_path / "fetched-for.xml").write_text(POM.read_text())
    assert kafka_available(tmp_path) is None
    (tmp_path / "fetched-for.xml").write_text("an older list of jars")
    assert kafka_available(tmp_path) is not None
