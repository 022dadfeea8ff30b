"""Which sources are polled, and which troubles are told."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from flows.connectors.http import Answer
from flows.connectors.ingest_metrics import IngestMetrics
from flows.ingest import Ingest
from flows.poll import Polling
from flows.sources.feeds import Feed, Request, Sources, sources
from flows.steps.alarms import Alarm
from flows.steps.records import Outgoing
from schemas.errors import ConfigError, DeliveryFailed
from schemas.sections.sources import IngestSettings, OddsapiSettings, SbdSettings
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE, US_PER_SECOND, to_us
from tests import samples
from tests.answering import answering
from tests.unit.facts import DAY, PK, feeds, payload

LISTED = ["game", "BOS", "NYY", PK, "2026-07-20", 1, samples.START, "scheduled"]
KEY = "k3y"


def settings(**over: Any) -> Settings:
    return Settings(_env_file=None, **over)  # type: ignore[call-arg]


class _Kept:
    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    def send(self, message: Outgoing) -> None:
        self.sent.append(message)

    def poll(self) -> None: ...
    def confirm(self) -> None: ...


class _Refusing(_Kept):
    def confirm(self) -> None:
        raise DeliveryFailed("the broker has no room")


def line(book: str) -> list[Any]:
    return ["line", "BOS", "NYY", samples.START, book, 1.9, 2.0, None]


def heard(ingest: Ingest, second: float, *rows: list[Any]) -> dict[Alarm, str]:
    """Alarms of the odds source after such an answer."""
    at = payload(second, body=json.dumps(rows).encode())
    ingest.take(ingest.sources.on[1], Answer(at, False, {}))
    return {alarm: why for (name, alarm), why in ingest.alarms.raised.items() if name == "oddsapi"}


def scheduled() -> Ingest:
    ingest = Ingest(settings(), feeds(), _Kept())
    at = payload(0, "mlb_stats", body=json.dumps([LISTED]).encode())
    ingest.take(ingest.sources.on[0], Answer(at, False, {}))
    return ingest


def names(found: Sources) -> list[str]:
    return [feed.source for feed in found.on]


def test_without_any_setting_the_schedule_alone_is_polled() -> None:
    found = sources(settings())
    assert names(found) == ["mlb_stats"]
    assert found.off == {
        "oddsapi": "STEAMLINE_ODDSAPI_API_KEY is not set",
        "action_network": "STEAMLINE_ACTIONNETWORK_ENABLED is false",
        "vsin": "STEAMLINE_VSIN_ENABLED is false",
        "sbd": "STEAMLINE_SBD_ENABLED is false",
    }


def test_a_key_or_a_switch_turns_a_source_on() -> None:
    ours = settings(oddsapi=OddsapiSettings(api_key=SecretStr(KEY)), sbd=SbdSettings(enabled=True))
    found = sources(ours)
    assert names(found) == ["mlb_stats", "oddsapi", "sbd"]
    (odds,) = found.on[1].requests(DAY)
    assert KEY not in repr(odds), "a secret is added when it is sent"
    off = settings(oddsapi=OddsapiSettings(api_key=SecretStr(KEY), enabled=False))
    assert names(sources(off)) == ["mlb_stats"]


def test_named_sources_are_polled_with_the_schedule() -> None:
    assert names(sources(settings(), frozenset({"vsin"}))) == ["mlb_stats", "vsin"]
    with pytest.raises(ConfigError, match="STEAMLINE_ODDSAPI_API_KEY: is not set"):
        sources(settings(), frozenset({"oddsapi"}))
    with pytest.raises(ConfigError, match="there is no source 'odds'"):
        sources(settings(), frozenset({"odds"}))


def test_a_recording_needs_no_key() -> None:
    assert len(sources(settings(), played=True).on) == 5


def test_the_schedule_is_asked_for_from_yesterday_on() -> None:
    (asked,) = sources(settings()).on[0].requests(DAY)
    assert (asked.params["startDate"], asked.params["endDate"]) == ("2026-07-19", "2026-07-23")


def test_a_first_answer_with_strange_books_is_no_alarm_a_new_one_later_is() -> None:
    ingest = scheduled()
    assert Alarm.UNKNOWN_BOOK not in heard(ingest, 10, line("pinnacle"), line("corner_shop"))
    assert Alarm.UNKNOWN_BOOK not in heard(ingest, 70, line("pinnacle"), line("corner_shop"))
    raised = heard(ingest, 130, line("pinnacle_sports"), line("corner_shop"))
    assert raised[Alarm.UNKNOWN_BOOK] == "'pinnacle_sports' is not in STEAMLINE_BOOKS"
    assert Alarm.UNKNOWN_BOOK in heard(ingest, 190, line("pinnacle_sports"))


def test_no_word_while_a_game_is_near_is_an_alarm() -> None:
    ingest = scheduled()
    assert Alarm.EMPTY in heard(ingest, 10)
    assert Alarm.EMPTY not in heard(ingest, 70, line("pinnacle"))
    # Six hours and eleven before first pitch nobody need quote yet.
    assert Alarm.EMPTY not in heard(ingest, -11 * 3_600)


def test_an_alarm_ends_with_its_cause_and_shows_in_the_metrics() -> None:
    ingest = scheduled()
    metrics = IngestMetrics(ingest).registry
    labels = {"source": "oddsapi", "alarm": "payload_changed"}
    at = payload(10, body=b"<html>")
    ingest.take(ingest.sources.on[1], Answer(at, False, {}))
    assert metrics.get_sample_value("steamline_ingest_alarm_active", labels) == 1.0
    heard(ingest, 70, line("pinnacle"))
    assert metrics.get_sample_value("steamline_ingest_alarm_active", labels) == 0.0
    events = {"source": "oddsapi", "topic": "lines"}
    assert metrics.get_sample_value("steamline_ingest_events_total", events) == 1.0
    told = {"source": "oddsapi", "reason": "payload_changed"}
    assert metrics.get_sample_value("steamline_ingest_dead_letters_total", told) == 1.0
    assert (
        metrics.get_sample_value("steamline_ingest_heard_timestamp_seconds", {"source": "oddsapi"})
        == samples.at(70) / US_PER_SECOND
    )


class Clock:
    """Time that passes when it is told."""

    def __init__(self) -> None:
        self.now_us = samples.OPEN

    def __call__(self) -> int:
        return self.now_us


def test_a_source_that_falls_silent_is_told() -> None:
    async def main() -> None:
        clock, stop, ingest = Clock(), asyncio.Event(), Ingest(settings(), feeds(), _Kept())
        polling = Polling(ingest, IngestSettings(silent_minutes=20), clock, stop)
        ingest.looks.heard_us["mlb_stats"] = clock.now_us
        for minutes, silent in ((19, []), (21, ["mlb_stats", "oddsapi"])):
            clock.now_us = samples.OPEN + minutes * US_PER_MINUTE
            polling.listen()
            assert [name for name, _ in ingest.alarms.raised] == silent
        assert ingest.alarms.raised["oddsapi", Alarm.SILENT] == "not heard for 21 min"
        ingest.looks.heard_us["oddsapi"] = clock.now_us
        polling.listen()
        assert [name for name, _ in ingest.alarms.raised] == ["mlb_stats"]

    asyncio.run(main())


def test_a_broker_that_refuses_stops_everything() -> None:
    async def main(url: str) -> None:
        ingest = Ingest(settings(), feeds(url), _Refusing())
        rules = IngestSettings(attempts=1)
        polling = Polling(ingest, rules, now_us, asyncio.Event())
        with pytest.raises(DeliveryFailed, match="no room"):
            await asyncio.wait_for(polling.run(), 20)

    with answering() as server:
        server.rows("/schedule", lambda: [LISTED])
        server.rows("/odds", list)
        asyncio.run(main(server.url))


def test_our_own_failure_on_one_source_stops_no_other() -> None:
    def broken(_: Any) -> list[Request]:
        raise ZeroDivisionError("no day")

    async def main(url: str) -> None:
        stop, both = asyncio.Event(), feeds(url)
        odds: Feed = both.on[1]._replace(requests=broken)
        ingest = Ingest(settings(), Sources([both.on[0], odds], {}), _Kept())
        polling = Polling(ingest, IngestSettings(attempts=1), now_us, stop)
        running = asyncio.create_task(polling.run())
        while (
            ingest.looks.done["mlb_stats", "new"] + ingest.looks.done["mlb_stats", "unchanged"] < 3
        ):
            await asyncio.sleep(0.02)
            assert not running.done()
        assert ingest.alarms.raised["oddsapi", Alarm.FAILING] == "ZeroDivisionError: no day"
        stop.set()
        await running

    with answering() as server:
        server.rows("/schedule", lambda: [LISTED])
        asyncio.run(main(server.url))


def now_us() -> int:
    return to_us(datetime.now(UTC))
