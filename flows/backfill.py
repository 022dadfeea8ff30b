"""The past asked of those sources that sell or keep it, by the same polite poller.

A snapshot of The Odds API costs ten times what a look costs, so nothing is asked before the sum is
known, allowed, and there. Answers that a folder holds are not asked for again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from flows.connectors.http import Answer, Clock, Poller, make_client
from flows.connectors.reading import Stopped
from flows.connectors.recording import keep, recorded
from flows.ingest import Ingest
from flows.past import Past
from flows.poll import unless_stopped
from flows.sources import action_network, oddsapi
from flows.sources.feeds import (
    Feed,
    Request,
    Sources,
    history_request,
    schedule_request,
    scoreboard_request,
    snapshot_request,
)
from flows.sources.past import CREDITS, Range
from flows.sources.schedule import SOURCE as SCHEDULE_SOURCE
from schemas.errors import ConfigError, DataMissing, SourceBusy, SourceUnavailable
from schemas.sections.sources import OddsapiSettings
from schemas.settings import Settings

log = logging.getLogger(__name__)

WITH_PAST = (action_network.SOURCE, oddsapi.SOURCE)
SCHEDULE_AHEAD, BOARD_AHEAD = 3, 1
"""Days after the range whose games are quoted in it: by The Odds API, by Action Network."""
PAID = "historical"
BUSY_TIMES = 3
"""A source that asks for rest is asked again so often."""


class Cost(NamedTuple):
    """Of what is asked for, in requests of The Odds API's quota."""

    snapshots: int
    each: int

    @property
    def credits(self) -> int:
        return self.snapshots * self.each


def of_past(sources: Sources) -> Sources:
    """Those that can be asked about the past, and the schedule. Raises ConfigError for none."""
    on = [feed for feed in sources.on if feed.source in (SCHEDULE_SOURCE, *WITH_PAST)]
    if len(on) < 2:
        raise ConfigError(
            "backfill",
            f"no source that tells of the past is on: {', '.join(WITH_PAST)}",
            "Set STEAMLINE_ODDSAPI_API_KEY or STEAMLINE_ACTIONNETWORK_ENABLED=true",
        )
    return Sources(on, {name: why for name, why in sources.off.items() if name in WITH_PAST})


def credits_each(settings: OddsapiSettings) -> int:
    """What one snapshot costs."""
    regions, markets = (
        sum(bool(one.strip()) for one in text.split(","))
        for text in (settings.regions, settings.markets)
    )
    return CREDITS * regions * markets


class Backfill:
    """Asks for one range, or takes it out of a folder."""

    def __init__(
        self,
        ingest: Ingest,
        settings: Settings,
        asked: Range,
        clock: Clock,
        stop: asyncio.Event,
        folder: Path | None = None,
        *,
        offline: bool = False,
    ) -> None:
        """folder: of recorded answers. offline: ask nobody, what is not there is missing.

        Raises DataMissing for a folder to play that holds nothing.
        """
        self._ingest, self._settings, self._asked = ingest, settings, asked
        self._clock, self._stop = clock, stop
        self._folder, self._offline = folder, offline
        self._feeds = {feed.source: feed for feed in ingest.sources.on}
        self._pollers: dict[str, Poller] = {}
        self._kept: dict[tuple[str, ...], Answer] = {}
        self._charged = 0
        self._budget = 0
        if folder is not None and (offline or folder.is_dir()):
            self._read(folder)

    def _read(self, folder: Path) -> None:
        try:
            for answer in recorded(folder, frozenset(self._feeds)):
                payload = answer.payload
                # What is paid for does not change; what is free may since have grown.
                if not answer.unchanged and (self._offline or payload.endpoint == PAID):
                    parts = urlsplit(payload.url)
                    self._kept[_key(payload.source, parts.path, parts.query)] = answer
        except DataMissing:
            if self._offline or any(folder.iterdir()):
                raise
        if self._offline:
            heard = {source for source, *_ in self._kept}
            self._feeds = {name: feed for name, feed in self._feeds.items() if name in heard}

    def _had(self, source: str, request: Request) -> Answer | None:
        return self._kept.get(_key(source, request.path, urlencode(request.params)))

    def cost(self) -> Cost:
        """Of the snapshots that are not in the folder."""
        if oddsapi.SOURCE not in self._feeds or self._offline:
            return Cost(0, 0)
        ours = self._settings.oddsapi
        wanted = [snapshot_request(ours, at_us) for at_us in self._asked.looks_us()]
        missing = sum(self._had(oddsapi.SOURCE, one) is None for one in wanted)
        return Cost(missing, credits_each(ours))

    async def run(self, past: Callable[[], Past], budget: int) -> bool:
        """Whether every question was answered. Raises ConfigError, before anything is paid for,
        where it costs more than the budget or than what remains of the quota; SourceUnavailable
        without a schedule."""
        async with self._asking():
            try:
                await self._afford(budget)
                return await self._run(await asyncio.to_thread(past))
            except Stopped:
                log.info("stopped: run it again, what is on the topics is not said twice")
                return False

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        async with make_client(self._settings.ingest) as client:
            self._pollers = {
                name: Poller(feed, self._settings.ingest, client, self._clock)
                for name, feed in self._feeds.items()
            }
            yield

    async def _afford(self, budget: int) -> None:
        cost, ours = self.cost(), self._settings.oddsapi
        self._budget = budget
        if not cost.snapshots:
            return
        poller, feed = self._pollers[oddsapi.SOURCE], self._feeds[oddsapi.SOURCE]
        bill = f"{cost.snapshots:,} snapshots of {cost.each} credits cost {cost.credits:,}"
        if cost.credits > budget:
            raise ConfigError(
                "--budget",
                f"{bill} of The Odds API's quota, and {budget:,} are allowed",
                f"Allow it with --budget {cost.credits}, or ask for less, or more seldom (--every)",
            )
        assert feed.quota is not None
        await unless_stopped(self._stop, poller.get(feed.quota))
        left = poller.remaining
        if left is not None and left - ours.quota_reserve < cost.credits:
            raise ConfigError(
                "--budget",
                f"{bill} of The Odds API's quota, of which {left:,} remain and "
                f"{ours.quota_reserve:,} are kept back",
                "Ask for less, or more seldom (--every)",
            )
        log.info("oddsapi: %s; %s remain", bill, "an unknown number" if left is None else left)

    async def _run(self, past: Past) -> bool:
        schedule = await self._ask(SCHEDULE_SOURCE, self._schedule())
        if schedule is None:
            raise SourceUnavailable(f"{SCHEDULE_SOURCE}: no schedule, so no game is known")
        await asyncio.to_thread(past.schedule, schedule.payload)
        whole = True
        if action_network.SOURCE in self._feeds:
            whole &= await self._games(past)
        if oddsapi.SOURCE in self._feeds:
            whole &= await self._snapshots(past)
        await asyncio.to_thread(past.close)
        return whole

    def _schedule(self) -> Request:
        days = self._asked.days(SCHEDULE_AHEAD)
        return schedule_request(days[0], days[-1])

    async def _games(self, past: Past) -> bool:
        ours, whole = self._settings.actionnetwork, True
        known: set[int] = set()
        for day in self._asked.days(BOARD_AHEAD):
            board = await self._ask(action_network.SOURCE, scoreboard_request(ours, day))
            games = {} if board is None else action_network.meetings(board.payload)
            whole &= board is not None
            for event_id, meeting in games.items():
                if event_id in known:
                    continue
                known.add(event_id)
                answer = await self._ask(action_network.SOURCE, history_request(ours, event_id))
                whole &= answer is not None
                if answer is not None:
                    await asyncio.to_thread(past.changes, answer.payload, meeting)
        return whole

    async def _snapshots(self, past: Past) -> bool:
        ours, whole = self._settings.oddsapi, True
        for at_us in self._asked.looks_us():
            answer = await self._ask(oddsapi.SOURCE, snapshot_request(ours, at_us))
            whole &= answer is not None
            if answer is not None:
                await asyncio.to_thread(past.snapshot, answer.payload, at_us)
        return whole

    async def _ask(self, source: str, request: Request) -> Answer | None:
        """None where there is no answer. Raises Stopped."""
        if self._stop.is_set():
            raise Stopped
        done = self._ingest.looks.done
        if (known := self._had(source, request)) is not None:
            done[source, "recorded"] += 1
            return known
        try:
            answer = await self._patiently(self._feeds[source], request)
        except (SourceBusy, SourceUnavailable) as bad:
            done[source, "failed"] += 1
            log.warning("%s %s: %s", source, request.endpoint, bad)
            return None
        done[source, "new"] += 1
        if self._folder is not None:
            keep(self._folder, answer)
        return answer

    async def _patiently(self, feed: Feed, request: Request) -> Answer:
        if self._offline:
            raise SourceUnavailable(f"no answer in {self._folder}")
        poller, costs = self._pollers[feed.source], 0
        if request.endpoint == PAID:
            costs = credits_each(self._settings.oddsapi)
            if self._charged + costs > self._budget:
                raise SourceBusy(f"{self._charged:,} credits are charged, the budget is spent", 0.0)
        for time in range(BUSY_TIMES):
            try:
                answer = await unless_stopped(self._stop, poller.get(request))
                break
            except SourceBusy as busy:
                if poller.spent or time == BUSY_TIMES - 1:
                    raise
                log.info("%s: %s", feed.source, busy)
                sleep = partial(asyncio.sleep, busy.seconds)
                await unless_stopped(self._stop, sleep())
        charged = answer.headers.get("x-requests-last", "")
        self._charged += int(charged) if charged.isdecimal() and costs else costs
        return answer


def _key(source: str, path: str, query: str) -> tuple[str, ...]:
    """Whatever server it was asked of: the end of a path tells the question."""
    return source, *path.split("/")[-2:], query
