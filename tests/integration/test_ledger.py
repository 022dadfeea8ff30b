"""`steamline run ledger` and `steamline bankroll` on a real broker and Postgres, by hand."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from deploy.stack.kafka import KafkaBroker
from schemas.bets import BankrollUpdate, Fill, Outcome
from schemas.errors import SteamlineError
from schemas.topics import TOPIC_OF, Topic
from tests.curated import rows
from tests.samples import GAME, fill, settlement, stake
from tests.system import Child, Sent, Site, content, steamline

PAPER = {
    "STEAMLINE_BANKROLLS": '[{"name": "main"}, {"name": "ghost"}]',
    "STEAMLINE_PAPER_BANKROLLS": '["ghost"]',
}


@pytest.fixture
def site(kafka: KafkaBroker, database: str, tmp_path: Path) -> Iterator[Site]:
    env = PAPER | {"STEAMLINE_POSTGRES_DSN": database}
    with Site(None, kafka.bootstrap, None, tmp_path, env=env) as site:
        site.create()
        yield site


def bankroll(site: Site, *arguments: str) -> str:
    return steamline(site.env, site.folder, "bankroll", *arguments)


def refused(site: Site, *arguments: str) -> str:
    """The one line of a command that must fail; in this process, as starting one takes seconds."""
    done = CliRunner().invoke(app, ["bankroll", *arguments], env=dict(site.env))
    assert isinstance(done.exception, SteamlineError), done.output
    said = str(done.exception)
    assert "\n" not in said
    return said


def tell(site: Site, *said: Any) -> None:
    """Each once the one before is on the broker: so they are read in this order."""
    times = ("occurred_at_us", "settled_at_us", "filled_at_us", "as_of_us")
    for one in said:
        moment = next(getattr(one, name) for name in times if hasattr(one, name))
        value = one.model_dump_json().encode()
        site.send([Sent(TOPIC_OF[type(one)], one.game_id.encode(), value, moment // 1000)])


def ledger(site: Site, *options: str, **env: str) -> Child:
    child = site.start("run", "ledger", *options, **env)
    if "--once" in options:
        assert child.wait(60) == 0, child.said[-2000:]
    return child


def money(dsn: str, name: str = "main") -> dict[str, str]:
    found = rows(dsn, "SELECT account, balance FROM ledger_accounts WHERE bankroll = %s", name)
    return {account: f"{Decimal(balance).normalize():f}" for account, balance in found}


def updates(site: Site) -> list[BankrollUpdate]:
    """In the order of the topic, which for one bankroll is that of its partition."""
    return [BankrollUpdate.model_validate_json(content(one)) for one in site.read(Topic.BANKROLLS)]


def balances(site: Site) -> list[str]:
    """Said, one after another, repeats left out."""
    said = dict.fromkeys(
        (one.update_id, f"{one.balance.normalize():f}")
        for one in updates(site)
        if one.balance is not None
    )
    return [balance for _, balance in said]


def sums(dsn: str) -> None:
    """No cent is made or lost, and every balance is the sum of its entries."""
    assert (
        rows(dsn, "SELECT bankroll FROM ledger_accounts GROUP BY 1 HAVING sum(balance) <> 0") == []
    )
    wrong = (
        "SELECT 1 FROM ledger_accounts a WHERE balance <> (SELECT coalesce(sum(amount), 0)"
        " FROM ledger_entries e WHERE e.bankroll = a.bankroll AND e.account = a.account)"
    )
    assert rows(dsn, wrong) == []


def test_from_the_deposit_to_the_corrected_result(site: Site, database: str) -> None:
    bankroll(site, "open", "main")
    assert [(one.balance, one.bankroll) for one in updates(site)] == [(Decimal(0), "main")]
    bankroll(site, "deposit", "main", "500.50", "--id", "first")
    bankroll(site, "deposit", "main", "500.50", "--id", "first")
    bankroll(site, "adjust", "main", "-0.50", "--reason", "the book says so")
    assert money(database) == {"free": "500", "reserved": "0", "open": "0", "outside": "-500"}
    child = ledger(site)
    bet = fill(10, amount=Decimal("60.00"), price=1.95)
    won = settlement(
        bet.fill_id, settlement_id="s1", amount=bet.amount, price=1.95, payout=Decimal("117.00")
    )
    lost = won.model_copy(
        update={"settlement_id": "s2", "outcome": Outcome.LOSS, "payout": Decimal(0),
                "supersedes": "s1"}
    )  # fmt: skip
    steps = [
        # 100 wanted; 60 of them bet; then only 80 wanted: 20 more. Won: 117 back. Taken back.
        (stake(1, amount=100.0), {"free": "400", "reserved": "100", "open": "0"}),
        (bet, {"free": "400", "reserved": "40", "open": "60"}),
        (stake(2, amount=80.0), {"free": "420", "reserved": "20", "open": "60"}),
        (stake(3, 0.0), {"free": "440", "reserved": "0", "open": "60"}),
        (won, {"free": "557", "reserved": "0", "open": "0"}),
        (lost, {"free": "440", "reserved": "0", "open": "0"}),
    ]
    for said, expected in steps:
        tell(site, said, said, said)
        child.wait_for(
            lambda expected=expected: money(database).items() >= expected.items(),  # type: ignore[misc]
            f"{expected}, has {money(database)}",
        )
    child.stop()
    sums(database)
    assert "Traceback" not in child.said

    # All of it again: nothing is booked, and the books say so.
    for said, _ in steps:
        tell(site, said)
    again = ledger(site, "--once", "--json")
    counts = json.loads(again.said.splitlines()[-1])
    assert counts == {"booked": {}, "refused": {}, "short": {}, "passed": {}}
    assert money(database) == {"free": "440", "reserved": "0", "open": "0", "outside": "-440"}
    said_at = [one.occurred_at_us for one in updates(site)]
    assert said_at == sorted(said_at), "no word is older than the one before"
    seen = list(dict.fromkeys(balances(site)))
    assert seen == ["0", "500.5", "500", "557", "440"]

    shown = json.loads(bankroll(site, "show", "main", "--json"))["bankrolls"][0]
    assert {key: Decimal(shown[key]) for key in ("balance", "free", "open")} == {
        "balance": 440, "free": 440, "open": 0,
    }  # fmt: skip
    told = json.loads(bankroll(site, "history", "main", "--json"))["transactions"]
    assert [(one["kind"], Decimal(one["balance"])) for one in told] == [
        ("deposit", Decimal("500.5")),
        ("adjustment", 500),
        ("reserve", 500),
        ("bet", 500),
        ("release", 500),
        ("release", 500),
        ("settle", 557),
        ("correct", 440),
    ]
    assert "440.00" in bankroll(site, "show")
    assert "correct" in bankroll(site, "history", "main")


def test_a_bet_without_money_stops_its_bankroll_until_it_is_paid_in(
    site: Site, database: str
) -> None:
    bankroll(site, "open", "main")
    bankroll(site, "deposit", "main", "40")
    tell(site, settlement("big", settlement_id="s1", amount=Decimal(60), payout=Decimal(114)))
    tell(site, fill(10, fill_id="big", amount=Decimal(60)), fill(11, fill_id="small"))
    ledger(site, "--once")
    assert money(database) == {"free": "30", "reserved": "0", "open": "10", "outside": "-40"}
    (stop,) = [one for one in updates(site) if one.stopped]
    assert stop.bankroll == "main"
    assert "big" in (stop.reason or "")
    assert "steamline bankroll deposit main" in (stop.reason or "")
    shown = json.loads(bankroll(site, "show", "--json"))["bankrolls"][0]["unbooked"]
    assert {one["id"]: one["stopped"] for one in shown} == {"s1": False, "big": True}
    why = {one["id"]: one["why"] for one in shown}
    assert why["s1"] == "its bet is not booked"
    assert why["big"].startswith("no money: 60 was bet, 0 is reserved")
    # The next start says it again, in the same words.
    ledger(site, "--once")
    assert {one.update_id for one in updates(site) if one.stopped} == {stop.update_id}
    bankroll(site, "deposit", "main", "30")
    # 40 + 30 in, 60 bet and 114 back, 10 of the small one open: 114 free.
    assert money(database) == {"free": "114", "reserved": "0", "open": "10", "outside": "-124"}
    assert balances(site)[-1] == "124"
    assert json.loads(bankroll(site, "show", "--json"))["bankrolls"][0]["unbooked"] == []
    sums(database)


def test_paper_and_real_stay_apart(site: Site, database: str) -> None:
    bankroll(site, "open", "main")
    bankroll(site, "open", "ghost", "--paper")
    for name in ("main", "ghost"):
        bankroll(site, "deposit", name, "100")
    advice: dict[str, Any] = {"amount": 20.0, "paper": True, "stake_id": "k:paper"}
    tell(
        site,
        stake(1, **advice),
        stake(1, bankroll="ghost", **advice | {"stake_id": "g:paper"}),
        fill(10, fill_id="a", paper=True),
        fill(11, fill_id="b", stake_id="k:paper"),
        fill(12, fill_id="c", bankroll="ghost"),
        fill(13, fill_id="d", bankroll="ghost", paper=True, stake_id="g:paper"),
        fill(14, fill_id="e", bankroll="nobody"),
    )
    site.send([Sent(Topic.FILLS, GAME.encode(), b"not a bet", 0)])
    ledger(site, "--once")
    assert money(database) == {"free": "100", "reserved": "0", "open": "0", "outside": "-100"}
    assert money(database, "ghost")["free"] == "80"
    assert money(database, "ghost")["open"] == "10"
    assert sorted(one["reason"] for one in site.letters()) == [
        "malformed_json", "other_money", "other_money", "paper_stake", "unknown_bankroll",
    ]  # fmt: skip


def test_two_processes_book_once(site: Site, database: str) -> None:
    bankroll(site, "open", "main")
    bankroll(site, "deposit", "main", "1000")
    first, second = ledger(site), ledger(site)
    tell(site, *[fill(one, fill_id=f"f{one}") for one in range(10)])
    first.wait_for(lambda: money(database)["open"] == "100", "ten bets")
    one, other = first, second
    if "waiting: another process keeps" in first.said:
        one, other = second, first
    other.wait_for(lambda: "waiting: another process keeps" in other.said, "to wait")
    one.kill()
    tell(site, fill(20, fill_id="f20"))
    other.wait_for(lambda: money(database)["open"] == "110", "to take over")
    other.stop()
    assert rows(database, "SELECT count(*) FROM ledger_transactions WHERE kind = 'bet'") == [(11,)]
    sums(database)


def test_a_heartbeat_while_all_is_well(site: Site, database: str) -> None:
    bankroll(site, "open", "main")
    bankroll(site, "deposit", "main", "10")
    before = updates(site)[-1]
    child = ledger(site, STEAMLINE_LEDGER_HEARTBEAT_SECONDS="1")
    child.wait_for(
        lambda: updates(site)[-1].occurred_at_us > before.occurred_at_us + 1_000_000, "a heartbeat"
    )
    child.stop()
    last = updates(site)[-1]
    assert last.balance == 10
    assert last.update_id.startswith(before.update_id.rpartition(":")[0] + ":")
    assert rows(database, "SELECT count(*) FROM ledger_transactions") == [(1,)]


def test_a_bet_recorded_by_hand(site: Site, database: str) -> None:
    bankroll(site, "open", "main")
    bankroll(site, "deposit", "main", "100")
    bet = ("fill", "main", "--game", GAME, "--market", "run_line", "--side", "away", "--book",
           "pinnacle", "--line", "-1.5", "--price", "-110", "--amount", "11",
           "--at", "2026-07-20T20:00:00Z")  # fmt: skip
    assert bankroll(site, *bet, "--id", "7") == "recorded operator:7\n"
    bankroll(site, *bet, "--id", "7")
    # Told in the same words without a number: the same bet.
    assert bankroll(site, *bet) == bankroll(site, *bet)
    ledger(site, "--once")
    made = [Fill.model_validate_json(content(one)) for one in site.read(Topic.FILLS)]
    assert len(made) == 4
    assert (made[0].price, made[0].line, made[0].amount) == (100 / 110 + 1, -1.5, Decimal(11))
    assert money(database)["open"] == "22"
    assert site.letters() == []

    assert "may not bet real money" in refused(site, *bet, "--stake-id", "x:paper")
    assert "is none of main, ghost" in refused(site, "fill", "mian", *bet[2:])
    assert "line" in refused(site, *bet[:8], *bet[8:10], *bet[12:])
    assert len(site.read(Topic.FILLS)) == 4


REFUSED: list[tuple[tuple[str, ...], str]] = [
    (("deposit", "main", "0"), "AMOUNT: must be more than 0"),
    (("deposit", "main", "0.000000001"), "AMOUNT"),
    (("deposit", "main", "NaN"), "AMOUNT"),
    (("deposit", "ghost", "5"), "steamline bankroll open ghost"),
    (("withdraw", "main", "100.01"), "100.00000000 is free"),
    (("adjust", "main", "-101", "--reason", "x"), "too little"),
    (("adjust", "main", "5", "--reason", ""), "--reason"),
    (("deposit", "main", "7", "--id", "one"), "id of another transaction"),
    (("open", "mian"), "Name one of main, ghost"),
    (("open", "ghost"), "STEAMLINE_PAPER_BANKROLLS"),
    (("open", "main", "--currency", "EUR"), "real money in USD"),
    (("open", "main", "--currency", "usd"), "--currency"),
    (("show", "ghost"), "has no ledger"),
    (("history", "ghost"), "has no ledger"),
]


def test_what_cannot_be_booked_says_why(site: Site, database: str) -> None:
    bankroll(site, "open", "main")
    bankroll(site, "deposit", "main", "100", "--id", "one")
    for arguments, says in REFUSED:
        assert says in refused(site, *arguments)
    assert rows(database, "SELECT count(*) FROM ledger_transactions") == [(1,)]
    assert money(database) == {"free": "100", "reserved": "0", "open": "0", "outside": "-100"}
