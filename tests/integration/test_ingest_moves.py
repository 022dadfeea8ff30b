"""Real polls of The Odds API, and what a plain comparison of each with the one before finds."""

import json
import lzma
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.connectors.http import Answer
from flows.ingest import Ingest
from flows.sources.feeds import sources
from flows.sources.payload import Meeting, Payload
from flows.sources.teams import CLUBS
from flows.steps.records import Outgoing
from schemas.settings import Settings
from schemas.time import to_us
from schemas.topics import Topic

pytest.importorskip("flows.sources.oddsapi")

CODES = {name: code for code, name in CLUBS.items()}
MARKETS = {"h2h": "moneyline", "spreads": "run_line", "totals": "total"}
Move = tuple[int, str, str, str, str]
"""Second, game, book, market, `open` or `gone`."""


class _Kept:
    """A producer that keeps what it gets."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    def send(self, message: Outgoing) -> None:
        self.sent.append(message)

    def poll(self) -> None: ...
    def confirm(self) -> None: ...


def answer(source: str, endpoint: str, at_us: int, document: object) -> Answer:
    body = json.dumps(document).encode()
    url = f"http://127.0.0.1/{endpoint}?oddsFormat=american"
    return Answer(Payload(source, endpoint, url, at_us, None, body), False, {})


def schedule(games: pl.DataFrame) -> dict[str, Any]:
    """The games in the league's own format, without what this test does not need."""
    days: dict[str, list[dict[str, Any]]] = {}
    for row in games.iter_rows(named=True):
        day = str(row["date_et"])
        days.setdefault(day, []).append(
            {
                "gamePk": row["pk"],
                "gameType": "R",
                "gameDate": row["start"].replace(tzinfo=UTC).isoformat().replace("+00:00", "Z"),
                "officialDate": day,
                "gameNumber": row["number"],
                "doubleHeader": "N",
                "status": {"codedGameState": "S", "detailedState": "Scheduled"},
                "teams": {
                    side: {"team": {"name": row[f"{side}_team"]}} for side in ("home", "away")
                },
            }
        )
    return {
        "totalGames": len(games),
        "dates": [{"date": day, "games": some} for day, some in sorted(days.items())],
    }


def raw_polls(data_dir: Path) -> list[tuple[int, list[dict[str, Any]]]]:
    path = data_dir / "samples" / "oddsapi_mlb_raw_20260807_20260808.jsonl.xz"
    polls = []
    with lzma.open(path, "rt") as lines:
        for line in lines:
            row = json.loads(line)
            polls.append((to_us(datetime.fromisoformat(row["seen_at"])), row["payload"]))
    return sorted(polls, key=lambda pair: pair[0])


def listed(data_dir: Path, polls: Sequence[tuple[int, list[dict[str, Any]]]]) -> pl.DataFrame:
    """Every event id of the polls as a game; two of one day are numbered by their start."""
    seen: dict[str, dict[str, Any]] = {}
    for _, payload in polls:
        for event in payload:
            seen.setdefault(event["id"], event)
    rows = [
        {
            "event_id": identity,
            "home_team": event["home_team"],
            "away_team": event["away_team"],
            "start": datetime.fromisoformat(event["commence_time"]).replace(tzinfo=None),
        }
        for identity, event in seen.items()
        if {event["home_team"], event["away_team"]} <= set(CLUBS.values())
    ]
    frame = pl.DataFrame(rows).with_columns(
        (pl.col("start").dt.offset_by("-10h")).dt.date().alias("date_et")
    )
    return frame.sort("start", "event_id").with_columns(
        pl.int_range(1, pl.len() + 1).over("date_et", "home_team", "away_team").alias("number"),
        (pl.int_range(0, pl.len()) + 800_000).alias("pk"),
    )


def told(messages: Iterable[Outgoing], from_us: int) -> Counter[Move]:
    found: Counter[Move] = Counter()
    for message in messages:
        if message.topic is Topic.LINES and message.timestamp_us > from_us:
            event = json.loads(message.value)
            kind = "open" if event["status"] == "open" else "gone"
            at = event["occurred_at_us"] // 1_000_000
            found[at, event["game_id"], event["book"], event["market"], kind] += 1
    return found


def game_id(row: dict[str, Any]) -> str:
    away, home = (CODES[row[f"{side}_team"]] for side in ("away", "home"))
    return f"mlb-{row['date_et']}-{away}-{home}-{row['number']}"


def board(event: dict[str, Any]) -> dict[tuple[str, str], object]:
    """(book, market) -> what is quoted, where it is a price of both sides that can be."""
    found: dict[tuple[str, str], object] = {}
    for book in event["bookmakers"]:
        for market in book["markets"]:
            sides = sorted(
                (one["name"], one["price"], one.get("point")) for one in market["outcomes"]
            )
            payouts = [price / 100 if price > 0 else 100 / -price for _, price, _ in sides]
            if len(sides) == 2 and 0.9 <= sum(1 / (1 + one) for one in payouts) <= 1.5:
                # -100 and 100 are one price.
                found[book["key"], MARKETS[market["key"]]] = [
                    (name, round(payout, 9), point)
                    for (name, _, point), payout in zip(sides, payouts, strict=True)
                ]
    return found


def compared(
    polls: Sequence[tuple[int, list[dict[str, Any]]]], identities: dict[str, str]
) -> Counter[Move]:
    """What changed from one poll to the next, by nothing but comparing."""
    before: dict[str, dict[tuple[str, str], object]] = {}
    found: Counter[Move] = Counter()
    for place, (at_us, payload) in enumerate(polls):
        for event in payload:
            if event["id"] not in identities:
                continue
            old, new = before.get(event["id"], {}), board(event)
            for key in old.keys() | new.keys():
                if place and old.get(key) != new.get(key):
                    kind = "open" if key in new else "gone"
                    found[at_us // 1_000_000, identities[event["id"]], *key, kind] += 1
            before[event["id"]] = new
    return found


def test_what_is_said_is_what_moved(data_dir: Path) -> None:
    polls = raw_polls(data_dir)[::4]
    games = listed(data_dir, polls)
    kept = _Kept()
    found = sources(Settings(_env_file=None), played=True)  # type: ignore[call-arg]
    feeds = {feed.source: feed for feed in found.on}
    ingest = Ingest(Settings(_env_file=None), found, kept)  # type: ignore[call-arg]
    first_us = polls[0][0]
    ingest.take(feeds["mlb_stats"], answer("mlb_stats", "schedule", first_us, schedule(games)))
    for at_us, payload in polls:
        ingest.take(feeds["oddsapi"], answer("oddsapi", "odds", at_us, payload))
    identities = {row["event_id"]: game_id(row) for row in games.iter_rows(named=True)}
    ours, wanted = told(kept.sent, first_us), compared(polls, identities)
    print(f"{len(polls)} polls, {len(identities)} games, {sum(wanted.values())} moves")
    assert sum(wanted.values()) > 10_000
    assert not ours - wanted
    assert not wanted - ours
    assert ingest.summary()["waiting"] == []


def test_real_doubleheaders_are_two_games(data_dir: Path) -> None:
    path = data_dir / "samples" / "mlb_stats_api_schedule_20210919_and_doubleheader.json"
    body = json.loads(path.read_bytes())["doubleHeaderMockResponse"]
    night_us = to_us(datetime(2021, 4, 14, 4, tzinfo=UTC))
    found = sources(Settings(_env_file=None), played=True)  # type: ignore[call-arg]
    ingest = Ingest(Settings(_env_file=None), found, _Kept())  # type: ignore[call-arg]
    ingest.take(found.on[0], answer("mlb_stats", "schedule", night_us, body))
    schedule = ingest.intake.schedule
    # The second games are listed five minutes after the first.
    for pk, number in ((632213, 1), (632224, 2), (632189, 1), (632226, 2)):
        meeting = Meeting("?", "?", mlb_game_pk=pk)
        listing = schedule.get(schedule.resolve(meeting).game_id or "")
        assert listing is not None
        league, away, home = listing.pair
        assert listing.game_id == f"{league}-2021-04-13-{away}-{home}-{number}"
        by_start = Meeting(home, away, listing.start_us + 60_000_000)
        assert schedule.resolve(by_start).game_id == listing.game_id
        later = Meeting(home, away, listing.start_us + 3 * 3_600_000_000)
        assert schedule.resolve(later).game_id is None
        assert schedule.resolve(Meeting(home, away, day=listing.day)).game_id is None
