"""Facts and payloads as polled sources give them, without any source's format."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from flows.sources.feeds import Feed, Request, Sources
from flows.sources.payload import Fact, Meeting, Payload, Refusal
from flows.sources.teams import CLUBS
from schemas.events import GameResult, GameUpdate, LineMovement
from schemas.markets import GameStatus, Market
from schemas.sections.sources import MlbstatsSettings, OddsapiSettings
from tests import samples

DAY = date(2026, 7, 20)
PK = 777_001
BOS_NYY = Meeting("NYY", "BOS", samples.START, DAY, 1, PK)
"""As the schedule says it: `samples.GAME`."""


def payload(
    second: float = 0,
    source: str = "oddsapi",
    said: float | None = None,
    body: bytes = b"",
    **over: Any,
) -> Payload:
    """Fetched and said so many seconds after `samples.OPEN`."""
    return Payload(
        **{
            "source": source,
            "endpoint": "odds" if source == "oddsapi" else "schedule",
            "url": f"http://127.0.0.1/{source}",
            "fetched_at_us": samples.at(second),
            "said_at_us": None if said is None else samples.at(said),
            "body": body,
        }
        | over
    )


def listed(meeting: Meeting = BOS_NYY, status: GameStatus = GameStatus.SCHEDULED) -> Fact:
    """The schedule's word on a game."""
    fields: dict[str, object] = {
        "home": CLUBS[meeting.home],
        "away": CLUBS[meeting.away],
        "start_time_us": meeting.start_us,
        "status": status,
        "mlb_game_pk": meeting.mlb_game_pk,
    }
    return Fact(meeting, GameUpdate, ("game",), fields)


def priced(
    home: float = 1.9,
    away: float = 2.0,
    book: str = "pinnacle",
    meeting: Meeting | None = None,
    said: float | None = None,
) -> Fact:
    """A moneyline, of `samples.GAME` by clubs and start unless another is named."""
    fields: dict[str, object] = {
        "book": book,
        "market": Market.MONEYLINE,
        "price_home_over": home,
        "price_away_under": away,
    }
    return Fact(
        meeting or Meeting("NYY", "BOS", samples.START),
        LineMovement,
        (book, "moneyline"),
        fields,
        None if said is None else samples.at(said),
    )


def parse(answer: Payload) -> Sequence[Fact | Refusal]:
    """A format of the tests' own: a JSON list of rows.

    ["game", away, home, pk, day, number, start, status]; ["line", away, home, start, book, home
    price, away price, said or none]; ["result", pk, home score, away score].
    """
    try:
        rows = json.loads(answer.body)
        return [_row(row) for row in rows]
    except (ValueError, TypeError, KeyError, IndexError) as bad:
        return [Refusal("payload_changed", f"{type(bad).__name__}: {bad}", answer.body)]


def _row(row: list[Any]) -> Fact | Refusal:
    kind, *rest = row
    if kind == "game":
        away, home, pk, day, number, start_us, status = rest
        meeting = Meeting(home, away, start_us, date.fromisoformat(day), number, pk)
        return listed(meeting, GameStatus(status))
    if kind == "line":
        away, home, start_us, book, first, second, said_us = rest
        fact = priced(first, second, book, Meeting(home, away, start_us))
        return fact._replace(said_at_us=said_us)
    if kind == "result":
        pk, first, second = rest
        meeting = Meeting("NYY", "BOS", mlb_game_pk=pk)
        fields: dict[str, object] = {"home_score": first, "away_score": second}
        return Fact(meeting, GameResult, ("result",), fields)
    return Refusal("bad_row", str(kind), json.dumps(row).encode())


def feeds(url: str = "http://127.0.0.1", key: str = "s3cret", **over: Any) -> Sources:
    """A schedule and an odds source that speak the tests' format."""
    quick = {"url": url, "per_minute": 60_000.0, "near_seconds": 0.05, "far_seconds": 0.05,
             "idle_seconds": 0.05} | over  # fmt: skip
    schedule = Feed(
        "mlb_stats",
        MlbstatsSettings.model_validate(quick),
        lambda day: [Request("schedule", "/schedule", {"day": str(day)})],
        parse,
        {},
    )
    odds = Feed(
        "oddsapi",
        OddsapiSettings.model_validate(quick),
        lambda day: [Request("odds", "/odds", {"regions": "us"}, full=True)],
        parse,
        {"apiKey": key},
        50,
        Request("sports", "/sports", {}),
    )
    return Sources([schedule, odds], {})
