"""`steamline ingest` on topics of its own, fed by a local server in the tests' own format."""

import json
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Message

from schemas.time import US_PER_MINUTE
from schemas.topics import Topic
from tests import samples
from tests.system import LEADERLESS, Child, clean_env, content, create_topics, read_topic

SAID = (Topic.GAMES, Topic.LINES, Topic.SPLITS, Topic.RESULTS)
GAMES = (("BOS", "NYY"), ("LAD", "SFG"), ("CHC", "STL"), ("SEA", "HOU"))
BOOKS = ("pinnacle", "circa", "draftkings", "fanduel", "betmgm")


def schedule_rows() -> list[list[Any]]:
    return [
        ["game", away, home, 700_000 + place, "2026-07-20", 1, start_of(place), "scheduled"]
        for place, (away, home) in enumerate(GAMES)
    ]


def start_of(place: int) -> int:
    return samples.START + place * 10 * US_PER_MINUTE


def board_rows(version: int) -> list[list[Any]]:
    """Every book's price in every game; some move from one version to the next, some books go."""
    rows: list[list[Any]] = []
    for place, (away, home) in enumerate(GAMES):
        for number, book in enumerate(BOOKS):
            if (version + place + number) % 7 == 0:
                continue  # not quoted this time
            price = 1.80 + 0.01 * ((version * (number + 1) + place) // 3 % 10)
            rows.append(["line", away, home, start_of(place), book, round(price, 2), 2.0, None])
    return rows


@dataclass
class Polled:
    """One set of topics, and the processes that write to it."""

    bootstrap: str
    folder: Path
    url: str = "http://127.0.0.1:9"
    prefix: str = field(default_factory=lambda: f"i{uuid.uuid4().hex[:8]}.")
    children: list[Child] = field(default_factory=list)
    module: str = "tests.fake_ingest"
    create: bool = True
    """Make the topics; the embedded broker makes its own when they are asked for."""

    def __post_init__(self) -> None:
        if self.create:
            create_topics(self.bootstrap, [topic.full(self.prefix) for topic in Topic])

    def __enter__(self) -> "Polled":
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.children:
            if child.alive():
                child.kill()

    def start(self, *arguments: str, **env: str) -> Child:
        return self.start_command("ingest", *arguments, **env)

    def start_command(self, *arguments: str, **env: str) -> Child:
        home = self.folder / self.prefix.rstrip(".")
        home.mkdir(exist_ok=True)
        ours = {
            "STEAMLINE_HOME": str(home),
            "STEAMLINE_KAFKA_BOOTSTRAP": self.bootstrap,
            "STEAMLINE_KAFKA_PREFIX": self.prefix,
            "STEAMLINE_ODDSAPI_URL": self.url,
            # The games of the tests are of 2026-07-20; what is on the topics is from then.
            "STEAMLINE_INGEST_MEMORY_HOURS": "100000",
        }
        log = home / f"{len(self.children)}.log"
        child = Child(log, clean_env() | ours | env, *arguments, module=self.module)
        self.children.append(child)
        return child

    def run(self, *arguments: str, status: int = 0, **env: str) -> dict[str, Any]:
        """The summary of a command that ends by itself."""
        child = self.start(*arguments, "--json", **env)
        found = child.wait(60)
        assert found == status, child.said[-3_000:]
        summary: dict[str, Any] = json.loads(
            next(row for row in child.said.splitlines() if row.startswith('{"sources"'))
        )
        return summary

    def said(self, topics: Iterable[Topic] = SAID) -> list[dict[str, Any]]:
        """Every event on the topics, repeats included."""
        return [json.loads(content(message)) for topic in topics for message in self._read(topic)]

    def _read(self, topic: Topic) -> list[Message]:
        while True:
            try:
                return read_topic(self.bootstrap, topic.full(self.prefix))
            except KafkaException as bad:
                if bad.args[0].code() not in LEADERLESS:
                    raise
                time.sleep(0.1)

    def ids(self, topics: Iterable[Topic] = SAID) -> list[str]:
        return sorted(one["event_id"] for one in self.said(topics))

    def letters(self) -> list[dict[str, Any]]:
        return self.said([Topic.DEAD_LETTERS])


def standing(events: Iterable[dict[str, Any]]) -> dict[tuple[str, str], float]:
    """(game, book) -> price, from line events in the order of the topic."""
    found: dict[tuple[str, str], float] = {}
    for event in sorted(events, key=lambda one: int(one["occurred_at_us"])):
        if "book" in event:
            key = (event["game_id"], event["book"])
            if event["status"] == "open":
                found[key] = event["price_home_over"]
            else:
                found.pop(key, None)
    return found


def quoted(version: int) -> dict[tuple[str, str], float]:
    """What a board shows, as `standing` has it."""
    return {(f"mlb-2026-07-20-{row[1]}-{row[2]}-1", row[4]): row[5] for row in board_rows(version)}
