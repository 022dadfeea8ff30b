"""Whose key is this: verified once by argon2, then known by a fast digest.

What Postgres says of a key in use is asked anew after `FRESH_SECONDS`, so what is revoked there is
refused that soon by every process. While Postgres does not answer, what is remembered holds for
`STEAMLINE_API_KEY_MEMORY_SECONDS` after it last did; what is not remembered is not let in.
"""

import asyncio
import hmac
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from api.keys import Key, matches, parts
from api.keystore import DOWN, KeyStore, Session
from schemas.time import US_PER_HOUR

log = logging.getLogger(__name__)

FRESH_SECONDS = 2.0
_REMEMBERED = 10_000
"""Digests, and sessions."""
_VERIFYING = 2
"""At once: each takes 19 MiB and a core for a while."""
_RETRY_SECONDS = 1.0
"""How long Postgres is left alone after it did not answer."""

T = TypeVar("T")


class Unknowable(Exception):
    """Postgres does not answer, and what is remembered is too old or nothing."""


@dataclass
class Held(Generic[T]):
    """What Postgres said, and when."""

    value: T
    read_at: float


class Keyring:
    """One a process; everything runs on its event loop."""

    def __init__(
        self,
        store: KeyStore,
        memory_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        """clock: seconds, for ages; now_us: what keys expire by."""
        self._store = store
        self._memory_seconds = memory_seconds
        self._clock, self._now_us = clock, now_us
        self._keys: dict[str, Held[Key]] = {}
        self._sessions: OrderedDict[str, Held[Session]] = OrderedDict()
        self._proved: OrderedDict[bytes, str] = OrderedDict()
        """{digest of a whole key: the hash that it was found to match}"""
        self._salt = secrets.token_bytes(32)
        self._verifying = asyncio.Semaphore(_VERIFYING)
        self._ask_at = float("-inf")
        self._noted: dict[str, int] = {}
        """{key id: the newest hour of use that was written down}"""

    async def of_key(self, text: str) -> Key | None:
        """The key, if it is one and valid. Raises Unknowable."""
        known = parts(text)
        if known is None:
            return None
        key_id, secret = known
        key = await self._key(key_id)
        proof = hmac.digest(self._salt, text.encode(), "sha256")
        now_us = self._now_us()
        valid = [] if key is None else key.valid_hashes(now_us)
        if (matched := self._proved.get(proof)) is None:
            async with self._verifying:
                matched = await asyncio.to_thread(matches, secret, valid)
        if key is None or matched not in valid:
            return None
        assert matched is not None
        self._proved[proof] = matched
        _trim(self._proved)
        return await self._alive(key, now_us)

    async def of_session(self, token: str) -> Key | None:
        """The key that a browser was signed in with. Raises Unknowable."""
        held = self._sessions.get(token)
        if held is None or not self._fresh(held):
            try:
                found = await self._ask(lambda: self._store.session(token))
            except Unknowable:
                if held is None or not self._good(held):
                    raise
            else:
                if found is None:
                    self._sessions.pop(token, None)
                    return None
                held = self._sessions[token] = Held(found, self._clock())
                _trim(self._sessions)
        now_us = self._now_us()
        if now_us >= held.value.expires_us:
            return None
        key = await self._key(held.value.key_id)
        return None if key is None else await self._alive(key, now_us)

    async def begin_session(self, key: Key, hours: float) -> str:
        """Its token. Raises Unknowable."""
        token = secrets.token_urlsafe(32)
        now_us = self._now_us()
        expires_us = now_us + round(hours * US_PER_HOUR)
        await self._ask(lambda: self._store.begin_session(token, key.key_id, now_us, expires_us))
        return token

    async def end_session(self, token: str) -> None:
        """Raises Unknowable."""
        await self._ask(lambda: self._store.end_session(token))
        self._sessions.pop(token, None)

    async def still(self, key_id: str, token: str | None) -> bool:
        """Is good yet what was good when a stream began: the key, and the session if it has one?"""
        with suppress(Unknowable):
            if token is not None:
                return await self.of_session(token) is not None
            key = await self._key(key_id)
            return key is not None and key.lapsed(self._now_us()) is None
        return False

    async def close(self) -> None:
        await self._store.close()

    async def _key(self, key_id: str) -> Key | None:
        held = self._keys.get(key_id)
        if held is not None and self._fresh(held):
            return held.value
        try:
            found = await self._ask(lambda: self._store.find([key_id]))
        except Unknowable:
            if held is None or not self._good(held):
                raise
            return held.value
        if key_id not in found:
            self._keys.pop(key_id, None)
            return None
        self._keys[key_id] = Held(found[key_id], self._clock())
        return found[key_id]

    async def _alive(self, key: Key, now_us: int) -> Key | None:
        if (why := key.lapsed(now_us)) is not None:
            log.info("key %s (%s) is %s", key.key_id, key.name, why)
            return None
        await self._note(key, now_us)
        return key

    async def _note(self, key: Key, now_us: int) -> None:
        """That it was used; once an hour, and not worth an error."""
        hour = now_us // US_PER_HOUR
        known = -1 if key.used_us is None else key.used_us // US_PER_HOUR
        if max(known, self._noted.get(key.key_id, -1)) < hour:
            self._noted[key.key_id] = hour
            try:
                await self._store.used(key.key_id, now_us)
            except DOWN as down:
                log.warning("key %s: its use is not noted: %s", key.key_id, type(down).__name__)

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Raises Unknowable."""
        if self._clock() < self._ask_at:
            raise Unknowable
        try:
            return await question()
        except DOWN as down:
            self._ask_at = self._clock() + _RETRY_SECONDS
            # The class only: the message may repeat the address with its password.
            log.warning("keys cannot be looked up in Postgres: %s", type(down).__name__)
            raise Unknowable from None

    def _fresh(self, held: Held[T]) -> bool:
        return self._clock() - held.read_at < FRESH_SECONDS

    def _good(self, held: Held[T]) -> bool:
        return self._clock() - held.read_at < self._memory_seconds


def _trim(remembered: "OrderedDict[bytes, str] | OrderedDict[str, Held[Session]]") -> None:
    while len(remembered) > _REMEMBERED:
        remembered.popitem(last=False)
