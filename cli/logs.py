"""How every command that runs until it is stopped logs: the one place that says so."""

import json
import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from pydantic import BaseModel

    from schemas.settings import Settings

TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
HIDDEN = "***"
_SHORTEST = 4
"""A shorter secret would blot out half of what is said, and keeps nobody out."""


class Discreet(logging.Formatter):
    """Another formatter's lines with every known secret blotted out, whoever has let it slip."""

    def __init__(self, inner: logging.Formatter, secrets: set[str]) -> None:
        super().__init__()
        self.inner = inner
        # The longest first: one may hold another.
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return blotted(self.inner.format(record), self._secrets)


def blotted(text: str, secrets: set[str]) -> str:
    """Plain text or JSON without these."""
    as_json = {json.dumps(one)[1:-1] for one in secrets}
    # The longest first: one may hold another.
    for secret in sorted(secrets | as_json, key=lambda one: (-len(one), one)):
        text = text.replace(secret, HIDDEN)
    return text


def quiet() -> None:
    """For a command whose output is the answer: libraries have nothing to say beside it."""
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger().setLevel(logging.CRITICAL)


class _StandardError(logging.StreamHandler[TextIO]):
    """Whatever that is when a line is told."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def log_as(settings: "Settings") -> None:
    """Lines on standard error from now on, as STEAMLINE_LOG says."""
    handler = _StandardError()
    inner = _json() if settings.log.format == "json" else logging.Formatter(TEXT)
    handler.setFormatter(Discreet(inner, set(secrets_of(settings))))
    root = logging.getLogger()
    root.handlers[:] = [
        *(one for one in root.handlers if not isinstance(one, _StandardError)),
        handler,
    ]
    root.setLevel(settings.log.level.upper())
    # They log every URL, and some hold a key.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if settings.log.format == "json":
        sys.excepthook = _log_crash


def tell_failure(problem: BaseException) -> None:
    """The last line of a command that fails, in the format of those before it."""
    if _logs_json():
        logging.getLogger("cli").error("%s", problem)
    else:
        print(f"error: {problem}", file=sys.stderr)


def _logs_json() -> bool:
    return sys.excepthook is _log_crash


def _log_crash(kind: type[BaseException], problem: BaseException, trace: object) -> None:
    logging.getLogger("cli").critical("%s", kind.__name__, exc_info=problem)


def _json() -> logging.Formatter:
    from datetime import UTC, datetime

    from pythonjsonlogger.json import JsonFormatter

    class Lines(JsonFormatter):
        def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
            moment = datetime.fromtimestamp(record.created, UTC)
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    # What a call gives as `extra` (event_id, game_id) stands beside these by itself.
    return Lines(
        "%(asctime)s %(levelname)s %(name)s %(message)s",
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
    )


def secrets_of(model: "BaseModel") -> Iterator[str]:
    """Every secret of the settings, and the password in each that is an address."""
    from pydantic import BaseModel, SecretStr

    def inside(value: object) -> Iterator[str]:
        if isinstance(value, SecretStr):
            yield from _parts(value.get_secret_value())
        elif isinstance(value, BaseModel):
            yield from secrets_of(value)
        elif isinstance(value, tuple):
            for one in value:
                yield from inside(one)
        elif isinstance(value, dict):
            for name, one in value.items():
                if "password" in str(name) or "secret" in str(name):
                    yield from _parts(str(one))

    for name in type(model).model_fields:
        for secret in inside(getattr(model, name)):
            if len(secret) >= _SHORTEST:
                yield secret


def _parts(secret: str) -> Iterator[str]:
    if "://" not in secret:
        yield secret
        yield secret.removeprefix("whsec_")
        return
    try:
        parts = urlsplit(secret)
        password = parts.password
    except ValueError:
        yield secret
        return
    if password:
        yield password
        yield unquote(password)
    if parts.query:
        yield parts.query
        yield from (value for _, value in parse_qsl(parts.query))
    if parts.scheme in ("http", "https") and len(parts.path) > 1:
        # Of a receiver whose address alone opens it.
        yield parts.path
