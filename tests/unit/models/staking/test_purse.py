"""A bankroll in memory: exact, each transaction once, never below zero."""

from decimal import Decimal

from models.staking.ledger import Account, bet, deposited, settled
from models.staking.purse import Purse
from tests.samples import fill, settlement


def test_what_is_not_there_is_not_booked() -> None:
    purse = Purse()
    assert purse.book(deposited("main", "d", Decimal("100"), 1))
    assert purse.book(bet(fill(fill_id="a", amount=Decimal("70.10")), Decimal(0)))
    assert not purse.book(bet(fill(fill_id="b", amount=Decimal("29.91")), Decimal(0)))
    assert purse.book(bet(fill(fill_id="c", amount=Decimal("29.90")), Decimal(0)))
    assert (purse[Account.FREE], purse[Account.OPEN]) == (Decimal(0), Decimal("100.00"))
    assert purse.balance == 100


def test_the_same_is_booked_once() -> None:
    purse = Purse()
    for _ in range(2):
        assert purse.book(deposited("main", "d", Decimal("100"), 1))
    assert purse.balance == 100


def test_a_win_comes_from_outside() -> None:
    purse = Purse()
    purse.book(deposited("main", "d", Decimal("100"), 1))
    one = fill(amount=Decimal("10"), price=1.9)
    purse.book(bet(one, Decimal(0)))
    paid = settled(
        settlement(fill_id=one.fill_id, amount=Decimal("10"), payout=Decimal("19")), None
    )
    assert paid is not None
    assert purse.book(paid)
    assert purse.balance == 109
    assert purse[Account.OUTSIDE] == -109
