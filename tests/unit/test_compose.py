"""docker-compose.yml is valid, and its validator would notice if it were not."""

from itertools import takewhile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from deploy.compose_check import check, example
from schemas.errors import ConfigError
from schemas.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
ENV = example((ROOT / ".env.example").read_text())
OURS = (
    "score",
    "ingest",
    "archive",
    "train",
    "curate",
    "settle",
    "ledger",
    "monitor",
    "webhooks",
    "api",
)


def test_the_file_is_valid() -> None:
    check(TEXT, ENV)


@pytest.mark.parametrize(
    ("right", "wrong", "where"),
    [
        ("    image: postgres:18", "    imag: postgres:18", "services.postgres"),
        ("      retries: 6\n    deploy", "      retires: 6\n    deploy", "healthcheck"),
        ("    shm_size: 128m", "    shm_size: [128]", "shm_size"),
        ("restart: unless-stopped", "restart: sometimes", "restart"),
        ("  models: {}\n", "", "models"),
        (
            "      postgres: {condition: service_healthy}",
            "      db: {condition: service_healthy}",
            "db",
        ),
        ("volumes:\n  kafka-data", "volume:\n  kafka-data", "volume"),
    ],
)
def test_a_broken_file_is_refused(right: str, wrong: str, where: str) -> None:
    assert right in TEXT
    with pytest.raises(ConfigError, match=where):
        check(TEXT.replace(right, wrong), ENV)


def test_a_password_has_no_default() -> None:
    with pytest.raises(ConfigError, match="POSTGRES_PASSWORD"):
        check(TEXT, {**ENV, "POSTGRES_PASSWORD": ""})


def test_ports_are_published_on_the_loopback_interface_only() -> None:
    services = check(TEXT, ENV)
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 5
    assert all(str(port).startswith("127.0.0.1:") for port in ports)


def test_what_listens_beyond_its_container_asks_for_keys() -> None:
    env = check(TEXT, ENV)["api"]["environment"]
    assert (env["STEAMLINE_API_HOST"], env["STEAMLINE_API_AUTH"]) == ("0.0.0.0", "keys")
    words = ["key", "new", "--help"]
    assert CliRunner().invoke(app, words).exit_code == 0, "as the file tells a reader to"


def test_every_service_has_limits_and_every_server_a_health_check() -> None:
    services = check(TEXT, ENV)
    assert all("limits" in service["deploy"]["resources"] for service in services.values())
    assert {name for name, service in services.items() if "healthcheck" not in service} == {
        "score",
        "curate",
        "settle",
        "ledger",
        "monitor",
        "webhooks",
        "ingest",
        "archive",
        "train",
    }


def test_what_runs_unasked_and_what_does_not() -> None:
    services = check(TEXT, ENV)
    asked_for = {name: one["profiles"] for name, one in services.items() if one.get("profiles")}
    # Compose takes a list for a set.
    assert {name: set(some) for name, some in asked_for.items()} == {
        "ingest": {"ingest"},
        "train": {"train"},
        "webhooks": {"webhooks"},
        "prometheus": {"observe"},
        "grafana": {"observe"},
    }
    assert services["train"]["restart"] == "no"
    # Training reads what the archive flow writes; the folder belongs to the image's user.
    for name in ("archive", "train"):
        assert "archive-state:/state" in services[name]["volumes"]
    assert "models:/models" in services["train"]["volumes"]


@pytest.mark.parametrize("name", OURS)
def test_each_service_runs_a_command_that_there_is(name: str) -> None:
    command = check(TEXT, ENV)[name]["command"]
    done = CliRunner().invoke(app, [*command, "--help"])
    assert done.exit_code == 0, (command, done.output)
    words = takewhile(lambda word: not word.startswith("-"), command)
    assert f"{' '.join(words)} [OPTIONS]" in done.output, "the group above it would say COMMAND"


@pytest.mark.parametrize("name", OURS)
def test_settings_read_the_example_and_what_the_services_are_given(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown key would stop the start-up of a container."""
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    monkeypatch.chdir(tmp_path)
    service = check(TEXT, ENV)[name]
    assert service["env_file"] == [{"path": ".env", "required": False}]
    for key, value in service["environment"].items():
        monkeypatch.setenv(key, value)
    settings = Settings.read()
    assert settings.kafka.bootstrap == "kafka:9092"
    assert settings.home == Path("/state")
    assert settings.api.host == ("0.0.0.0" if name == "api" else "127.0.0.1")
