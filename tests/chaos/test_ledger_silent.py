"""A ledger that has died, or has lost its Postgres: nobody knows what there is to bet with, so
nothing is staked; and stakes come back with it. Real processes, and prices of this very minute:
how old a balance is counts in event time."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from deploy.stack.kafka import KafkaBroker
from deploy.stack.postgres import PostgresServer
from flows.connectors.migrations import migrate
from flows.connectors.parquet import read_archive
from schemas.decisions import Refusal
from schemas.sections.servers import PostgresSettings
from schemas.time import US_PER_MINUTE
from schemas.topics import Topic
from tests.chaos.conftest import DAYS
from tests.integration.test_ledger import bankroll, ledger
from tests.system import Child, Sent, Site, Trained, content, sent

pytestmark = pytest.mark.long

LIMIT_SECONDS = 15
SILENT = {
    "STEAMLINE_STAKING_LEDGER_MINUTES": str(LIMIT_SECONDS / 60),
    "STEAMLINE_LEDGER_HEARTBEAT_SECONDS": "1",
}
AHEAD_US = 240 * US_PER_MINUTE
"""First pitch of the day, from now."""


class Market:
    """A simulated day that is played today, and its prices, said again and again."""

    def __init__(self, site: Site, archive: Path) -> None:
        self._site, self._again = site, 0
        day = [
            (one, json.loads(one.value or b""))
            for one in sent(read_archive(archive))
            if one.key is not None and DAYS[-1] in one.key.decode()
        ]
        first = min(fields["start_time_us"] for one, fields in day if one.topic is Topic.GAMES)
        now_us = first - AHEAD_US
        self._later_us = time.time_ns() // 1_000 - now_us
        known = [(one, fields) for one, fields in day if fields["occurred_at_us"] <= now_us]
        self._quotes = {
            (fields["game_id"], fields["book"], fields["market"]): fields
            for one, fields in known
            if one.topic is Topic.LINES
        }
        site.send([self._today(one.topic, fields) for one, fields in known])

    def speak(self) -> None:
        """Every newest price once more, by a cent another one, now."""
        self._again += 1
        now_us = time.time_ns() // 1_000 - self._later_us
        said_again = []
        for number, fields in enumerate(self._quotes.values()):
            price = fields["price_home_over"]
            moved = {} if price is None else {"price_home_over": price + 0.01 * (self._again % 2)}
            said = fields | moved | {"event_id": f"again-{self._again}-{number}"}
            said_again.append(self._today(Topic.LINES, said | {"occurred_at_us": now_us}))
        self._site.send(said_again)

    def _today(self, topic: Topic, fields: dict[str, Any]) -> Sent:
        later = {
            name: value + self._later_us
            for name, value in fields.items()
            if name.endswith("_us") and value is not None
        }
        # A game's day is in its name: by its old one it would be long over.
        today = datetime.now(UTC).date().isoformat()
        game = fields["game_id"].replace(DAYS[-1], today)
        value = json.dumps(fields | later | {"game_id": game}).encode()
        return Sent(topic, game.encode(), value, later["occurred_at_us"] // 1_000)


def newest(site: Site) -> list[dict[str, Any]]:
    """The last word on each bet."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in site.read(Topic.STAKES):
        fields = json.loads(content(one))
        found[fields["game_id"], fields["market"]] = fields
    return list(found.values())


def staked(site: Site) -> bool:
    return any(one["amount"] > 0 for one in newest(site))


def silent(site: Site) -> bool:
    """Nothing is staked, and because of the ledger."""
    said = newest(site)
    return all(one["amount"] == 0 for one in said) and any(
        Refusal.LEDGER_SILENT.value in one["refusals"] for one in said
    )


@pytest.fixture
def server(server_home: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(server_home / "postgres")
    server.start()
    yield server
    server.stop()


def test_no_stake_without_a_ledger_and_stakes_again_with_it(
    kafka: KafkaBroker, redis_url: str, trained: Trained, tmp_path: Path, server: PostgresServer
) -> None:
    dsn = server.dsn()
    migrate(PostgresSettings(dsn=SecretStr(dsn)))
    env = SILENT | {"STEAMLINE_POSTGRES_DSN": dsn}
    with Site(trained, kafka.bootstrap, redis_url, tmp_path, env=env) as site:
        site.create()
        bankroll(site, "open", "main")
        bankroll(site, "deposit", "main", "1000")
        book = ledger(site)
        worker = site.worker()
        market = Market(site, trained.archive)

        def until(holds: Callable[[Site], bool], what: str, child: Child) -> float:
            def holds_now() -> bool:
                market.speak()
                return holds(site)

            return child.wait_for(holds_now, what, 120)

        told = [until(staked, "stakes", worker)]
        book.kill()
        told.append(until(silent, "silence after the ledger's death", worker))
        book = ledger(site)
        told.append(until(staked, "stakes with the ledger", worker))
        server.stop()
        told.append(until(silent, "silence without Postgres", worker))
        assert book.alive(), "it waits"
        server.start()
        told.append(until(staked, "stakes with Postgres", worker))
        worker.stop()
        book.stop()
        assert site.letters() == []
    print("seconds until each: " + ", ".join(f"{one:.1f}" for one in told))
