"""The ledger flow killed, and its Postgres: no money is lost, and none is booked twice."""

import random
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from deploy.stack.kafka import KafkaBroker
from deploy.stack.postgres import PostgresServer
from flows.connectors.migrations import migrate
from schemas.bets import Outcome
from schemas.sections.servers import PostgresSettings
from schemas.topics import TOPIC_OF
from tests.curated import rows
from tests.integration.test_ledger import balances, bankroll, ledger, money, sums
from tests.samples import fill, settlement, stake
from tests.system import SLOW, SLOW_BATCH, Sent, Site

pytestmark = pytest.mark.long

BETS = 120
KILLS = 6
PAID = {Outcome.WIN: "19.00", Outcome.LOSS: "0", Outcome.PUSH: "10.00", Outcome.HALF_WIN: "14.50"}


def course() -> tuple[list[Sent], Decimal]:
    """Advice, bets, gradings and corrections of 30 games, everything three times; and what the
    bank must have won by then, summed here by hand."""
    dice = random.Random(20_261_124)
    said: list[Any] = []
    won = Decimal(0)
    for number in range(BETS):
        of: dict[str, Any] = {"game_id": f"mlb-2026-07-{20 + number % 3}-BOS-NYY-{number % 10}"}
        name = f"f{number}"
        said += [
            stake(number + 1, amount=dice.randrange(200) * 1.0, stake_id=f"k{number}", **of)
        ] * 3
        said += [fill(10 + number, fill_id=name, **of)] * 3
        outcome = dice.choice(list(PAID))
        first = settlement(
            name, settlement_id=f"s{number}", outcome=outcome, payout=Decimal(PAID[outcome]), **of
        )
        said += [first] * 3
        won += Decimal(PAID[outcome]) - 10
        if number % 3 == 0:
            lost = {"settlement_id": f"c{number}", "outcome": Outcome.LOSS, "payout": Decimal(0)}
            said += [first.model_copy(update=lost | {"supersedes": f"s{number}"})] * 3
            won -= Decimal(PAID[outcome])
    for number in range(30):
        of = {"game_id": f"mlb-2026-07-{20 + number % 3}-BOS-NYY-{number % 10}"}
        said.append(stake(999, 0.0, stake_id=f"end{number}", **of))
    times = ("settled_at_us", "filled_at_us", "as_of_us")
    records = []
    for one in said:
        moment = next(getattr(one, name) for name in times if hasattr(one, name))
        value = one.model_dump_json().encode()
        records.append(Sent(TOPIC_OF[type(one)], one.game_id.encode(), value, moment // 1000))
    return records, won


def booked(dsn: str) -> int:
    return int(rows(dsn, "SELECT count(*) FROM ledger_transactions")[0][0])


def read(dsn: str) -> int:
    return int(rows(dsn, "SELECT coalesce(sum(next_offset), 0) FROM ledger_offsets")[0][0])


def assert_right(site: Site, dsn: str, won: Decimal) -> None:
    """Every bet and grading once, and the money to the cent."""
    sums(dsn)
    total = 5000 + won
    assert {name: Decimal(amount) for name, amount in money(dsn).items()} == {
        "free": total, "reserved": 0, "open": 0, "outside": -total,
    }  # fmt: skip
    kinds = dict(rows(dsn, "SELECT kind, count(*) FROM ledger_transactions GROUP BY 1"))
    assert kinds["bet"] == BETS
    assert kinds["settle"] == BETS
    assert rows(dsn, "SELECT count(*) FROM unbooked") == [(0,)]
    assert Decimal(balances(site)[-1]) == total


@pytest.fixture
def site(kafka: KafkaBroker, tmp_path: Path) -> Iterator[Site]:
    with Site(None, kafka.bootstrap, None, tmp_path, SLOW_BATCH) as site:
        site.create()
        yield site


def test_killed_at_some_moments(site: Site, database: str) -> None:
    site.env["STEAMLINE_POSTGRES_DSN"] = database
    bankroll(site, "open", "main")
    bankroll(site, "deposit", "main", "5000")
    records, won = course()
    site.send(records)
    dice = random.Random(7)
    killed_at = []
    for left in range(KILLS, 0, -1):
        behind = read(database)
        target = behind + dice.randrange(1, max((len(records) - behind) // (left + 1), 2))
        child = ledger(site, **SLOW)
        child.wait_for(lambda target=target: read(database) >= target, f"{target}")  # type: ignore[misc]
        time.sleep(dice.uniform(0.0, 0.05))  # wherever it is by then
        child.kill()
        killed_at.append(read(database))
        sums(database)
    print(f"{len(records)} records, killed at {killed_at}")
    assert killed_at[-1] < len(records), "nothing was left to be killed in"
    ledger(site, "--once")
    assert_right(site, database, won)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_postgres_goes_and_comes_back(site: Site, server_home: Path, end: str) -> None:
    server = PostgresServer(server_home / "postgres")
    server.start()
    try:
        dsn = server.dsn()
        migrate(PostgresSettings(dsn=SecretStr(dsn)))
        site.env["STEAMLINE_POSTGRES_DSN"] = dsn
        bankroll(site, "open", "main")
        bankroll(site, "deposit", "main", "5000")
        records, won = course()
        half = len(records) // 2
        site.send(records[:half])
        child = ledger(site, STEAMLINE_LEDGER_HEARTBEAT_SECONDS="1", **SLOW)
        child.wait_for(lambda: booked(dsn) > 20, "some bookings")
        if end == "stop":
            server.stop()
        else:
            assert server.process is not None
            server.process.kill()
        site.send(records[half:])
        child.wait_for(lambda: "waiting for Postgres" in child.said, "to notice")
        silent = len(balances(site))
        time.sleep(2.5)
        assert len(balances(site)) == silent, "nobody vouches for a balance while Postgres is away"
        server.start()
        child.wait_for(lambda: read(dsn) == len(records), "to catch up")
        child.wait_for(lambda: len(balances(site)) > silent, "to be heard again")
        child.stop()
        assert "Traceback" not in child.said
        ledger(site, "--once")
        assert_right(site, dsn, won)
    finally:
        server.stop()
