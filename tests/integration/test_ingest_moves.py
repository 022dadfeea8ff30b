"""Real polls of The Odds API against another reader's file of what moved between them.

The moves file was made by somebody else's program from the same polls; what it calls a move, a
return or a book gone must be what ingest says.
"""

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
from flows.sources.payload import Payload
from flows.sources.teams import CLUBS
from flows.steps.records import Outgoing
from schemas.settings import Settings
from schemas.time import to_us
from schemas.topics import Topic

pytest.importorskip("flows.sources.oddsapi")

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


def test_what_is_said_is_what_another_reader_saw_move(data_dir: Path) -> None:
    polls = raw_polls(data_dir)
    games = listed(data_dir, polls)
    kept = _Kept()
    found = sources(Settings(_env_file=None), played=True)  # type: ignore[call-arg]
    feeds = {feed.source: feed for feed in found.on}
    ingest = Ingest(Settings(_env_file=None), found, kept)  # type: ignore[call-arg]
    first_us = polls[0][0]
    ingest.take(feeds["mlb_stats"], answer("mlb_stats", "schedule", first_us, schedule(games)))
    for at_us, payload in polls:
        ingest.take(feeds["oddsapi"], answer("oddsapi", "odds", at_us, payload))
    names = {row["event_id"]: row for row in games.iter_rows(named=True)}
    code = {name: code for code, name in CLUBS.items()}
    moves = pl.read_parquet(data_dir / "mlb_2026_oddsapi_moves.parquet").filter(
        pl.col("seen_at")
        .cast(pl.Datetime("us"))
        .cast(pl.Int64)
        .is_between(first_us, polls[-1][0], closed="right")
    )
    wanted: Counter[Move] = Counter()
    for row in moves.iter_rows(named=True):
        if row["event_id"] not in names:
            continue
        game = names[row["event_id"]]
        game_id = (
            f"mlb-{game['date_et']}-{code[game['away_team']]}-{code[game['home_team']]}"
            f"-{game['number']}"
        )
        at = to_us(row["seen_at"].replace(tzinfo=UTC)) // 1_000_000
        kind = "gone" if row["kind"] == "gone" else "open"
        wanted[at, game_id, row["book"], MARKETS[row["market"]], kind] += 1
    ours = told(kept.sent, polls[0][0])
    print(
        f"{len(polls)} polls, {len(names)} games: {sum(ours.values())} moves said,"
        f" {sum(wanted.values())} in the file, {sum((ours & wanted).values())} the same"
    )
    print("ours only", (ours - wanted).most_common(8))
    print("theirs only", (wanted - ours).most_common(8))
    print(
        Counter(k[4] for k in (ours - wanted).elements()),
        Counter(k[4] for k in (wanted - ours).elements()),
    )
    print(dict(ingest.intake.counts.refused), ingest.summary()["waiting"])
    assert ours == wanted
