"""The two groups: one may add, one may look, and neither may change what is there."""

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from deploy.stack.postgres import PostgresServer
from tests import samples


def login(postgres: PostgresServer, database: str, group: str) -> str:
    """DSN of a user who is in the group alone."""
    user = f"one_of_{group}"
    with psycopg.connect(database, autocommit=True) as admin:
        found = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,)).fetchone()
        if found is None:
            make = sql.SQL("CREATE USER {} PASSWORD 'x' IN ROLE {}")
            admin.execute(make.format(sql.Identifier(user), sql.Identifier(group)))
    name = database.rpartition("/")[2]
    return f"postgresql://{user}:x@127.0.0.1:{postgres.port}/{name}"


def test_a_reader_looks(postgres: PostgresServer, database: str) -> None:
    with psycopg.connect(login(postgres, database, "steamline_reader"), autocommit=True) as db:
        assert db.execute("SELECT count(*) FROM quotes").fetchone() == (0,)
        for write in (
            "INSERT INTO books VALUES ('x')",
            "DELETE FROM quotes",
            "SELECT make_quote_partitions('2026-07-20', '2026-07-20')",
            "CREATE TABLE mine (a int)",
        ):
            with pytest.raises(InsufficientPrivilege):
                db.execute(write)


def test_a_writer_curates_and_takes_nothing_away(postgres: PostgresServer, database: str) -> None:
    import asyncio

    from pydantic import SecretStr

    from flows.connectors.postgres import Store
    from flows.curate import Curator, bring_all, rules_of
    from flows.steps.records import Record
    from schemas.sections.servers import PostgresSettings
    from schemas.settings import Settings
    from schemas.topics import Topic

    dsn = login(postgres, database, "steamline_writer")
    line, update = samples.line(1), samples.game(2)
    batch = [
        Record(
            topic,
            0,
            0,
            one.occurred_at_us,
            samples.GAME.encode(),
            one.model_dump_json().encode(),
            None,
        )
        for topic, one in ((Topic.LINES, line), (Topic.GAMES, update))
    ]

    async def load() -> dict[str, int]:
        store = Store(PostgresSettings(dsn=SecretStr(dsn)))
        curator = Curator(store, None)
        await curator.patiently(lambda: store.note_books(["pinnacle"], []))
        await bring_all(curator, iter([batch]), rules_of(Settings()))
        await store.close()
        return dict(curator.account.new)

    assert asyncio.run(load()) == {"quotes": 1, "game_updates": 1}
    with psycopg.connect(dsn, autocommit=True) as db:
        assert db.execute("SELECT home FROM games").fetchone() == ("New York Yankees",)
        for write in (
            "DELETE FROM quotes",
            "UPDATE results SET home_score = 1",
            "UPDATE ledger_entries SET amount = 1",
            "DROP TABLE quotes",
        ):
            with pytest.raises(InsufficientPrivilege):
                db.execute(write)


def test_a_writer_keeps_the_ledger(postgres: PostgresServer, database: str) -> None:
    from decimal import Decimal

    from pydantic import SecretStr

    from flows.connectors.ledger_store import LedgerStore
    from flows.connectors.topic_reader import Lane
    from flows.steps.ledger import Said, Taken
    from flows.steps.records import Record
    from models.staking.ledger import deposited
    from schemas.sections.servers import PostgresSettings
    from schemas.topics import Topic

    dsn = login(postgres, database, "steamline_writer")
    store = LedgerStore(PostgresSettings(dsn=SecretStr(dsn)), alone_on="x.")
    store.open()
    try:
        now_us = samples.at(60)
        assert store.open_bankroll("main", "USD", False, now_us)
        store.book(deposited("main", "d", Decimal(100), now_us), now_us)
        said: list[Said] = [samples.stake(1, amount=20.0), samples.fill(10)]
        said.append(samples.settlement("unknown"))
        taken = [Taken(one, Record(Topic.FILLS, 0, 0, 0, None, b"", None)) for one in said]
        store.follow(taken, {}, {Lane("x.fills", 0): 3}, now_us, lambda letters: None)
        store.follow([], {Lane("x.fills", 0): 3}, {Lane("x.fills", 0): 4}, now_us, lambda _: None)
        [told] = store.beat(now_us)
        assert told.balance == 100
    finally:
        store.close()
    with psycopg.connect(dsn, autocommit=True) as db:
        for write in ("DELETE FROM ledger_facts", "UPDATE ledger_transactions SET reason = 'x'"):
            with pytest.raises(InsufficientPrivilege):
                db.execute(write)


def test_an_api_looks_keys_up_and_makes_none(postgres: PostgresServer, database: str) -> None:
    import asyncio

    from asyncpg import InsufficientPrivilegeError
    from pydantic import SecretStr

    from api.keys import Scope
    from api.keystore import KeyStore
    from schemas.sections.servers import PostgresSettings

    owner = KeyStore(PostgresSettings(dsn=SecretStr(database)))
    dsn = login(postgres, database, "steamline_api")
    store = KeyStore(PostgresSettings(dsn=SecretStr(dsn)))
    now_us, later_us = samples.at(0), samples.at(60)

    async def story() -> None:
        key_id, _ = await owner.add("bot", [Scope.READ], now_us, None)
        assert list(await store.find([key_id])) == [key_id]
        await store.used(key_id, now_us)
        await store.begin_session("token", key_id, now_us, later_us)
        found = await store.session("token")
        assert found is not None
        assert found.key_id == key_id
        await store.end_session("token")
        for write in (
            store.add("mine", [Scope.ADMIN], now_us, None),
            store.rotate("bot", now_us, 0),
            store.revoke("bot", now_us),
        ):
            with pytest.raises(InsufficientPrivilegeError):
                await write
        await store.close()
        await owner.close()

    asyncio.run(story())
    for group in ("steamline_reader", "steamline_writer"):
        with psycopg.connect(login(postgres, database, group), autocommit=True) as db:
            for look in ("SELECT * FROM api_keys", "SELECT * FROM api_sessions"):
                with pytest.raises(InsufficientPrivilege):
                    db.execute(look)
