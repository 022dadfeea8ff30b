"""Rows into Postgres: COPY, and where some are there already, by a temporary table around them.

A batch has no repeats as a rule: positions see to that. So its rows are copied straight into their
table, in one pass; if one of them is there, that is undone, and they are copied into a
temporary table and from there inserted by a statement that passes over what is there.

Rows and the positions up to which topics have been read are one transaction, so after a crash at
any moment both are there or neither. COPY and session locks need a session: behind pgbouncer use
session pooling.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import asyncpg

from flows.connectors.migrations import dsn_of, no_dsn
from flows.connectors.topic_reader import Lane, Positions
from flows.steps.curate import Entry, Load
from flows.steps.rows import TABLES, Row, Table
from schemas.errors import DependencyDown, SteamlineError
from schemas.sections.servers import PostgresSettings
from schemas.topics import Topic

LOCK = 0x57EA_311F
"""Of all advisory locks in the database, those of whoever curates topics into it."""
CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 120.0
DAYS_AHEAD = 3
"""Partitions made beyond the newest day seen."""

DOWN: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # What asyncpg 0.32 says where the server is killed in the middle of an answer.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
)
"""What waiting may mend: no answer, shutting down or starting, out of disk or of connections."""
REFUSED = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError, OverflowError, ValueError)
"""What is wrong with a row, not with the server."""


_HOPELESS = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidNameError,
)
_SESSION = {
    "application_name": "steamline",
    # A client that was cut off must not keep its locks from the one that takes its place.
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


class OtherReader(SteamlineError):
    """Positions in the database are not those that this process left there."""


class NotAlone(Exception):
    """Another process holds the lock; it may end."""


def require_as_left(
    stored: Positions, begins: Positions, ends: Positions, what: str, does: str
) -> None:
    """Raises OtherReader where positions that are to be moved are not those left behind."""
    for lane in ends:
        if stored.get(lane) != begins.get(lane):
            raise OtherReader(
                f"{lane.topic} partition {lane.partition}: {what} is at offset "
                f"{stored.get(lane)}, this process left it at {begins.get(lane)}: another one "
                f"{does} the same topics"
            )


class Store:
    """One session with the database, opened again whenever it is lost."""

    def __init__(self, settings: PostgresSettings, alone_on: str | None = None) -> None:
        """alone_on: be the only one who moves the positions of topics with this prefix.

        Raises ConfigError where no Postgres is configured; does not connect yet.
        """
        self._dsn, self._alone_on = dsn_of(settings), alone_on
        self._db: asyncpg.Connection[Any] | None = None
        self._alone = False
        self._known_games: set[str] = set()
        self._known_books: set[str] = set()
        self._known_days: set[date] = set()
        self._repeating: set[str] = set()
        """Tables of which the last batch had repeats; the next is likely to have some too."""

    async def open(self) -> None:
        """Connect, or find the session alive.

        Raises one of DOWN without an answer, NotAlone while another process curates, ConfigError
        or DependencyDown for good.
        """
        if self._db is None or self._db.is_closed():
            self._db, self._alone = await self._connect(), False
            self.forget()
            for table in TABLES.values():
                await self._make_staging(table.name, table.columns)
        if self._alone_on is not None and not self._alone:
            self._alone = bool(
                await self._db.fetchval(
                    "SELECT pg_try_advisory_lock($1, hashtext($2))", LOCK, self._alone_on
                )
            )
            if not self._alone:
                raise NotAlone(f"another process curates {self._alone_on}* into this database")

    async def _connect(self) -> "asyncpg.Connection[Any]":
        try:
            return await asyncpg.connect(
                self._dsn,
                timeout=CONNECT_SECONDS,
                command_timeout=COMMAND_SECONDS,
                server_settings=_SESSION,
            )
        except _HOPELESS as refused:
            raise DependencyDown(f"Postgres refuses this client: {refused}") from None
        except (asyncpg.ClientConfigurationError, ValueError):
            raise no_dsn() from None

    def drop(self) -> None:
        """Give up a session that does not answer as it should."""
        if self._db is not None:
            self._db.terminate()
            self._db = None

    async def close(self) -> None:
        if self._db is not None:
            with suppress(*DOWN):
                await self._db.close(timeout=5.0)
            self._db = None

    def forget(self) -> None:
        """Look up anew what is there: others may have taken it away."""
        self._known_games.clear()
        self._known_books.clear()
        self._known_days.clear()

    @property
    def db(self) -> "asyncpg.Connection[Any]":
        assert self._db is not None
        return self._db

    async def _make_staging(self, name: str, columns: Sequence[str]) -> None:
        """Plain types: what a column demands is looked at once, on the way into its table."""
        types = await self.db.fetch(
            "SELECT attname, format_type(CASE typtype WHEN 'd' THEN typbasetype ELSE atttypid END,"
            " NULL) AS type FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid"
            " WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
            name,
        )
        type_of = {row["attname"]: row["type"] for row in types}
        missing = [column for column in columns if column not in type_of]
        if missing:
            raise DependencyDown(
                f"the database has no {name}.{missing[0]}: run `steamline db migrate`"
            )
        listed = ", ".join(f'"{column}" {type_of[column]}' for column in columns)
        await self.db.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS stage_{name} ({listed}, stage_order bigint"
            " GENERATED ALWAYS AS IDENTITY) ON COMMIT DELETE ROWS"
        )

    async def positions(self) -> Positions:
        rows = await self.db.fetch('SELECT topic, "partition", next_offset FROM curate_offsets')
        return {Lane(row[0], row[1]): row[2] for row in rows}

    async def note_books(self, books: Sequence[str], sharp: Sequence[str]) -> None:
        """Have the configured books there, and which of them are sharp."""
        await self.db.executemany(
            "INSERT INTO books (book, sharp) VALUES ($1, $2)"
            " ON CONFLICT (book) DO UPDATE SET sharp = excluded.sharp"
            " WHERE books.sharp <> excluded.sharp",
            [(book, book in sharp) for book in sorted({*books, *sharp})],
        )

    async def commit(self, load: Load, begins: Positions, ends: Positions) -> dict[str, int]:
        """All of it and its positions, or nothing; rows that were new, by table.

        begins, ends: positions as the database has them before and after; a lane that it does
        not know yet is missing from `begins`.

        Raises one of REFUSED for a row that must not be there, OtherReader where another process
        has moved the positions, one of DOWN without an answer: then whether it is there must be
        looked up in the positions.
        """
        await self._make_partitions(load.days)
        async with self.db.transaction():
            await self._move(begins, ends)
            new = await self._fill(load)
        self._known_games |= load.games.keys()
        self._known_books |= load.books
        return new

    async def _make_partitions(self, days: set[date]) -> None:
        """Before the transaction and not in it: nobody else must wait for its end."""
        wanted = days - self._known_days
        if not wanted:
            return
        ahead = {max(wanted) + timedelta(days=more) for more in range(1, DAYS_AHEAD + 1)}
        for day in sorted(wanted | ahead):
            await self.db.execute("SELECT make_quote_partitions($1, $1)", day)
        self._known_days |= wanted | ahead

    async def _move(self, begins: Positions, ends: Positions) -> None:
        if not ends:
            return
        stored = await self.positions()
        require_as_left(stored, begins, ends, "the database", "curates")
        await self.db.executemany(
            'INSERT INTO curate_offsets (topic, "partition", next_offset) VALUES ($1, $2, $3)'
            ' ON CONFLICT (topic, "partition") DO UPDATE SET next_offset = excluded.next_offset',
            [(*lane, at) for lane, at in sorted(ends.items()) if at != begins.get(lane)],
        )

    async def _fill(self, load: Load) -> dict[str, int]:
        await self._add_games(load)
        await self._add_books(load.books - self._known_books)
        new = {}
        for topic, table in TABLES.items():
            entries = load.entries.get(topic)
            if entries:
                new[table.name] = await self._bring(table, [one.row for one in entries])
        if load.entries.get(Topic.GAMES):
            touched = {str(one.row[1]) for one in load.entries[Topic.GAMES]}
            await self.db.execute(_NEWEST_GAMES, sorted(touched))
        return new

    async def _add_games(self, load: Load) -> None:
        fresh = sorted(load.games.keys() - self._known_games)
        if fresh:
            await self.db.executemany(
                "INSERT INTO games (game_id, source, event_id, simulated,"
                ' topic, "partition", "offset")'
                " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
                [
                    (one.game_id, one.source, one.event_id, one.simulated, *one.place)
                    for one in (load.games[game_id] for game_id in fresh)
                ],
            )

    async def _add_books(self, fresh: set[str]) -> None:
        if fresh:
            await self.db.executemany(
                "INSERT INTO books (book) VALUES ($1) ON CONFLICT DO NOTHING",
                [(book,) for book in sorted(fresh)],
            )

    async def _bring(self, table: Table, rows: Sequence[Row]) -> int:
        """How many were new."""
        if table.name not in self._repeating:
            try:
                async with self.db.transaction():
                    await self.db.copy_records_to_table(
                        table.name, records=rows, columns=table.columns
                    )
            except asyncpg.UniqueViolationError:
                self._repeating.add(table.name)
            else:
                return len(rows)
        new = await self._merge(table.name, table.columns, rows)
        if new == len(rows):
            self._repeating.discard(table.name)
        return new

    async def _merge(self, name: str, columns: Sequence[str], rows: Sequence[Row]) -> int:
        """How many were new."""
        await self.db.copy_records_to_table(f"stage_{name}", records=rows, columns=columns)
        listed = ", ".join(f'"{column}"' for column in columns)
        done = await self.db.execute(
            # In the order of the COPY, which `arrival` keeps; rows need not lie in it.
            f"INSERT INTO {name} ({listed}) SELECT {listed} FROM stage_{name}"
            " ORDER BY stage_order ON CONFLICT DO NOTHING"
        )
        return int(done.rpartition(" ")[2])

    async def add(self, name: str, columns: Sequence[str], rows: Sequence[Row]) -> int:
        """Rows of a table that no topic fills; how many were new."""
        await self._make_staging(name, columns)
        async with self.db.transaction():
            return await self._merge(name, columns, rows)

    async def refused(self, load: Load) -> dict[int, str]:
        """Which records' rows the tables do not take, and why; nothing is changed.

        By halves: one bad row among thousands costs a dozen tries.
        """
        self.forget()
        await self._make_partitions(load.days)
        found: dict[int, str] = {}
        trial = self.db.transaction()
        await trial.start()
        try:
            await self._add_games(load)
            await self._add_books(load.books)
            for topic, table in TABLES.items():
                await self._halve(table, load.entries.get(topic, []), found)
        finally:
            with suppress(*DOWN):
                await trial.rollback()
            self.forget()
        return found

    async def _halve(self, table: Table, entries: list[Entry], found: dict[int, str]) -> None:
        if not entries:
            return
        try:
            async with self.db.transaction():
                await self._merge(table.name, table.columns, [one.row for one in entries])
                await self.db.execute(f"TRUNCATE stage_{table.name}")
        except REFUSED as bad:
            if len(entries) == 1:
                found[entries[0].number] = _why(bad)
                return
            middle = len(entries) // 2
            await self._halve(table, entries[:middle], found)
            await self._halve(table, entries[middle:], found)


def _why(bad: BaseException) -> str:
    constraint = getattr(bad, "constraint_name", None)
    text = str(bad).partition("\n")[0]
    return f"{constraint}: {text}" if constraint else text


_NEWEST_GAMES = """
UPDATE games SET
    home = newest.home, away = newest.away, start_time = newest.start_time,
    status = newest.status, simulated = newest.simulated, updated_at = newest.occurred_at,
    mlb_game_pk = known.mlb_game_pk, home_starter = known.home_starter,
    away_starter = known.away_starter,
    source = newest.source, event_id = newest.event_id, topic = newest.topic,
    "partition" = newest."partition", "offset" = newest."offset"
FROM (
    SELECT DISTINCT ON (game_id) * FROM game_updates WHERE game_id = ANY($1)
    ORDER BY game_id, occurred_at DESC, event_id DESC
) AS newest
JOIN (
    SELECT game_id,
        (array_agg(mlb_game_pk ORDER BY occurred_at DESC, event_id DESC)
            FILTER (WHERE mlb_game_pk IS NOT NULL))[1] AS mlb_game_pk,
        (array_agg(home_starter ORDER BY occurred_at DESC, event_id DESC)
            FILTER (WHERE home_starter IS NOT NULL))[1] AS home_starter,
        (array_agg(away_starter ORDER BY occurred_at DESC, event_id DESC)
            FILTER (WHERE away_starter IS NOT NULL))[1] AS away_starter
    FROM game_updates WHERE game_id = ANY($1) GROUP BY game_id
) AS known USING (game_id)
WHERE games.game_id = newest.game_id
    AND (games.updated_at, games.event_id, games.mlb_game_pk, games.home_starter,
         games.away_starter)
        IS DISTINCT FROM (newest.occurred_at, newest.event_id, known.mlb_game_pk,
                          known.home_starter, known.away_starter)
"""
"""What the newest update says; of facts that it may leave out, the newest that any said. From the
updates themselves, so the order in which they came does not show."""
