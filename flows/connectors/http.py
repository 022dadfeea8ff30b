"""Polling over HTTP, politely: seldom, conditionally, and not at all where that is asked for.

Secrets are parameters that are added to a request at the last moment: no URL that leaves this
module, no log line and no recorded payload has them.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlencode

import httpx
from aiolimiter import AsyncLimiter
from circuitbreaker import (  # type: ignore[import-untyped]
    CircuitBreaker,
    CircuitBreakerError,
)
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from flows.sources.feeds import Feed, Request
from flows.sources.payload import Payload
from schemas.errors import ConfigError, SourceBusy, SourceUnavailable
from schemas.sections.sources import IngestSettings
from schemas.time import US_PER_SECOND, to_us

Clock = Callable[[], int]
"""Microseconds since 1970 UTC."""

KEPT_HEADERS = (
    "date", "age", "last-modified", "etag", "content-type", "cache-control", "retry-after",
    "x-requests-remaining", "x-requests-used", "x-requests-last",
)  # fmt: skip
QUOTA_SECONDS = 3_600.0
"""A source whose quota is spent is asked so often how much it has again."""

_backoff = wait_random_exponential(multiplier=0.5, max=20.0)


class Answer(NamedTuple):
    """What a source answered."""

    payload: Payload
    """With an empty body where nothing has changed."""
    unchanged: bool
    headers: dict[str, str]
    """Those of `KEPT_HEADERS` that it had."""


class TooLong(SourceUnavailable):
    """An answer beyond the limit; `payload` holds its beginning."""

    def __init__(self, payload: Payload, limit: int) -> None:
        super().__init__(f"the answer is longer than {limit:,} bytes")
        self.payload = payload


class _Again(SourceUnavailable):
    """Worth another attempt, at once or after some seconds."""

    def __init__(self, problem: str, seconds: float | None = None) -> None:
        super().__init__(problem)
        self.seconds = seconds


def make_client(settings: IngestSettings) -> httpx.AsyncClient:
    """One for all sources. Raises ConfigError for a proxy that cannot be."""
    # They log every URL with all its parameters, a key among them.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    proxy = settings.proxy
    if proxy is not None and not proxy.get_secret_value().startswith(("http://", "https://")):
        # The value itself stays out of the message: it may hold a password.
        raise ConfigError("STEAMLINE_INGEST_PROXY", "is no http:// or https:// address", "Mend it")
    return httpx.AsyncClient(
        headers={"User-Agent": settings.user_agent},
        timeout=settings.timeout_seconds,
        proxy=None if proxy is None else proxy.get_secret_value(),
        # Settings say through which proxy, and a redirect must not carry a key elsewhere.
        trust_env=False,
        follow_redirects=False,
    )


class Poller:
    """All requests to one source."""

    def __init__(
        self, feed: Feed, settings: IngestSettings, client: httpx.AsyncClient, clock: Clock
    ) -> None:
        self._feed, self._settings = feed, settings
        self._client, self._clock = client, clock
        self._limiter = AsyncLimiter(1, 60.0 / feed.settings.per_minute)
        self._seen: dict[tuple[str, str], dict[str, str]] = {}
        """Endpoint and parameters -> what to send to hear only of changes."""
        self.remaining: int | None = None
        """Requests left, as the source last said."""
        self._breaker = CircuitBreaker(
            failure_threshold=settings.breaker_failures,
            recovery_timeout=settings.breaker_seconds,
            expected_exception=SourceUnavailable,
            name=feed.source,
        )
        self._guarded = self._breaker.decorate(self._attempts)

    @property
    def open(self) -> bool:
        """The breaker keeps the source from being asked."""
        return bool(self._breaker.opened)

    @property
    def spent(self) -> bool:
        """As much of the quota is used as may be."""
        reserve = self._feed.quota_reserve
        return reserve is not None and self.remaining is not None and self.remaining <= reserve

    async def get(self, request: Request) -> Answer:
        """Raises SourceUnavailable, and SourceBusy where it must not be asked for a while."""
        if self.spent and self._feed.quota is not None:
            await self._guard(self._feed.quota)
        if self.spent:
            raise SourceBusy(
                f"{self.remaining} requests remain, {self._feed.quota_reserve} are kept back",
                QUOTA_SECONDS,
            )
        answer: Answer = await self._guard(request)
        return answer

    async def _guard(self, request: Request) -> Answer:
        try:
            answer: Answer = await self._guarded(request)
        except CircuitBreakerError:
            raise SourceUnavailable(
                f"left alone for {self._breaker.open_remaining} s after "
                f"{self._breaker.failure_count} failures, the last: {self._breaker.last_failure}"
            ) from None
        return answer

    async def _attempts(self, request: Request) -> Answer:
        attempts = AsyncRetrying(
            stop=stop_after_attempt(self._settings.attempts),
            retry=retry_if_exception_type(_Again),
            wait=_wait,
            reraise=True,
        )
        answer: Answer = await attempts(self._once, request)
        return answer

    async def _once(self, request: Request) -> Answer:
        key = (request.endpoint, urlencode(request.params))
        async with self._limiter:
            try:
                async with (
                    asyncio.timeout(self._settings.timeout_seconds),
                    self._client.stream(
                        "GET",
                        f"{self._feed.settings.url.rstrip('/')}{request.path}",
                        params=request.params | (self._feed.secret or {}),
                        headers=self._seen.get(key, {}),
                    ) as response,
                ):
                    self._count(response.headers)
                    return await self._read(request, response)
            except TimeoutError:
                raise _Again(f"no answer within {self._settings.timeout_seconds:g} s") from None
            except httpx.HTTPError as bad:
                # Only its kind: its text may hold the address with all parameters.
                raise _Again(type(bad).__name__) from None

    async def _read(self, request: Request, response: httpx.Response) -> Answer:
        status, key = response.status_code, (request.endpoint, urlencode(request.params))
        if status == httpx.codes.NOT_MODIFIED and key in self._seen:
            said_us = _date_us(response.headers)
            return self._answer(request, response, said_us, b"", unchanged=True)
        if status == httpx.codes.TOO_MANY_REQUESTS or status >= 500:
            seconds = retry_after(response.headers, self._clock())
            if seconds is not None and seconds > self._settings.max_wait_seconds:
                raise SourceBusy(f"HTTP {status}: asks for {seconds:.0f} s of rest", seconds)
            raise _Again(f"HTTP {status}", seconds)
        if status != httpx.codes.OK:
            raise SourceUnavailable(f"HTTP {status}")
        said_us = _time_us(response.headers.get("last-modified")) or _date_us(response.headers)
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > self._settings.max_body_bytes:
                body = body[: self._settings.max_body_bytes]
                cut = self._answer(request, response, said_us, bytes(body), unchanged=False)
                raise TooLong(cut.payload, self._settings.max_body_bytes)
        self._seen[key] = {
            ask: response.headers[tell]
            for ask, tell in (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified"))
            if tell in response.headers
        }
        return self._answer(request, response, said_us, bytes(body), unchanged=False)

    def _answer(
        self,
        request: Request,
        response: httpx.Response,
        said_us: int | None,
        body: bytes,
        *,
        unchanged: bool,
    ) -> Answer:
        query = f"?{urlencode(request.params)}" if request.params else ""
        for secret in (self._feed.secret or {}).values():
            body = body.replace(secret.encode(), b"***")
        return Answer(
            Payload(
                source=self._feed.source,
                endpoint=request.endpoint,
                url=f"{self._feed.settings.url.rstrip('/')}{request.path}{query}",
                fetched_at_us=self._clock(),
                said_at_us=said_us,
                body=body,
            ),
            unchanged,
            {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
        )

    def _count(self, headers: httpx.Headers) -> None:
        # Some write 19500.0.
        try:
            self.remaining = int(float(headers["x-requests-remaining"]))
        except (KeyError, ValueError, OverflowError):
            return


def _wait(state: RetryCallState) -> float:
    """As long as the source asks for; else longer each time, with jitter."""
    problem = state.outcome.exception() if state.outcome is not None else None
    if isinstance(problem, _Again) and problem.seconds is not None:
        return problem.seconds
    return _backoff(state)


def _time_us(text: str | None) -> int | None:
    """Of a date in a header; none where there is none or it is no date."""
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _date_us(headers: httpx.Headers) -> int | None:
    """When the answer was made: caches pass it on with its age."""
    made_us = _time_us(headers.get("date"))
    if made_us is None:
        return None
    age = headers.get("age", "0")
    return made_us - (int(age) * US_PER_SECOND if age.isdecimal() else 0)


def retry_after(headers: httpx.Headers, now_us: int) -> float | None:
    """Seconds; a source may name a time instead."""
    text = headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    at_us = _time_us(text or None)
    return None if at_us is None else max(0.0, (at_us - now_us) / US_PER_SECOND)
