"""All sources polled in one process: each by itself, watched, started again when it fails.

One source's trouble stops no other. What stops all: a broker that refuses what we say, and a
recording that cannot be written.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx

from flows.connectors.http import Answer, Clock, Poller, TooLong, make_client
from flows.connectors.recording import record
from flows.ingest import Ingest
from flows.sources.feeds import Feed
from flows.sources.schedule import league_day
from flows.steps.alarms import Alarm
from flows.steps.polling import PollRules, pause
from schemas.errors import ConfigError, SourceBusy, SourceUnavailable, SteamlineError
from schemas.settings import IngestSettings
from schemas.time import US_PER_MINUTE, US_PER_SECOND

log = logging.getLogger(__name__)

LISTEN_SECONDS = 5.0
"""How often it is asked whether a source has fallen silent."""
MAX_BACKOFF_SECONDS = 300.0

T = TypeVar("T")


class _Stopped(Exception):
    """Asked to end while waiting for an answer."""


class Polling:
    """The live way of answers to an `Ingest`."""

    def __init__(
        self,
        ingest: Ingest,
        settings: IngestSettings,
        clock: Clock,
        stop: asyncio.Event,
        record_to: Path | None = None,
    ) -> None:
        """stop: once set, what is under way is finished and confirmed, and polling ends."""
        self._ingest, self._settings = ingest, settings
        self._clock, self._stop, self._record_to = clock, stop, record_to
        self._alone = asyncio.Lock()
        self._began_us = clock()
        self._patience_us: dict[str, int] = {}
        """Source -> not heard for longer, it is called silent."""

    async def once(self) -> None:
        """One look at each source, the schedule's first."""
        async with make_client(self._settings) as client:
            for feed, poller in self._pollers(client):
                if not self._stop.is_set():
                    await self._look(feed, poller)
        if not self._stop.is_set():
            await self._serially(self._ingest.intake.close)

    async def run(self) -> None:
        """Until asked to stop. Raises what no new start of one source could mend."""
        async with make_client(self._settings) as client:
            try:
                async with asyncio.TaskGroup() as tasks:
                    for feed, poller in self._pollers(client):
                        tasks.create_task(self._supervise(feed, poller))
                    tasks.create_task(self._listen())
            except* SteamlineError as several:
                raise several.exceptions[0] from None

    def _pollers(self, client: httpx.AsyncClient) -> list[tuple[Feed, Poller]]:
        return [
            (feed, Poller(feed, self._settings, client, self._clock))
            for feed in self._ingest.sources.on
        ]

    async def _supervise(self, feed: Feed, poller: Poller) -> None:
        name, failures = feed.source, 0
        while not self._stop.is_set():
            problem = ""
            try:
                seconds = await self._look(feed, poller)
                failures = 0
            except SteamlineError:
                raise
            except Exception as bad:
                failures += 1
                problem = f"{type(bad).__name__}: {bad}"
                seconds = min(2.0**failures, MAX_BACKOFF_SECONDS)
                log.exception("%s failed, started again in %.0f s", name, seconds)
            self._ingest.alarms.set(name, Alarm.FAILING, problem)
            await self._sleep(seconds)

    async def _look(self, feed: Feed, poller: Poller) -> float:
        """One look at all that a source has to say; seconds until the next."""
        name, looks = feed.source, self._ingest.looks
        seconds = pause(
            self._clock(), self._ingest.intake.schedule.starts_us(), PollRules.of(feed.settings)
        )
        trouble = ""
        try:
            for request in feed.requests(league_day(self._clock())):
                try:
                    answer = await self._unless_stopped(poller.get(request))
                except TooLong as cut:
                    trouble, found = str(cut), cut
                    await self._serially(lambda found=found: self._ingest.take_cut(feed, found))  # type: ignore[misc]
                    continue
                await self._serially(lambda answer=answer: self._keep_and_take(feed, answer))  # type: ignore[misc]
        except _Stopped:
            return 0.0
        except SourceBusy as busy:
            looks.done[name, "busy"] += 1
            log.warning("%s: %s", name, busy)
            seconds = max(seconds, busy.seconds)
        except SourceUnavailable as bad:
            trouble = str(bad)
        if trouble:
            looks.done[name, "failed"] += 1
            log.warning("%s: %s", name, trouble)
        self._report(name, poller, trouble)
        patience = max(self._settings.silent_minutes * 60.0, 3.0 * seconds)
        self._patience_us[name] = int(patience * US_PER_SECOND)
        return seconds

    def _report(self, name: str, poller: Poller, trouble: str) -> None:
        alarms = self._ingest.alarms
        alarms.set(name, Alarm.UNREACHABLE, trouble)
        alarms.set(name, Alarm.BREAKER_OPEN, trouble if poller.open else "")
        if poller.remaining is not None:
            self._ingest.looks.remaining[name] = poller.remaining
        spent = f"{poller.remaining} requests remain" if poller.spent else ""
        alarms.set(name, Alarm.QUOTA_SPENT, spent)

    def _keep_and_take(self, feed: Feed, answer: Answer) -> None:
        if self._record_to is not None:
            try:
                record(self._record_to, answer)
            except OSError as bad:
                raise ConfigError(
                    "--record", f"{bad.filename}: {bad.strerror}", "Make room or record elsewhere"
                ) from None
        self._ingest.take(feed, answer)

    async def _listen(self) -> None:
        """Tell of sources that have fallen silent."""
        while not self._stop.is_set():
            for name, patience_us in self._patience_us.items():
                heard_us = self._ingest.looks.heard_us.get(name, self._began_us)
                silence_us = self._clock() - heard_us
                detail = f"not heard for {silence_us / US_PER_MINUTE:.0f} min"
                silent = silence_us > patience_us
                self._ingest.alarms.set(name, Alarm.SILENT, detail if silent else "")
            await self._sleep(LISTEN_SECONDS)

    async def _serially(self, work: Callable[[], None]) -> None:
        """In a thread, so that waiting for the broker holds up no timer; one at a time, so that
        what is said keeps its order."""
        async with self._alone:
            await asyncio.to_thread(work)

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return

    async def _unless_stopped(self, answer: Awaitable[T]) -> T:
        """An answer of a source that hangs must not hold up the end."""
        asked = asyncio.ensure_future(answer)
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((asked, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                raise _Stopped
            return asked.result()
        finally:
            for task in (asked, stopped):
                if not task.done():
                    task.cancel()
