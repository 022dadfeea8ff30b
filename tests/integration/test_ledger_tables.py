"""What the ledger's tables do not let happen, whoever writes to them."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.errors import CheckViolation, RestrictViolation, UniqueViolation

from tests import samples

Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def db(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO games (game_id, source, event_id, topic) VALUES (%s, 's', 'g', 'games')",
            (samples.GAME,),
        )
        connection.execute("INSERT INTO books VALUES ('pinnacle')")
        connection.execute("INSERT INTO bankrolls VALUES ('main', 'USD')")
        connection.execute(
            "INSERT INTO ledger_accounts (bankroll, account)"
            " VALUES ('main', 'free'), ('main', 'reserved'), ('main', 'open'), ('main', 'outside')"
        )
        move(connection, "t1", "deposit", outside="-100", free="100")
        yield connection


def move(db: Connection, name: str, kind: str, stake: str | None = None, **amounts: str) -> None:
    with db.transaction():
        db.execute(
            "INSERT INTO ledger_transactions (transaction_id, kind, at, stake_id, source)"
            " VALUES (%s, %s, '2026-07-20', %s, 'test')",
            (name, kind, stake),
        )
        for account, amount in amounts.items():
            db.execute(
                "INSERT INTO ledger_entries VALUES (%s, 'main', %s, %s)", (name, account, amount)
            )


def balances(db: Connection) -> dict[object, str]:
    found = db.execute("SELECT account, balance::text FROM ledger_accounts").fetchall()
    return {account: str(balance) for account, balance in found}


def test_money_moves_exactly(db: Connection) -> None:
    for number in range(10):
        move(db, f"t1{number}", "reserve", "s1", free="-0.1", reserved="0.1")
    assert balances(db) == {
        "free": "99.00000000",
        "reserved": "1.00000000",
        "open": "0.00000000",
        "outside": "-100.00000000",
    }


def test_never_below_zero(db: Connection) -> None:
    with pytest.raises(CheckViolation, match="never_negative"):
        move(db, "t2", "reserve", "s1", free="-100.00000001", reserved="100.00000001")
    assert balances(db)["free"] == "100.00000000"
    move(db, "t2", "reserve", "s1", free="-100", reserved="100")


def test_two_sides_or_none(db: Connection) -> None:
    for amounts in ({"free": "-1"}, {"free": "-1", "reserved": "2"}, {}):
        with pytest.raises(CheckViolation, match="do not sum to zero"):
            move(db, "t2", "reserve", "s1", **amounts)
    assert balances(db)["free"] == "100.00000000"


def test_once(db: Connection) -> None:
    with pytest.raises(UniqueViolation):
        move(db, "t1", "deposit", outside="-100", free="100")


def test_only_added(db: Connection) -> None:
    for change in (
        "UPDATE ledger_entries SET amount = amount * 2",
        "DELETE FROM ledger_transactions",
        "TRUNCATE settlements CASCADE",
    ):
        with pytest.raises(RestrictViolation, match="only added"):
            db.execute(change)


def settle(db: Connection, name: str, outcome: str, payout: str, before: str | None = None) -> None:
    db.execute(
        "INSERT INTO settlements (settlement_id, fill_id, game_id, bankroll, market, side, book,"
        " price, amount, paper, simulated, result_id, outcome, payout, rule, detail, settled_at,"
        " supersedes, closing_missing, source, topic) VALUES"
        " (%s, 'f1', %s, 'main', 'moneyline', 'home', 'pinnacle', 2.0, 5, false, false, 'r1', %s,"
        " %s, 'final', '5:3', '2026-07-21', %s, 'no quote', 'settle', 'settlements')",
        (name, samples.GAME, outcome, payout, before),
    )


def test_a_bet_is_settled_once_and_corrected_in_a_chain(db: Connection) -> None:
    settle(db, "a", "win", "10")
    with pytest.raises(UniqueViolation, match="settled_once"):
        settle(db, "b", "win", "10")
    settle(db, "b", "loss", "0", before="a")
    with pytest.raises(UniqueViolation, match="supersedes"):
        settle(db, "c", "push", "5", before="a")


@pytest.mark.parametrize(
    ("outcome", "payout"), [("loss", "5"), ("win", "4.99"), ("push", "10"), ("void", "0")]
)
def test_a_payout_is_that_of_its_outcome(db: Connection, outcome: str, payout: str) -> None:
    with pytest.raises(CheckViolation, match="payout_of_outcome"):
        settle(db, "a", outcome, payout)
