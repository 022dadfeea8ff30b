"""What the processes log, and what they never do."""

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from cli import main
from cli.logs import log_as, secrets_of
from schemas.sections.observing import LogSettings
from schemas.sections.servers import KafkaSettings, PostgresSettings, RedisSettings
from schemas.sections.webhooks import Endpoint, WebhooksSettings
from schemas.settings import Settings

SECRET = "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"
log = logging.getLogger("flows.test")


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def settings(**log_settings: Any) -> Settings:
    endpoint = Endpoint(
        name="bot",
        url=SecretStr("https://bot.example/hook/p4th?token=t0ken"),
        secrets=(SecretStr(SECRET),),
        topics=("alerts",),
    )
    return Settings(
        log=LogSettings(**log_settings),
        kafka=KafkaSettings(
            sasl_password=SecretStr("kafka-pass"), options={"ssl.key.password": "key-pass"}
        ),
        redis=RedisSettings(url=SecretStr("redis://:redis-pass@cache:6379/0")),
        postgres=PostgresSettings(dsn=SecretStr("postgresql://u:p%40stgres@db/steamline")),
        webhooks=WebhooksSettings(endpoints=(endpoint,)),
    )


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_json_is_an_object_a_line_with_ids_and_crashes_in_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_as(settings(format="json"))
    log.info("said %s", "Peña\nagain", extra={"event_id": "e:1", "game_id": "mlb-1"})
    try:
        raise ValueError("broken")
    except ValueError as broken:
        sys.excepthook(ValueError, broken, broken.__traceback__)
    first, crash = lines(capsys)
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "INFO",
        "logger": "flows.test",
        "message": "said Peña\nagain",
        "event_id": "e:1",
        "game_id": "mlb-1",
    }
    assert crash["level"] == "CRITICAL"
    assert "ValueError: broken" in crash["exc_info"]


def test_text_is_a_line_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    log_as(settings())
    log_as(settings())
    log.warning("once")
    log.debug("not told")
    assert capsys.readouterr().err.endswith(" WARNING flows.test once\n")


@pytest.mark.parametrize(("level", "told"), [("debug", 4), ("info", 3), ("error", 1)])
def test_the_level_says_what_is_told(
    level: str, told: int, capsys: pytest.CaptureFixture[str]
) -> None:
    log_as(settings(format="json", level=level))
    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        log.log(number, "x")
        logging.getLogger("httpx").log(number - 10, "a URL with a key")
    assert [one["logger"] for one in lines(capsys) if one["logger"] != "httpx"] == [log.name] * told


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_told_whoever_lets_it_slip(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = settings(format=form)
    log_as(ours)
    slips = [
        *("kafka-pass", "key-pass", "redis-pass", "p%40stgres", "p@stgres", SECRET[6:]),
        *("t0ken", "/hook/p4th"),
    ]
    log.error("to %s", "redis://:redis-pass@cache:6379/0", extra={"dsn": "u:p%40stgres@db"})
    log.error("%s", " ".join(slips))
    try:
        raise OSError("refused u p@stgres https://bot.example/hook/p4th?token=t0ken")
    except OSError:
        log.exception("failed %s", SECRET)
    told = capsys.readouterr().err
    assert "refused u ***" in told
    assert "to redis://:***@cache" in told
    for one in slips:
        assert one not in told


def test_nothing_short_or_public_counts_as_a_secret() -> None:
    found = set(secrets_of(settings()))
    assert all(len(one) >= 4 for one in found)
    assert found.isdisjoint({"steamline", "cache", "/0", "/steamline", "bot"})


def test_a_command_that_fails_says_so_in_the_same_format(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["steamline", "run", "settle"])
    for form, told in (
        ("text", "error: STEAMLINE_KAFKA_BOOTSTRAP: no broker"),
        ("json", '"message": "STEAMLINE_KAFKA_BOOTSTRAP: no broker'),
    ):
        monkeypatch.setenv("STEAMLINE_LOG_FORMAT", form)
        with pytest.raises(SystemExit) as ended:
            main.main()
        assert ended.value.code == 1
        assert told in capsys.readouterr().err
