"""Messages to receivers over HTTP, signed by the Standard Webhooks scheme.

Nothing that leaves this module by a log, an error or a metric has a URL or a secret in it.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError
from standardwebhooks.webhooks import Webhook
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from flows.connectors.files import write_text
from flows.connectors.http import retry_after
from flows.connectors.reading import Stopped
from flows.connectors.topic_reader import Lane, Positions
from schemas.errors import ConfigError, SteamlineError
from schemas.sections.webhooks import Endpoint, WebhooksSettings
from schemas.time import from_us

GONE = "webhook_gone"
UNDELIVERED = "webhook_undelivered"
SLICE_SECONDS = 0.2
"""A stop is heard so soon while it waits."""
_SMALL = 65_536
"""Bytes of an answer that are read so that the connection can be used again."""


class Undelivered(NamedTuple):
    """Why a receiver has not taken a message."""

    reason: str
    detail: str


class _Again(SteamlineError):
    """Worth another attempt."""

    def __init__(self, problem: str, seconds: float | None = None) -> None:
        super().__init__(problem)
        self.seconds = seconds


class _Gone(SteamlineError):
    """The receiver wants to hear nothing more."""


def signed_headers(
    secrets: tuple[str, ...], message_id: str, now_us: int, body: bytes
) -> dict[str, str]:
    """One signature a secret, so that either side can change it first."""
    moment = from_us(now_us)
    signatures = [Webhook(one).sign(message_id, moment, body.decode()) for one in secrets]
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


class Caller:
    """Posts to one endpoint until it takes a message, or has had all attempts."""

    def __init__(
        self,
        endpoint: Endpoint,
        settings: WebhooksSettings,
        clock_us: Callable[[], int],
        stopping: Callable[[], bool],
        tried: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        """tried: told how every attempt ended: `taken`, or in a word why not."""
        # They log every URL, and a URL may hold a token.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._settings, self._clock_us, self._stopping = settings, clock_us, stopping
        self._tried = tried
        self._url = endpoint.url.get_secret_value()
        self._secrets = tuple(one.get_secret_value() for one in endpoint.secrets)
        self._client = httpx.AsyncClient(
            headers={"User-Agent": "steamline-webhooks/1"},
            timeout=settings.timeout_seconds,
            # A redirect would carry the message, and our signature, to somebody else.
            follow_redirects=False,
            trust_env=False,
        )
        self._backoff = wait_exponential_jitter(
            multiplier=settings.first_wait_seconds,
            max=settings.longest_wait_seconds,
            jitter=settings.first_wait_seconds,
        )

    async def deliver(self, message_id: str, body: bytes) -> Undelivered | None:
        """None once it is taken. Raises Stopped when asked to end meanwhile."""
        attempts = AsyncRetrying(
            stop=stop_after_attempt(self._settings.attempts),
            wait=self._wait,
            retry=retry_if_exception_type(_Again),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            await attempts(self._post, message_id, body)
        except _Gone as gone:
            return Undelivered(GONE, str(gone))
        except _Again as last:
            return Undelivered(UNDELIVERED, f"{self._settings.attempts} attempts, the last: {last}")
        return None

    async def _post(self, message_id: str, body: bytes) -> None:
        headers = signed_headers(self._secrets, message_id, self._clock_us(), body)
        try:
            # Of httpx' own limits none is for a whole answer that trickles.
            async with (
                asyncio.timeout(self._settings.timeout_seconds),
                self._client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                status, said = answer.status_code, answer.headers
                if int(said.get("content-length", _SMALL + 1)) <= _SMALL:
                    with suppress(httpx.HTTPError):
                        await answer.aread()
        except TimeoutError:
            self._tried("timeout")
            raise _Again(f"no answer for {self._settings.timeout_seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as broken:
            # The class only: the text may repeat the URL.
            self._tried("unreachable")
            raise _Again(type(broken).__name__) from None
        if 200 <= status < 300:
            self._tried("taken")
            return
        self._tried(f"status_{status // 100}xx")
        if status == 410:
            raise _Gone("answered 410: it wants no more")
        why = f"answered {status}"
        if 300 <= status < 400:
            why += ": redirects are not followed"
        raise _Again(why, retry_after(said, self._clock_us()))

    def _wait(self, state: RetryCallState) -> float:
        """As long as the receiver asks for, within limits; else longer each time."""
        problem = state.outcome.exception() if state.outcome is not None else None
        asked = problem.seconds if isinstance(problem, _Again) else None
        longest = self._settings.longest_wait_seconds
        return min(max(self._backoff(state), asked or 0.0), longest)

    async def _sleep(self, seconds: float) -> None:
        left = seconds
        while True:
            if self._stopping():
                raise Stopped
            if left <= 0:
                return
            await asyncio.sleep(min(left, SLICE_SECONDS))
            left -= SLICE_SECONDS

    async def close(self) -> None:
        await self._client.aclose()


class Kept(BaseModel):
    """How far an endpoint is, in a file of its own: offsets mean nothing on another cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: str
    prefix: str
    positions: dict[str, dict[int, int]]
    """Topic -> partition -> next offset."""
    standing: list[str]
    """Of `flows.steps.webhooks.Choice`."""

    @property
    def lanes(self) -> Positions:
        return {
            Lane(topic, partition): at
            for topic, ats in self.positions.items()
            for partition, at in ats.items()
        }


def kept_at(path: Path, cluster: str, prefix: str) -> Kept:
    """What the file says; nothing where there is none. Raises ConfigError for a wrong one."""
    try:
        kept = Kept.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Kept(cluster=cluster, prefix=prefix, positions={}, standing=[])
    except ValidationError:
        raise ConfigError(
            str(path), "is damaged", "Remove it: the endpoint goes on with what is new"
        ) from None
    if (kept.cluster, kept.prefix) != (cluster, prefix):
        raise ConfigError(
            str(path),
            f"holds positions on cluster {kept.cluster}, prefix {kept.prefix!r}, not {cluster}, "
            f"{prefix!r}",
            "Remove it: the endpoint goes on with what is new",
        )
    return kept


def keep(path: Path, cluster: str, prefix: str, at: Positions, standing: set[str]) -> None:
    """On the disk when it returns, and whole at any moment."""
    positions: dict[str, dict[int, int]] = {}
    for lane, offset in sorted(at.items()):
        positions.setdefault(lane.topic, {})[lane.partition] = offset
    kept = Kept(cluster=cluster, prefix=prefix, positions=positions, standing=sorted(standing))
    write_text(path, kept.model_dump_json() + "\n")
