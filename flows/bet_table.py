"""What a backtest did, as tables: its bets, and every booking of its ledger."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from flows.backtest import Bet, Booked
from models.evaluation.bets import BETS
from models.staking.ledger import Account
from schemas.events import day_of
from schemas.markets import SIDES

LEDGER = pl.Schema(
    {
        "transaction_id": pl.String(),
        "kind": pl.String(),
        "at_us": pl.Int64(),
        "fill_id": pl.String(),
        "free": pl.String(),
        "open": pl.String(),
        "outside": pl.String(),
        "balance": pl.String(),
    }
)
"""Money is decimal text: exact. balance: after it, open bets at cost."""


def bet_table(bets: Iterable[Bet]) -> pl.DataFrame:
    """`BETS`, by the time they were made."""
    rows = [_row(one) for one in bets]
    found = pl.DataFrame(rows, schema=BETS, orient="row")
    return found.sort("filled_us", "fill_id", maintain_order=True)


def ledger_table(ledger: Iterable[Booked]) -> pl.DataFrame:
    """`LEDGER`, as it was booked."""
    rows = [
        [
            booked.transaction_id,
            booked.kind.value,
            booked.at_us,
            booked.fill_id,
            *(
                str(booked.entries.get(account, 0))
                for account in (Account.FREE, Account.OPEN, Account.OUTSIDE)
            ),
            str(balance),
        ]
        for booked, balance in ledger
    ]
    return pl.DataFrame(rows, schema=LEDGER, orient="row")


def _row(bet: Bet) -> list[Any]:
    stake, fill, settled = bet.stake, bet.fill, bet.settlement
    close = settled.closing if settled is not None else None
    return [
        fill.fill_id,
        stake.stake_id,
        fill.game_id,
        day_of(fill.game_id),
        fill.market.value,
        fill.side.value,
        fill.book,
        fill.line,
        stake.price,
        fill.price,
        float(fill.amount),
        stake.balance,
        stake.probability,
        stake.push or 0.0,
        stake.model_version,
        stake.paper,
        fill.simulated,
        stake.decided_us,
        fill.filled_at_us,
        fill.side is SIDES[fill.market][0],
        bet.other_price,
        bet.market_probability,
        None if settled is None else settled.outcome.value,
        None if settled is None else float(settled.payout),
        None if settled is None else settled.settled_at_us,
        None if settled is None else settled.rule,
        bet.open_because,
        None if close is None else close.expected_value,
        None if close is None else close.probability_points,
        None if close is None else close.seconds_before_start,
        None if close is None else close.reference,
        None if settled is None else settled.closing_missing,
    ]
