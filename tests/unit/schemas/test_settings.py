"""Settings from the environment: one line names what is wrong, and no secret is told."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from schemas.errors import ConfigError
from schemas.sections.scoring import ScoreSettings
from schemas.settings import Settings

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `.env` and no STEAMLINE_ variable of the machine."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.upper().startswith("STEAMLINE_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("STEAMLINE_SCORE_CUTOFF_MINUTES", SECRET),
        ("STEAMLINE_SCORE_CUTOFF_MINUTES", "0.5"),
        ("STEAMLINE_SCORE_CUTOFF_MINUTES", "inf"),
        ("STEAMLINE_SCORE_LATE_HOURS", "nan"),
        ("STEAMLINE_SCORE_LATE_HOURS", "inf"),
        ("STEAMLINE_SCORE_DEVIG", SECRET),
        ("STEAMLINE_SCORE_CUTOF_MINUTES", "60"),
        ("STEAMLINE_STAKING_FRACTION", "1.5"),
        ("STEAMLINE_KAFKA_PARTITIONS", "0"),
        ("STEAMLINE_KAFKA_PREFIX", SECRET + "!"),
        ("STEAMLINE_API_PORT", "70000"),
        ("STEAMLINE_POSTGRES_PASSWORD", SECRET),
        ("STEAMLINE_BOOKS", "[]"),
        ("STEAMLINE_BOOKS", '["pinnacle", "pinnacle"]'),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_key(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    monkeypatch.setenv(key, value)
    with pytest.raises(ConfigError) as refused:
        Settings.read()
    assert refused.value.key == key
    assert str(refused.value).startswith(f"{key}: ")
    assert "\n" not in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("STEAMLINE_BOOKS", "pinnacle,circa", "STEAMLINE_BOOKS"),
        ("STEAMLINE_KAFKA_OPTIONS", '{"sasl.password": "hunter2"', "STEAMLINE_KAFKA"),
        ("STEAMLINE_POSTGRES", "postgresql://me:hunter2@db/x", "STEAMLINE_POSTGRES"),
    ],
)
def test_what_should_be_json_and_is_not(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str, named: str
) -> None:
    monkeypatch.setenv(key, value)
    with pytest.raises(ConfigError, match="JSON") as refused:
        Settings.read()
    assert refused.value.key == named
    assert "\n" not in str(refused.value)
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_a_typing_error_in_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"STEAMLINE_SECRET_WORD={SECRET}\nOTHER_TOOL=1\n")
    with pytest.raises(ConfigError) as refused:
        Settings.read()
    assert refused.value.key == "STEAMLINE_SECRET_WORD"
    assert SECRET not in str(refused.value)


def test_values_come_from_the_environment_and_then_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("STEAMLINE_SCORE_CUTOFF_MINUTES=90\nSTEAMLINE_API_PORT=1\n")
    monkeypatch.setenv("STEAMLINE_API_PORT", "2")
    monkeypatch.setenv("STEAMLINE_STAKING_BANKROLL", "")
    read = Settings.read()
    assert read.score.cutoff_minutes == 90
    assert read.api.port == 2
    assert read.staking.bankroll == 10_000
    monkeypatch.setenv("STEAMLINE_BOOKS", '["circa", "pinnacle"]')
    assert Settings.read().books == ("circa", "pinnacle")


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in (
        ("REDIS_URL", f"redis://:{SECRET}@cache"),
        ("POSTGRES_DSN", f"postgresql://me:{SECRET}@db/x"),
        ("MLFLOW_TRACKING_URI", f"http://me:{SECRET}@mlflow"),
        ("KAFKA_SASL_PASSWORD", SECRET),
        ("KAFKA_BOOTSTRAP", "broker:9092"),
        ("KAFKA_OPTIONS", '{"sasl.mechanism": "PLAIN"}'),
    ):
        monkeypatch.setenv(f"STEAMLINE_{key}", value)
    read = Settings.read()
    assert SECRET not in repr(read)
    assert SECRET not in str(read)
    assert SECRET not in read.model_dump_json()
    assert read.kafka.client_config() == {
        "bootstrap.servers": "broker:9092",
        "sasl.mechanism": "PLAIN",
        "sasl.password": SECRET,
    }


def test_settings_are_frozen() -> None:
    read = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        read.books = ("circa",)
    with pytest.raises(ValidationError, match="frozen"):
        read.score.cutoff_minutes = 1.0
    with pytest.raises(ValidationError, match="cutoff_minutes"):
        ScoreSettings(cutoff_minutes=0.9)


def test_without_a_broker_the_way_out_is_named() -> None:
    with pytest.raises(ConfigError, match="steamline stack up") as refused:
        Settings().kafka.client_config()
    assert refused.value.key == "STEAMLINE_KAFKA_BOOTSTRAP"
