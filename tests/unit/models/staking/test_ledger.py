"""Bookings against sums by hand, and what must hold of any course of bets."""

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.staking.ledger import (
    Account,
    Kind,
    Transaction,
    adjusted,
    bet,
    deposited,
    reserved,
    settled,
)
from schemas.bets import Outcome, Settlement
from tests import samples

CASH = st.decimals("0.01", "1000", places=2)


def graded(outcome: Outcome, payout: str, name: str = "s1") -> Settlement:
    return samples.settlement("f1", outcome=outcome, payout=Decimal(payout), settlement_id=name)


def balances(*transactions: Transaction | None) -> dict[str, str]:
    total: Counter[Account] = Counter()
    for one in transactions:
        if one is not None:
            for account, amount in one.entries.items():
                total[account] += amount  # type: ignore[assignment]
    return {account.value: str(amount) for account, amount in total.items() if amount}


def test_from_deposit_to_a_won_bet() -> None:
    """100 in, 12 kept for advice, 10 bet at 1.90 and won: 109, 2 of them still kept."""
    booked = [
        deposited("main", "d1", Decimal("100.00"), samples.at(0)),
        reserved("main", "k1", Decimal(0), Decimal("12.00"), samples.at(1)),
        bet(samples.fill(fill_id="f1"), held=Decimal("12.00")),
    ]
    assert balances(*booked) == {
        "free": "88.00",
        "reserved": "2.00",
        "open": "10.00",
        "outside": "-100.00",
    }
    booked.append(settled(graded(Outcome.WIN, "19.00"), None))
    assert balances(*booked) == {"free": "107.00", "reserved": "2.00", "outside": "-109.00"}
    assert [one.kind for one in booked if one] == [
        Kind.DEPOSIT,
        Kind.RESERVE,
        Kind.BET,
        Kind.SETTLE,
    ]


@pytest.mark.parametrize(
    ("outcome", "payout", "free"),
    [
        (Outcome.LOSS, "0.00", "90.00"),
        (Outcome.HALF_LOSS, "5.00", "95.00"),
        (Outcome.PUSH, "10.00", "100.00"),
        (Outcome.VOID, "10.00", "100.00"),
        (Outcome.HALF_WIN, "14.50", "104.50"),
    ],
)
def test_what_comes_back(outcome: Outcome, payout: str, free: str) -> None:
    booked = [
        deposited("main", "d1", Decimal("100.00"), samples.at(0)),
        bet(samples.fill(fill_id="f1"), held=Decimal(0)),
        settled(graded(outcome, payout), None),
    ]
    assert balances(*booked) == {"free": free, "outside": str(-Decimal(free))}


def test_a_corrected_result_books_the_difference() -> None:
    won, lost = graded(Outcome.WIN, "19.00"), graded(Outcome.LOSS, "0.00", "s2")
    first, second = settled(won, None), settled(lost, won)
    assert second is not None
    assert (second.kind, second.entries[Account.FREE]) == (Kind.CORRECT, Decimal("-19.00"))
    straight = settled(lost, None)
    assert balances(first, second) == balances(straight)
    assert settled(graded(Outcome.WIN, "19.00", "s3"), won) is None


def test_advice_that_falls_gives_back_and_one_that_stays_says_nothing() -> None:
    less = reserved("main", "k2", Decimal("12.00"), Decimal("5.00"), samples.at(2))
    assert less is not None
    assert (less.kind, balances(less)) == (Kind.RELEASE, {"free": "7.00", "reserved": "-7.00"})
    assert reserved("main", "k3", Decimal("5.00"), Decimal("5.00"), samples.at(3)) is None


def test_out_again_and_put_right() -> None:
    out = deposited("main", "w1", Decimal("-30.00"), samples.at(0))
    assert (out.kind, balances(out)) == (Kind.WITHDRAWAL, {"free": "-30.00", "outside": "30.00"})
    right = adjusted("main", "a1", Decimal("-0.01"), samples.at(0), "the book rounds down")
    assert (right.kind, right.reason) == (Kind.ADJUSTMENT, "the book rounds down")


@given(CASH, CASH, CASH, st.sampled_from(["0", "0.5", "1", "1.45", "1.9"]))
def test_nothing_is_made_or_lost(
    amount: Decimal, held: Decimal, deposit: Decimal, back: str
) -> None:
    payout = amount * Decimal(back)
    outcome = {"0": Outcome.LOSS, "0.5": Outcome.HALF_LOSS, "1": Outcome.PUSH}.get(
        back, Outcome.WIN
    )
    of_it = samples.settlement("f1", amount=amount, outcome=outcome, payout=payout)
    booked = [
        deposited("main", "d1", deposit, samples.at(0)),
        reserved("main", "k1", Decimal(0), held, samples.at(1)),
        bet(samples.fill(amount=amount), held),
        settled(of_it, None),
    ]
    for one in booked:
        assert one is None or sum(one.entries.values()) == 0
    total = sum(
        one.entries.get(account, Decimal(0)) for one in booked if one for account in Account
    )
    assert total == 0
    mine = sum(
        one.entries.get(account, Decimal(0))
        for one in booked
        if one
        for account in (Account.FREE, Account.RESERVED, Account.OPEN)
    )
    assert mine == deposit + payout - amount
