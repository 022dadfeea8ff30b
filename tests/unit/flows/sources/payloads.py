"""Payloads of the fixtures, and what a parser made of them."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from flows.sources import action_network, mlb_stats, oddsapi, sbd, vsin
from flows.sources.payload import Fact, Meeting, Parser, Payload, Refusal
from schemas.time import to_us

FIXTURES = Path(__file__).parents[3] / "fixtures"


def us(text: str) -> int:
    return to_us(datetime.fromisoformat(text))


NOW = us("2026-07-20T18:02:00Z")
"""When the fixtures were fetched."""

YANKEES = Meeting("NYY", "BOS", start_us=us("2026-07-20T23:05:00Z"))


class Case(NamedTuple):
    """A fixture as its source's answer."""

    file: str
    parse: Parser
    endpoint: str
    url: str = ""
    meeting: Meeting | None = None

    def body(self) -> bytes:
        return (FIXTURES / self.file).read_bytes()

    def payload(self, body: bytes | None = None) -> Payload:
        return Payload(
            source=self.file.split("_")[0],
            endpoint=self.endpoint,
            url=self.url,
            fetched_at_us=NOW,
            said_at_us=None,
            body=self.body() if body is None else body,
            meeting=self.meeting,
        )

    def read(self, body: bytes | None = None) -> Sequence[Fact | Refusal]:
        return self.parse(self.payload(body))

    def changed(self, change: Callable[[Any], object]) -> Sequence[Fact | Refusal]:
        """What comes of the JSON fixture after `change` has altered it in place."""
        document = json.loads(self.body())
        change(document)
        return self.read(json.dumps(document).encode())


AMERICAN = "https://example.test/odds?oddsFormat=american"
ODDS = Case("oddsapi_odds.json", oddsapi.parse, "odds", AMERICAN)
SNAPSHOT = Case("oddsapi_historical.json", oddsapi.parse, "historical")
SCHEDULE = Case("mlb_stats_schedule.json", mlb_stats.parse, "schedule")
BOARD = Case("action_network_scoreboard.json", action_network.parse, "scoreboard")
HISTORY = Case("action_network_history.json", action_network.parse, "history", "", YANKEES)
SBD = Case("sbd_splits.json", sbd.parse, "splits")
VSIN = Case("vsin_splits.html", vsin.parse, "splits", "https://example.test/splits?source=DK")

JSON_CASES = (ODDS, SNAPSHOT, SCHEDULE, BOARD, HISTORY, SBD)
CASES = (*JSON_CASES, VSIN)


def facts_of(made: Sequence[Fact | Refusal]) -> list[Fact]:
    return [one for one in made if isinstance(one, Fact)]


def refusals_of(made: Sequence[Fact | Refusal]) -> list[Refusal]:
    return [one for one in made if isinstance(one, Refusal)]


def reasons(made: Sequence[Fact | Refusal]) -> list[str]:
    return [one.reason for one in refusals_of(made)]


def said(made: Sequence[Fact | Refusal], *about: str, home: str = "NYY") -> dict[str, Any]:
    """Fields of the one fact about this in this home team's game."""
    found = [one for one in facts_of(made) if one.about == about and one.meeting.home == home]
    assert len(found) == 1, found
    return found[0].fields


def paths(value: object, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where everything in a JSON document is, the document itself excepted."""
    inside: Any = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    for key, one in inside:
        yield (*here, key)
        yield from paths(one, (*here, key))


def holder(document: Any, path: tuple[str | int, ...]) -> Any:
    """The object or list that holds the last step of `path`."""
    for step in path[:-1]:
        document = document[step]
    return document
