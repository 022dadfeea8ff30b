"""What each fact does to a bankroll: double entry, exact, each transaction named once for ever.

    free      money that may be bet or taken out
    reserved  for advice that stands and has not been bet
    open      on bets that are not graded yet
    outside   the books and the owner's bank: whatever comes from it or goes to it

Entries of a transaction sum to zero. That no account of the owner's falls below zero is held by
whoever books them: here nothing is known of other transactions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from schemas.bets import Fill, Settlement


class Account(StrEnum):
    FREE = "free"
    RESERVED = "reserved"
    OPEN = "open"
    OUTSIDE = "outside"


OWN = (Account.FREE, Account.RESERVED, Account.OPEN)
"""The owner's: never below zero; together they are the balance."""


class Kind(StrEnum):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    ADJUSTMENT = "adjustment"
    RESERVE = "reserve"
    RELEASE = "release"
    BET = "bet"
    SETTLE = "settle"
    CORRECT = "correct"


@dataclass(frozen=True)
class Transaction:
    """Booked whole or not at all; booked twice, it counts once."""

    transaction_id: str
    kind: Kind
    at_us: int
    bankroll: str
    entries: dict[Account, Decimal] = field(default_factory=dict)
    """Sum to zero; accounts that stay as they are are left out."""
    fill_id: str | None = None
    stake_id: str | None = None
    settlement_id: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        assert sum(self.entries.values()) == 0, self
        assert all(self.entries.values()), self


def balance_of(money: Mapping[Account, Decimal]) -> Decimal:
    """What stakes are shares of: open bets count at cost."""
    return sum((money[one] for one in OWN), Decimal(0))


def after(money: Mapping[Account, Decimal], change: Transaction) -> dict[Account, Decimal] | None:
    """The accounts that it moves; none where the owner has not got that much."""
    moved = {one: money[one] + amount for one, amount in change.entries.items()}
    return None if any(moved.get(one, 0) < 0 for one in OWN) else moved


def _moved(**amounts: Decimal) -> dict[Account, Decimal]:
    return {Account(name): amount for name, amount in amounts.items() if amount}


def deposited(bankroll: str, transaction_id: str, amount: Decimal, at_us: int) -> Transaction:
    """Money from outside, above 0; below 0 it is a withdrawal."""
    kind = Kind.DEPOSIT if amount > 0 else Kind.WITHDRAWAL
    return Transaction(transaction_id, kind, at_us, bankroll, _moved(free=amount, outside=-amount))


def adjusted(
    bankroll: str, transaction_id: str, amount: Decimal, at_us: int, reason: str
) -> Transaction:
    """What a book or a person says is so, against what was booked."""
    return Transaction(
        transaction_id,
        Kind.ADJUSTMENT,
        at_us,
        bankroll,
        _moved(free=amount, outside=-amount),
        reason=reason,
    )


def reserved(
    bankroll: str, stake_id: str, held: Decimal, wanted: Decimal, at_us: int
) -> Transaction | None:
    """Advice has changed what is to be kept for one market from `held` to `wanted`.

    None where it stays as it is.
    """
    more = wanted - held
    if not more:
        return None
    kind = Kind.RESERVE if more > 0 else Kind.RELEASE
    return Transaction(
        f"reserve:{stake_id}",
        kind,
        at_us,
        bankroll,
        _moved(free=-more, reserved=more),
        stake_id=stake_id,
    )


def bet(fill: Fill, held: Decimal) -> Transaction:
    """A bet was made: out of what is reserved for its market, as far as that goes."""
    kept = min(held, fill.amount)
    return Transaction(
        f"bet:{fill.fill_id}",
        Kind.BET,
        fill.filled_at_us,
        fill.bankroll,
        _moved(reserved=-kept, free=kept - fill.amount, open=fill.amount),
        fill_id=fill.fill_id,
        stake_id=fill.stake_id,
    )


def settled(settlement: Settlement, before: Settlement | None) -> Transaction | None:
    """A bet was graded, or graded anew after `before`; none where that moves no money."""
    if before is None:
        kind = Kind.SETTLE
        paid = settlement.payout
        moved = _moved(open=-settlement.amount, free=paid, outside=settlement.amount - paid)
    else:
        kind = Kind.CORRECT
        more = settlement.payout - before.payout
        moved = _moved(free=more, outside=-more)
    if not moved:
        return None
    return Transaction(
        f"settle:{settlement.settlement_id}",
        kind,
        settlement.settled_at_us,
        settlement.bankroll,
        moved,
        fill_id=settlement.fill_id,
        stake_id=settlement.stake_id,
        settlement_id=settlement.settlement_id,
    )
