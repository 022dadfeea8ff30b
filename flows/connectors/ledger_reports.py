"""What the ledger holds, for people: asked by whoever may look."""

from decimal import Decimal
from typing import Any

import psycopg
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import dict_row

from flows.connectors.migrations import KEY, dsn_of, require_current
from models.staking.ledger import Account
from schemas.errors import ConfigError, DependencyDown, first_line
from schemas.sections.servers import PostgresSettings

Row = dict[str, Any]


def bankrolls(settings: PostgresSettings, bankroll: str | None) -> list[Row]:
    """Accounts, balance, what was last said, and what is not booked. Raises DependencyDown,
    ConfigError where there is none of that name."""
    found = _ask(
        settings,
        "SELECT bankroll, currency, paper, told_at,"
        " (SELECT jsonb_object_agg(account, balance::text) FROM ledger_accounts a"
        "  WHERE a.bankroll = b.bankroll) AS accounts,"
        " (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'id', fact_id,"
        "   'fill_id', fill_id, 'amount', said->'amount', 'why', why,"
        "   'stopped', stopped_at IS NOT NULL) ORDER BY number), '[]')"
        "  FROM unbooked u WHERE u.bankroll = b.bankroll) AS unbooked"
        " FROM bankrolls b WHERE %(name)s::text IS NULL OR bankroll = %(name)s ORDER BY bankroll",
        name=bankroll,
    )
    if bankroll is not None and not found:
        raise ConfigError(
            "NAME", f"{bankroll!r} has no ledger", f"Make one: `steamline bankroll open {bankroll}`"
        )
    for row in found:
        accounts = row.pop("accounts") or {}
        money = {one: Decimal(accounts.get(one.value, 0)) for one in Account}
        row.update({one.value: amount for one, amount in money.items()})
        row["balance"] = -money[Account.OUTSIDE]
    return found


def history(settings: PostgresSettings, bankroll: str) -> list[Row]:
    """Every transaction, oldest first: what it moved, and the balance behind it."""
    bankrolls(settings, bankroll)
    return _ask(
        settings,
        "SELECT number, t.transaction_id, kind, at,"
        + "".join(
            f" coalesce(sum(amount) FILTER (WHERE account = '{one.value}'), 0) AS {one.value},"
            for one in Account
        )
        + " sum(coalesce(-sum(amount) FILTER (WHERE account = 'outside'), 0))"
        " OVER (ORDER BY number) AS balance,"
        " fill_id, stake_id, settlement_id, reason, source"
        " FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.transaction_id"
        " WHERE bankroll = %(name)s GROUP BY t.transaction_id ORDER BY number",
        name=bankroll,
    )


def _ask(settings: PostgresSettings, query: str, **values: object) -> list[Row]:
    require_current(settings)
    try:
        with psycopg.connect(
            dsn_of(settings), autocommit=True, connect_timeout=10, row_factory=dict_row
        ) as db:
            return db.execute(query, values).fetchall()
    except psycopg.OperationalError as down:
        raise DependencyDown(f"Postgres: {first_line(down)}") from None
    except InsufficientPrivilege as bad:
        raise ConfigError(KEY, first_line(bad), "Use a login that may read the ledger") from None
