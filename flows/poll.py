"""All sources polled in one process: each by itself, watched, started again when it fails.

One source's trouble stops no other. What stops all: a broker that refuses what we say, and a
recording that cannot be written.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx

from flows.connectors.http import Answer, Clock, Poller, TooLong, make_client
from flows.connectors.reading import Stopped
from flows.connectors.recording import keep
from flows.ingest import Ingest
from flows.sources.feeds import Feed
from flows.sources.schedule import league_day
from flows.steps.alarms import Alarm
from flows.steps.polling import PollRules, pause
from schemas.errors import SourceBusy, SourceUnavailable, SteamlineError
from schemas.sections.sources import IngestSettings
from schemas.time import US_PER_SECOND

log = logging.getLogger(__name__)

LISTEN_SECONDS = 5.0
"""How often it is asked whether a source is due, or has fallen silent."""
MAX_BACKOFF_SECONDS = 300.0

T = TypeVar("T")


class Rest(NamedTuple):
    """Bounds of the seconds to the next look, whatever the games say."""

    least: float = 0.0
    most: float = math.inf


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
        """Look, rest, look again; our own failure on one source is logged and waited out."""
        name, failures = feed.source, 0
        while not self._stop.is_set():
            looked_us, problem = self._clock(), ""
            try:
                rest = await self._look(feed, poller)
                failures = 0
            except SteamlineError:
                raise
            except Exception as bad:
                failures += 1
                problem = f"{type(bad).__name__}: {bad}"
                rest = Rest(least=min(2.0**failures, MAX_BACKOFF_SECONDS), most=MAX_BACKOFF_SECONDS)
                log.exception("%s failed, started again in %.0f s", name, rest.least)
            self._ingest.alarms.set(name, Alarm.FAILING, problem)
            await self._rest(feed, looked_us, rest)

    async def _rest(self, feed: Feed, looked_us: int, rest: Rest) -> None:
        """Asked again and again how long, for the schedule may change meanwhile."""
        while not self._stop.is_set():
            seconds = min(max(rest.least, self._pause(feed)), rest.most)
            left = seconds - (self._clock() - looked_us) / US_PER_SECOND
            if left <= 0.0:
                return
            await self._sleep(min(left, LISTEN_SECONDS))

    def _pause(self, feed: Feed) -> float:
        starts_us = self._ingest.intake.schedule.starts_us()
        return pause(self._clock(), starts_us, PollRules.of(feed.settings))

    async def _look(self, feed: Feed, poller: Poller) -> Rest:
        """One look at all that a source has to say."""
        name, looks = feed.source, self._ingest.looks
        rest, trouble = Rest(), ""
        try:
            for request in feed.requests(league_day(self._clock())):
                try:
                    answer = await unless_stopped(self._stop, poller.get(request))
                except TooLong as cut:
                    trouble = str(cut)
                    await self._serially(partial(self._ingest.take_cut, feed, cut))
                else:
                    await self._serially(partial(self._keep_and_take, feed, answer))
        except Stopped:
            return rest
        except SourceBusy as busy:
            looks.done[name, "busy"] += 1
            log.warning("%s: %s", name, busy)
            rest = Rest(least=busy.seconds)
        except SourceUnavailable as bad:
            trouble = str(bad)
        if trouble:
            looks.done[name, "failed"] += 1
            log.warning("%s: %s", name, trouble)
            rest = Rest(most=feed.settings.near_seconds)
        self._report(name, poller, trouble)
        return rest

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
            keep(self._record_to, answer)
        self._ingest.take(feed, answer)

    async def _listen(self) -> None:
        while not self._stop.is_set():
            self.listen()
            await self._sleep(LISTEN_SECONDS)

    def listen(self) -> None:
        """Tell of sources that have fallen silent, and of those that are heard again."""
        for feed in self._ingest.sources.on:
            patience = max(self._settings.silent_minutes * 60.0, 3.0 * self._pause(feed))
            heard_us = self._ingest.looks.heard_us.get(feed.source, self._began_us)
            silence = (self._clock() - heard_us) / US_PER_SECOND
            detail = f"not heard for {silence / 60.0:.0f} min" if silence > patience else ""
            self._ingest.alarms.set(feed.source, Alarm.SILENT, detail)

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


async def unless_stopped(stop: asyncio.Event, answer: Awaitable[T]) -> T:
    """An answer of a source that hangs must not hold up the end. Raises Stopped."""
    asked = asyncio.ensure_future(answer)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((asked, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            raise Stopped
        return asked.result()
    finally:
        for task in (asked, stopped):
            if not task.done():
                task.cancel()
