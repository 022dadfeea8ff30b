"""How often a client may ask: N a minute, at once or spread, refilled evenly.

The generic cell rate algorithm keeps one number a client, when its debt will be paid. The memory
of the library `limits` keeps every request, never forgets a client, reads the wall clock, and
begins a thread up to a hundred times a second that looks through all of them.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

_CLIENTS = 50_000
"""Beyond it the client that has been silent longest is forgotten, and begins anew."""


class Rate:
    """One limit for many clients, in this process alone."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds."""
        self._every = 60.0 / per_minute
        self._slack = 60.0 - self._every
        self._clock = clock
        self._paid: OrderedDict[str, float] = OrderedDict()
        """When a client will owe nothing any more."""

    def take(self, client: str) -> int | None:
        """One more. None: it may; else after how many whole seconds it may."""
        now = self._clock()
        paid = max(self._paid.get(client, now), now)
        # A billionth: sums of the same terms in another order.
        if paid - now > self._slack + 1e-9:
            return math.ceil(paid - now - self._slack)
        self._paid[client] = paid + self._every
        self._paid.move_to_end(client)
        if len(self._paid) > _CLIENTS:
            self._paid.popitem(last=False)
        return None

    def wait(self, client: str) -> int | None:
        """As `take`, and counts nothing."""
        now = self._clock()
        owed = self._paid.get(client, now) - now - self._slack
        return math.ceil(owed) if owed > 1e-9 else None
