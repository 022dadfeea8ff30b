"""The accounts of one bankroll in memory: what a replay books instead of a database."""

from decimal import Decimal

from models.staking.ledger import Account, Transaction

_OWN = (Account.FREE, Account.RESERVED, Account.OPEN)


class Purse:
    """Books each transaction once and whole; no account of the owner's falls below zero."""

    def __init__(self) -> None:
        self._accounts = dict.fromkeys(Account, Decimal(0))
        self._booked: set[str] = set()

    def __getitem__(self, account: Account) -> Decimal:
        return self._accounts[account]

    @property
    def balance(self) -> Decimal:
        """What stakes are shares of: open bets count at cost."""
        return sum((self._accounts[one] for one in _OWN), Decimal(0))

    def book(self, transaction: Transaction) -> bool:
        """False, and nothing is booked, where the owner has not got that much."""
        if transaction.transaction_id in self._booked:
            return True
        after = {
            account: self._accounts[account] + moved
            for account, moved in transaction.entries.items()
        }
        if any(after.get(account, Decimal(0)) < 0 for account in _OWN):
            return False
        self._accounts |= after
        self._booked.add(transaction.transaction_id)
        return True
