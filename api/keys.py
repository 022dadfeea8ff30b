"""API keys: what one looks like, what it may do, and what is kept of it.

`sl_<id>_<secret>`: the id is no secret and finds the row, so that one hash is compared. Only an
argon2 hash of the secret is kept. It is 256 random bits, so guessing is hopeless at any price of a
guess: the parameters are OWASP's smallest, because every process pays them for each key anew.
"""

import re
import secrets
import string
from dataclasses import dataclass
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

ID_LENGTH = 12
SECRET_LENGTH = 43
"""62 ** 43 is beyond 2 ** 256."""
_KEY = rf"sl_([a-z0-9]{{{ID_LENGTH}}})_([A-Za-z0-9]{{{SECRET_LENGTH}}})"
_EXACT = re.compile(_KEY)
_LIKE = re.compile(r"sl_[A-Za-z0-9]{4,}_[A-Za-z0-9_-]{8,}")
"""A key, one cut short or mistyped too."""
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class Scope(StrEnum):
    READ = "read"
    """All that is shown: feed, board, history, metrics; and the calculator, which keeps nothing."""
    STAKE = "stake"
    """Records bets that were made."""
    ADMIN = "admin"
    """May do everything the others may."""


@dataclass(frozen=True)
class Key:
    """What is known of a key, never its secret."""

    key_id: str
    name: str
    scopes: frozenset[Scope]
    created_us: int
    hashes: tuple[tuple[str, int | None], ...]
    """(hash, until when it holds): the newest for ever, the one before a rotation for a while."""
    expires_us: int | None = None
    revoked_us: int | None = None
    used_us: int | None = None
    """To the hour."""

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def lapsed(self, now_us: int) -> str | None:
        """Why it no longer opens anything, for the log; None while it does."""
        if self.revoked_us is not None:
            return "revoked"
        if self.expires_us is not None and now_us >= self.expires_us:
            return "expired"
        return None

    def valid_hashes(self, now_us: int) -> list[str]:
        return [one for one, until_us in self.hashes if until_us is None or now_us < until_us]


def new_id() -> str:
    return _random(string.ascii_lowercase + string.digits, ID_LENGTH)


def new_secret() -> str:
    return _random(string.ascii_letters + string.digits, SECRET_LENGTH)


def written(key_id: str, secret: str) -> str:
    """The key as a client sends it."""
    return f"sl_{key_id}_{secret}"


def parts(text: str) -> tuple[str, str] | None:
    """(id, secret) of a key; None of anything else."""
    found = _EXACT.fullmatch(text)
    return None if found is None else (found[1], found[2])


def holds_key(text: str) -> bool:
    """Does something that looks like a key stand in it?"""
    return _LIKE.search(text) is not None


def without_keys(text: str) -> str:
    """The text with every secret struck out."""
    return _LIKE.sub("sl_***", text)


def hash_of(secret: str) -> str:
    return _HASHER.hash(secret)


def matches(secret: str, hashes: list[str]) -> str | None:
    """The hash that is of this secret. Takes as long whatever there is to compare with."""
    found = None
    for one in (hashes + [_NOBODYS] * 2)[:2]:
        try:
            _HASHER.verify(one, secret)
        except (VerificationError, InvalidHashError):
            continue
        found = one
    return found


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


_NOBODYS = _HASHER.hash(new_secret())
"""Compared with where there is no other, so that the time of an answer does not tell."""
