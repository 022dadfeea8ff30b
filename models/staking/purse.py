"""The accounts of one bankroll in memory: what a replay books instead of a database."""

from decimal import Decimal

from models.staking.ledger import Account, Transaction, after, balance_of


class Purse:
    """Books each transaction once and whole; no account of the owner's falls below zero."""

    def __init__(self) -> None:
        self._accounts = dict.fromkeys(Account, Decimal(0))
        self._booked: set[str] = set()

    def __getitem__(self, account: Account) -> Decimal:
        return self._accounts[account]

    @property
    def balance(self) -> Decimal:
        return balance_of(self._accounts)

    def book(self, transaction: Transaction) -> bool:
        """False, and nothing is booked, where the owner has not got that much."""
        if transaction.transaction_id in self._booked:
            return True
        moved = after(self._accounts, transaction)
        if moved is None:
            return False
        self._accounts |= moved
        self._booked.add(transaction.transaction_id)
        return True
