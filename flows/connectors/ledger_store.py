"""The ledger in Postgres: what a batch of facts does, and how far the topics are read, in one
transaction each.

Whoever books holds the rows of `bankrolls`, so the flow and a command never book on balances that
the other is changing. That no balance falls below zero, no sum of entries differs from zero and
nothing booked is changed, the tables hold too (docs/postgres.md).
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from flows.connectors.migrations import dsn_of, no_dsn
from flows.connectors.postgres import NotAlone, require_as_left
from flows.connectors.topic_reader import Lane, Positions
from flows.steps.ledger import Advice, Books, Fact, Kept, Spot, Taken, Told
from flows.steps.records import Outgoing
from models.staking.ledger import Account, Transaction
from schemas.bets import Fill, Settlement
from schemas.errors import SteamlineError
from schemas.markets import Market
from schemas.sections.servers import PostgresSettings
from schemas.time import from_us, to_us

LOCK = 0x57EA_3121
"""Of all advisory locks in the database, those of whoever keeps the ledger of some topics."""
_ZERO = Decimal(0)
DOWN: tuple[type[BaseException], ...] = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    # A session that was cut off for waiting too long, or a server that only reads for now.
    psycopg.InternalError,
)
"""What waiting may mend."""
REFUSED: tuple[type[BaseException], ...] = (psycopg.DataError, psycopg.IntegrityError)
"""What is wrong with a fact, not with the server."""
_SESSION = {
    "application_name": "steamline-ledger",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    # A client that was cut off must not keep its locks from the one that takes its place.
    "options": "-c idle_in_transaction_session_timeout=60s -c lock_timeout=30s"
    " -c statement_timeout=120s",
}
_KINDS: dict[str, type[Fill | Settlement]] = {"fill": Fill, "settlement": Settlement}

Deliver = Callable[[Sequence[Outgoing]], None]
"""Returns once they are on Kafka."""


class NotBooked(SteamlineError):
    """What a person asked to book cannot be."""


class Done(NamedTuple):
    """What a transaction has come to."""

    books: Books
    told: list[Told]
    """Balances that it has changed."""


class LedgerStore:
    """One session with the database, opened again whenever it is lost."""

    def __init__(self, settings: PostgresSettings, alone_on: str | None = None) -> None:
        """alone_on: be the only one who books facts of topics with this prefix.

        Raises ConfigError where no Postgres is configured; does not connect yet.
        """
        self._dsn, self._alone_on = dsn_of(settings), alone_on
        self._db: psycopg.Connection[tuple[Any, ...]] | None = None
        self._alone = False

    def open(self) -> None:
        """Connect, or find the session open. Raises one of DOWN, NotAlone, ConfigError."""
        if self._db is None or self._db.closed:
            try:
                self._db = psycopg.connect(self._dsn, autocommit=True, **_SESSION)  # type: ignore[arg-type]
            except psycopg.OperationalError:
                raise
            except psycopg.Error:
                raise no_dsn() from None
            self._alone = False
        if self._alone_on is not None and not self._alone:
            ask = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"
            (self._alone,) = self._row(ask, LOCK, self._alone_on)
            if not self._alone:
                raise NotAlone(f"another process keeps the ledger of {self._alone_on}*")

    def close(self) -> None:
        """The session, however it stands."""
        if self._db is not None:
            self._db.close()
            self._db = None

    @property
    def db(self) -> "psycopg.Connection[tuple[Any, ...]]":
        assert self._db is not None
        return self._db

    def _row(self, query: str, *values: object) -> tuple[Any, ...]:
        found = self.db.execute(query, values).fetchone()
        assert found is not None
        return found

    def positions(self) -> Positions:
        rows = self.db.execute('SELECT topic, "partition", next_offset FROM ledger_offsets')
        return {Lane(row[0], row[1]): row[2] for row in rows}

    def follow(
        self,
        taken: Sequence[Taken],
        begins: Positions,
        ends: Positions,
        now_us: int,
        deliver: Deliver,
    ) -> Done:
        """Facts, their bookings and the positions behind them: all of it, or nothing.

        begins, ends: positions as the database has them before and after. deliver: takes the dead
        letters of what the books refuse, before anything counts as done.
        Raises one of REFUSED, OtherReader where another process has moved the positions, one of
        DOWN without an answer: then the positions say whether it is done.
        """
        with self.db.transaction():
            self._move(begins, ends)
            books = self._load(taken)
            deliver(books.follow(taken, now_us))
            return Done(books, self._write(books, now_us))

    def refused(self, taken: Sequence[Taken], now_us: int) -> dict[int, str]:
        """Which facts the tables do not take, and why; nothing is changed."""
        found: dict[int, str] = {}
        with self.db.transaction(force_rollback=True):
            self.db.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for number, one in enumerate(taken):
                try:
                    with self.db.transaction():
                        books = self._load([one])
                        books.follow([one], now_us)
                        self._write(books, now_us)
                except REFUSED as bad:
                    found[number] = str(bad).partition("\n")[0]
        return found

    def open_bankroll(self, bankroll: str, currency: str, paper: bool, now_us: int) -> bool:
        """False where it was there. Raises NotBooked where it was there as another one."""
        with self.db.transaction():
            new = self.db.execute(
                "INSERT INTO bankrolls (bankroll, currency, paper, told_number, told_at)"
                " VALUES (%s, %s, %s, 0, %s) ON CONFLICT DO NOTHING",
                (bankroll, currency, paper, from_us(now_us)),
            ).rowcount
            found = self._row("SELECT currency, paper FROM bankrolls WHERE bankroll = %s", bankroll)
            if found != (currency, paper):
                raise NotBooked(
                    f"{bankroll}: is there already, {'paper' if found[1] else 'real'} money in "
                    f"{found[0]}. Open one under another name"
                )
            self.db.cursor().executemany(
                "INSERT INTO ledger_accounts (bankroll, account) VALUES (%s, %s)"
                " ON CONFLICT DO NOTHING",
                [(bankroll, account.value) for account in Account],
            )
        return new == 1

    def book(self, change: Transaction, now_us: int) -> Done:
        """A person's transaction, and what waited for its money.

        One that was booked before, by its id, is not booked again. Raises NotBooked where there is
        no such bankroll, too little is free, or the id is another transaction's.
        """
        with self.db.transaction():
            books = self._load([])
            ours = books.kept.get(change.bankroll)
            if ours is None:
                raise NotBooked(
                    f"{change.bankroll}: has no ledger. Make one: `steamline bankroll open "
                    f"{change.bankroll}`"
                )
            if not self._booked(change):
                if not books.move(change):
                    raise NotBooked(
                        f"{change.bankroll}: {ours.money[Account.FREE]:f} is free, that is too "
                        f"little for {change.kind.value} of {change.entries[Account.FREE]:f}"
                    )
                books.catch_up(now_us)
            return Done(books, self._write(books, now_us, "operator"))

    def _booked(self, change: Transaction) -> bool:
        """Raises NotBooked where its id is another transaction's."""
        entries = self.db.execute(
            "SELECT kind, bankroll, account, amount FROM ledger_transactions"
            " JOIN ledger_entries USING (transaction_id) WHERE transaction_id = %s",
            (change.transaction_id,),
        ).fetchall()
        ours = {
            (change.kind.value, change.bankroll, account.value, amount)
            for account, amount in change.entries.items()
        }
        if entries and set(entries) != ours:
            raise NotBooked(f"{change.transaction_id} is the id of another transaction")
        return bool(entries)

    def said(self) -> tuple[list[Told], list[Fact]]:
        """Balances as they were said last, or should have been; facts that stop their bankrolls."""
        with self.db.transaction():
            books = self._load([])
            rows = self.db.execute(
                "SELECT bankroll, told_number, told_at FROM bankrolls"
                " WHERE told_at IS NOT NULL ORDER BY bankroll"
            )
            told = [Told(row[0], row[1], to_us(row[2]), books.kept[row[0]].balance) for row in rows]
        return told, books.stops()

    def beat(self, now_us: int) -> list[Told]:
        """Every balance as of now: said again, nothing is booked."""
        with self.db.transaction():
            books = self._load([])
            rows = self.db.execute(
                "UPDATE bankrolls SET told_number = coalesce(told_number, 0),"
                " told_at = greatest(%s, told_at + interval '1 microsecond')"
                " RETURNING bankroll, told_number, told_at",
                (from_us(now_us),),
            )
            return [
                Told(row[0], row[1], to_us(row[2]), books.kept[row[0]].balance)
                for row in sorted(rows.fetchall())
            ]

    def _move(self, begins: Positions, ends: Positions) -> None:
        stored = self.positions()
        require_as_left(stored, begins, ends, "the ledger", "books")
        self.db.cursor().executemany(
            'INSERT INTO ledger_offsets (topic, "partition", next_offset) VALUES (%s, %s, %s)'
            ' ON CONFLICT (topic, "partition") DO UPDATE SET next_offset = excluded.next_offset',
            [(*lane, at) for lane, at in sorted(ends.items()) if at != begins.get(lane)],
        )

    def _load(self, taken: Iterable[Taken]) -> Books:
        """The bankrolls, held until the transaction ends, and what these facts touch."""
        kept = {
            bankroll: Kept(paper, dict.fromkeys(Account, _ZERO))
            for bankroll, paper in self.db.execute(
                "SELECT bankroll, paper FROM bankrolls ORDER BY bankroll FOR UPDATE"
            )
        }
        for bankroll, account, balance in self.db.execute(
            "SELECT bankroll, account, balance FROM ledger_accounts"
        ):
            kept[bankroll].money[Account(account)] = balance
        books = Books(kept)
        said = [one.said for one in taken if one.said.bankroll in kept]
        facts = [one for one in said if isinstance(one, Fill | Settlement)]
        names = [one.settlement_id for one in facts if isinstance(one, Settlement)]
        for kind, name, value, why, stopped_at in self.db.execute(
            "SELECT kind, fact_id, said, why, stopped_at FROM ledger_facts"
            " WHERE fill_id = ANY(%s) OR fact_id = ANY(%s)"
            " OR fill_id IN (SELECT fill_id FROM ledger_facts WHERE NOT booked) ORDER BY number",
            ([one.fill_id for one in facts], names),
        ):
            stopped_us = None if stopped_at is None else to_us(stopped_at)
            fact = Fact(_KINDS[kind].model_validate(value), why, stopped_us)
            (books.fills if kind == "fill" else books.settlements)[name] = fact
        waiting = [fact.said for fact in books.fills.values() if not fact.booked]
        spots = {Spot.of(one) for one in [*said, *waiting]}
        for row in self.db.execute(
            "SELECT bankroll, game_id, market, position, decided, stakes, wanted, held, bet"
            " FROM ledger_markets JOIN unnest(%s::text[], %s::text[], %s::text[])"
            " AS asked (bankroll, game_id, market) USING (bankroll, game_id, market)",
            [[one[place] for one in spots] for place in range(3)],
        ):
            spot = Spot(row[0], row[1], Market(row[2]))
            books.spots[spot] = Advice(row[3], to_us(row[4]), *row[5:])
        return books

    def _write(self, books: Books, now_us: int, source: str = "ledger") -> list[Told]:
        """What the books have come to; balances that are others now."""
        self._write_facts(books)
        numbers = self._write_transactions(books.booked, source)
        told = []
        for bankroll, number in sorted(numbers.items()):
            ours = [one for one in books.booked if one.bankroll == bankroll]
            if not sum(-one.entries.get(Account.OUTSIDE, _ZERO) for one in ours):
                continue
            # A clock that runs ahead must not make silence look like news.
            at_us = min(max(one.at_us for one in ours), now_us)
            (told_at,) = self._row(
                "UPDATE bankrolls SET told_number = %s,"
                " told_at = greatest(%s, told_at + interval '1 microsecond')"
                " WHERE bankroll = %s RETURNING told_at",
                number,
                from_us(at_us),
                bankroll,
            )
            told.append(Told(bankroll, number, to_us(told_at), books.kept[bankroll].balance))
        return told

    def _write_transactions(self, booked: Sequence[Transaction], source: str) -> dict[str, int]:
        """{bankroll: number of its newest}"""
        numbers: dict[str, int] = {}
        for one in booked:
            (number,) = self._row(
                "INSERT INTO ledger_transactions (transaction_id, kind, at, fill_id, stake_id,"
                " settlement_id, reason, source) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
                " RETURNING number",
                one.transaction_id,
                one.kind.value,
                from_us(one.at_us),
                one.fill_id,
                one.stake_id,
                one.settlement_id,
                one.reason,
                source,
            )
            numbers[one.bankroll] = number
        self.db.cursor().executemany(
            "INSERT INTO ledger_entries (transaction_id, bankroll, account, amount)"
            " VALUES (%s, %s, %s, %s)",
            [
                (one.transaction_id, one.bankroll, account.value, amount)
                for one in booked
                for account, amount in one.entries.items()
            ],
        )
        return numbers

    def _write_facts(self, books: Books) -> None:
        cursor = self.db.cursor()
        known = {"fill": books.fills, "settlement": books.settlements}
        cursor.executemany(
            "INSERT INTO ledger_facts (kind, fact_id, fill_id, bankroll, said, booked, why,"
            " stopped_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (kind, fact_id)"
            " DO UPDATE SET booked = excluded.booked, why = excluded.why,"
            " stopped_at = excluded.stopped_at",
            [
                (
                    kind,
                    name,
                    fact.said.fill_id,
                    fact.said.bankroll,
                    Jsonb(fact.said.model_dump(mode="json")),
                    fact.booked,
                    fact.why,
                    None if fact.stopped_us is None else from_us(fact.stopped_us),
                )
                for kind, facts in known.items()
                for name, fact in facts.items()
                if (_KINDS[kind], name) in books.changed
            ],
        )
        cursor.executemany(
            "INSERT INTO ledger_markets (bankroll, game_id, market, position, decided, stakes,"
            " wanted, held, bet) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (bankroll, game_id, market) DO UPDATE SET"
            " position = excluded.position, decided = excluded.decided, stakes = excluded.stakes,"
            " wanted = excluded.wanted, held = excluded.held, bet = excluded.bet",
            [
                (
                    *spot,
                    one.position,
                    from_us(one.decided_us),
                    one.stakes,
                    one.wanted,
                    one.held,
                    one.bet,
                )
                for spot, one in books.spots.items()
                if spot in books.touched
            ],
        )
