"""Whether a server that is waited for answers, for metrics and logs in other threads."""

from collections.abc import Callable

from schemas.time import US_PER_SECOND


class Outage:
    """Of Postgres; it counts as away until it has answered once."""

    def __init__(self, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self.away_us: int | None = clock_us()
        """Since when it has not answered; none while it does."""

    def answered(self) -> None:
        self.away_us = None

    def gone(self) -> None:
        if self.away_us is None:
            self.away_us = self._clock_us()

    @property
    def away_seconds(self) -> float:
        since_us = self.away_us
        return 0.0 if since_us is None else (self._clock_us() - since_us) / US_PER_SECOND
