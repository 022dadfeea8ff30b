"""Who is told of stakes, alerts and settlements by HTTP."""

import base64
import binascii
from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from schemas.decisions import AlertKind
from schemas.events import Name
from schemas.markets import Market
from schemas.sections.base import Measured, Section

SECRET_PREFIX = "whsec_"
SECRET_BYTES = 24
"""At least; the Standard Webhooks specification asks for 24 to 64."""


class Endpoint(Section):
    """One receiver. Every filter that is given must let a message pass; none lets all pass."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    """In logs, metrics, dead letters and the file of its positions; its URL never is."""
    url: SecretStr
    """https://, or http:// on this machine. Secret, since some hold a token in their path."""
    secrets: Annotated[tuple[SecretStr, ...], Field(min_length=1, max_length=4)]
    """`whsec_` and base64 of 24 bytes or more. Each signs every message, so a new one can stand
    beside the old one until the receiver has it."""
    topics: Annotated[tuple[Literal["stakes", "alerts", "settlements"], ...], Field(min_length=1)]
    markets: tuple[Market, ...] = ()
    """What is about a whole game, as a lock, is about each of its markets."""
    bankrolls: tuple[Name, ...] = ()
    """Of stakes and settlements; alerts have none and pass."""
    games: tuple[str, ...] = ()
    """Game ids, `*` and `?` as in file names: `mlb-*-NYY-?`."""
    alerts: tuple[AlertKind, ...] = ()
    """Kinds of alerts."""
    min_edge: float = Field(default=0.0, ge=0.0)
    """Of stakes: a smaller one is left out, unless it takes back what the receiver was told."""
    min_amount: float = Field(default=0.0, ge=0.0)
    """The same for the amount."""

    @field_validator("url")
    @classmethod
    def _safe(cls, url: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(url.get_secret_value())
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise ValueError("is no URL") from None
        if not host or parts.scheme not in ("http", "https"):
            raise ValueError("is no https:// URL")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not hold a user or a password: messages are signed")
        if parts.scheme == "http" and not _is_loopback(host):
            raise ValueError("must be https://, but for an address of this machine")
        return url

    @field_validator("secrets")
    @classmethod
    def _strong(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for one in secrets:
            prefix, _, text = one.get_secret_value().partition("_")
            try:
                key = base64.b64decode(text, validate=True)
            except binascii.Error:
                key = b""
            if f"{prefix}_" != SECRET_PREFIX or len(key) < SECRET_BYTES:
                raise ValueError(f"is not {SECRET_PREFIX} and base64 of {SECRET_BYTES} bytes")
        return secrets


class WebhooksSettings(Measured):
    """How `steamline run webhooks` tells others (docs/webhooks.md)."""

    endpoints: tuple[Endpoint, ...] = ()
    """A JSON list of objects; docs/webhooks.md lists their keys."""
    timeout_seconds: float = Field(default=10.0, gt=0.0)
    """For one whole answer."""
    attempts: int = Field(default=8, ge=1)
    """Of one message; then it goes to the dead letters."""
    first_wait_seconds: float = Field(default=1.0, gt=0.0)
    """After the first attempt; each further wait is twice as long, with jitter."""
    longest_wait_seconds: float = Field(default=120.0, gt=0.0)
    """Between attempts, whatever a receiver asks for."""
    queue: int = Field(default=500, ge=1)
    """Messages that wait for one endpoint in memory, at most; the others wait on Kafka."""

    @model_validator(mode="after")
    def _each_named_once(self) -> Self:
        if len({one.name for one in self.endpoints}) != len(self.endpoints):
            raise ValueError("endpoints: a name stands twice")
        return self


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
