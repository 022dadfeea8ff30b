"""A small past at a local server: one game of 20 July 2026, as three sources tell of it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.answering import Answering, Asked, Reply

FIXTURES = Path(__file__).parent / "fixtures"
GAME = "mlb-2026-07-20-BOS-NYY-1"
START, END = "2026-07-20T17:00", "2026-07-20T23:30"
LOOKS = ("18:00", "20:00", "22:00")
"""Every two hours within it."""
SNAPSHOTS = "/v4/historical/sports/baseball_mlb/odds"
HISTORY = "/web/v2/markets/event/31001/history"
LAG = timedelta(seconds=22)
"""A snapshot is so much older than the time that was asked for."""
MOVED = datetime(2026, 7, 20, 19, 15, tzinfo=UTC)
"""When the price moved, from -130 to -145."""


def schedule() -> dict[str, Any]:
    """As it is read long after: the game is over, its starters are named."""

    def side(name: str, score: int, pitcher: str) -> dict[str, Any]:
        return {"team": {"name": name}, "score": score, "probablePitcher": {"fullName": pitcher}}

    game = {
        "gamePk": 800_900,
        "gameType": "R",
        "gameDate": "2026-07-20T23:05:00Z",
        "officialDate": "2026-07-20",
        "status": {"codedGameState": "F", "detailedState": "Final"},
        "teams": {
            "away": side("Boston Red Sox", 3, "A. Pitcher"),
            "home": side("New York Yankees", 5, "B. Pitcher"),
        },
        "gameNumber": 1,
        "doubleHeader": "N",
    }
    return {"totalGames": 1, "dates": [{"date": "2026-07-20", "games": [game]}]}


def snapshot(asked: datetime, price: int | None = None) -> dict[str, Any]:
    made = asked - LAG
    if price is None:
        price = -130 if made < MOVED else -145
    event = {
        "id": "e1",
        "sport_key": "baseball_mlb",
        "commence_time": "2026-07-20T23:05:00Z",
        "home_team": "New York Yankees",
        "away_team": "Boston Red Sox",
        "bookmakers": [
            {
                "key": "pinnacle",
                "title": "Pinnacle",
                "last_update": text(made - timedelta(seconds=8)),
                "markets": [
                    {
                        "key": "h2h",
                        "outcomes": [
                            {"name": "New York Yankees", "price": price},
                            {"name": "Boston Red Sox", "price": 115},
                        ],
                    }
                ],
            }
        ],
    }
    return {"timestamp": text(made), "data": [event]}


def text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def past(server: Answering, remaining: int = 1_000) -> None:
    """Have it answer; each snapshot is paid for."""
    left = [remaining]

    def snapshots(asked: Asked) -> Reply:
        at = datetime.fromisoformat(asked.params["date"])
        left[0] -= 90
        paid = {"x-requests-remaining": str(left[0]), "x-requests-last": "90"}
        return Reply(body=json.dumps(snapshot(at)).encode(), headers=paid)

    server.scripts[SNAPSHOTS] = snapshots
    server.scripts["/v4/sports"] = lambda _: Reply(headers={"x-requests-remaining": str(left[0])})
    server.on("/api/v1/schedule", Reply(body=json.dumps(schedule()).encode()))
    board = json.loads((FIXTURES / "action_network_scoreboard.json").read_text())
    board["games"] = board["games"][:1]
    server.on("/web/v2/scoreboard/mlb", Reply(body=json.dumps(board).encode()))
    body = (FIXTURES / "action_network_history.json").read_bytes()
    server.on(HISTORY, Reply(body=body))
