"""When and where to try again, and what an answer means."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from schemas.errors import FeedRefused

MAX_SECONDS = 30.0
"""No pause is longer, unless the server asks for one."""
_AGAIN = frozenset({408, 429})
"""Besides all of 5xx: may be other in a while."""


@dataclass
class Wait:
    """How long to wait before the next try: twice as long after each round of all addresses."""

    addresses: int
    retry_ms: int = 2_000
    """As the feed says."""
    dice: Callable[[float, float], float] = random.uniform
    _failed: int = field(default=0, init=False)

    def succeeded(self) -> None:
        self._failed = 0

    def seconds(self, asked: float | None) -> float:
        """After one more failure. asked: by the server, and then it is not less."""
        self._failed += 1
        base = self.retry_ms / 1_000
        rounds, others = divmod(self._failed, self.addresses)
        if others:
            # Another replica is there at once, but not for all clients of a lost one together.
            pause = self.dice(0.0, base / 4)
        else:
            longest = min(base * 2 ** min(rounds - 1, 16), max(MAX_SECONDS, base))
            pause = self.dice(longest / 2, longest)
        return pause if asked is None else max(pause, asked)


def retry_after(answer: httpx.Response) -> float | None:
    """Seconds that the server asks for: a number, or a date by its own clock."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        moment = parsedate_to_datetime(said)
        now = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    if moment.tzinfo is None or now.tzinfo is None:
        moment, now = moment.replace(tzinfo=UTC), now.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def may_return(answer: httpx.Response) -> bool:
    """A failure that another try, or another replica, may end."""
    return answer.status_code in _AGAIN or answer.status_code >= 500


def refusal(answer: httpx.Response) -> FeedRefused:
    """answer: read to its end. Never repeats the key."""
    status = answer.status_code
    try:
        problem = answer.json()
        said = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        said = answer.reason_phrase
    address = answer.url.copy_with(query=None, userinfo=b"")
    where = f"feed {address}: {status}: {said}"
    if status in (401, 403):
        return FeedRefused(
            status, f"{where}. Give a valid key with the scope `read`: Feed(key=...)"
        )
    if status == 200:
        kind = answer.headers.get("content-type", "nothing")
        return FeedRefused(
            status, f"feed {address}: answers with {kind}, not an event stream. Give the API's URL"
        )
    return FeedRefused(status, where)
