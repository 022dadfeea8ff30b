"""Batches into real tables: straight, and around what is there already."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import psycopg
import pytest
from pydantic import SecretStr

from flows.connectors.postgres import Store
from flows.curate import Batch, Curator
from flows.steps.curate import prepare
from flows.steps.decode import DecodeRules
from flows.steps.records import Outgoing, Record
from schemas.events import LineMovement
from schemas.sections.servers import PostgresSettings
from schemas.settings import Settings
from schemas.time import from_us
from schemas.topics import Topic
from tests import samples
from tests.curated import rows

RULES = replace(DecodeRules.of(Settings()), books=None)


class Kept:
    """Dead letters, as a producer takes them."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    def send(self, message: Outgoing) -> None:
        self.sent.append(message)

    def confirm(self) -> None: ...


def batch(events: Sequence[LineMovement], first: int = 0) -> Batch:
    records = [
        Record(
            Topic.LINES,
            0,
            first + at,
            one.occurred_at_us,
            one.game_id.encode(),
            one.model_dump_json().encode(),
            b"1",
        )
        for at, one in enumerate(events)
    ]
    return Batch(records, prepare(records, RULES), {})


def lines(*seconds: int) -> list[LineMovement]:
    return [samples.line(n) for n in seconds]


def curated(dsn: str, work: Callable[[Curator], Awaitable[None]]) -> tuple[Curator, Kept]:
    """What became of it, and its letters."""

    async def whole() -> tuple[Curator, Kept]:
        store, letters = Store(PostgresSettings(dsn=SecretStr(dsn))), Kept()
        curator = Curator(store, letters)
        try:
            await work(curator)
        finally:
            await store.close()
        return curator, letters

    return asyncio.run(whole())


def count_tries(dsn: str) -> None:
    """Have every statement that fills quotes counted, undone ones too: sequences keep on."""
    rows(
        dsn,
        "CREATE SEQUENCE tries_copy; CREATE SEQUENCE tries_insert;"
        " CREATE FUNCTION count_try() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM nextval(CASE WHEN current_query() ILIKE 'copy%' THEN 'tries_copy'::regclass"
        " ELSE 'tries_insert' END); RETURN NULL; END $$;"
        " CREATE TRIGGER count_try BEFORE INSERT ON quotes EXECUTE FUNCTION count_try();"
        " SELECT 1",
    )


def tries(dsn: str) -> tuple[int, int]:
    """COPY, INSERT."""
    ((copied, inserted),) = rows(
        dsn,
        "SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM tries_copy),"
        " (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM tries_insert)",
    )
    return copied, inserted


def test_a_batch_half_of_which_is_there(database: str) -> None:
    async def work(curator: Curator) -> None:
        await curator.bring(batch(lines(*range(100))), {})
        assert curator.account.new["quotes"] == 100
        await curator.bring(batch(lines(*range(50, 150)), 1000), {})

    curator, letters = curated(database, work)
    assert (curator.account.new["quotes"], letters.sent) == (150, [])
    # Of what was there twice, the first stays: its place on Kafka says so.
    found = rows(database, 'SELECT event_id, "offset" FROM quotes')
    assert sorted(found) == sorted(
        (samples.line(n).event_id, n if n < 100 else 1000 + n - 50) for n in range(150)
    )


def test_repeats_within_a_batch(database: str) -> None:
    async def work(curator: Curator) -> None:
        await curator.bring(batch(lines(1, 2, 1, 3, 2, 1)), {})

    curator, letters = curated(database, work)
    assert (curator.account.new["quotes"], letters.sent) == (3, [])
    assert sorted(rows(database, 'SELECT "offset" FROM quotes')) == [(0,), (1,), (3,)]


def test_a_topic_read_again_does_not_pay_for_a_copy_each_time(database: str) -> None:
    count_tries(database)
    seen = []

    async def work(curator: Curator) -> None:
        for some in (range(9), range(9), range(5), range(4, 12), range(12, 15), range(15, 20)):
            await curator.bring(batch(lines(*some)), {})
            seen.append((curator.account.new["quotes"], tries(database)))

    curated(database, work)
    assert seen == [
        (9, (1, 0)),
        (9, (2, 1)),  # tried, undone, merged
        (9, (2, 2)),  # merged at once
        (12, (2, 3)),
        (15, (2, 4)),  # merged, and nothing was there
        (20, (3, 4)),
    ]


@pytest.mark.parametrize("there", [False, True])
def test_a_refused_row_among_repeats(database: str, there: bool) -> None:
    """Its letter is sent, new rows go in, whichever of both the server comes upon first."""
    rows(
        database,
        "ALTER TABLE quotes ADD CONSTRAINT house_rule CHECK (price_home_over <> 3.25); SELECT 1",
    )
    bad = samples.line(300, 3.25, 1.35)
    some = lines(*range(10))
    both = [bad, *some] if there else [*some, bad]

    async def work(curator: Curator) -> None:
        await curator.bring(batch(lines(*range(5))), {})
        await curator.bring(batch(both), {})

    curator, letters = curated(database, work)
    assert (curator.account.new["quotes"], dict(curator.account.refused)) == (
        10,
        {"refused_by_database": 1},
    )
    assert len(letters.sent) == 1
    assert b"house_rule" in letters.sent[0].value
    assert rows(database, "SELECT count(*) FROM quotes") == [(10,)]


def test_what_rows_refer_to_is_taken_away_behind_its_back(database: str) -> None:
    async def work(curator: Curator) -> None:
        await curator.bring(batch(lines(1, 2)), {})
        rows(database, "DELETE FROM quotes; DELETE FROM games; DELETE FROM books; SELECT 1")
        await curator.bring(batch(lines(3, 4)), {})

    curator, letters = curated(database, work)
    assert (curator.account.new["quotes"], letters.sent) == (4, [])
    assert rows(database, "SELECT count(*) FROM quotes JOIN games USING (game_id)") == [(2,)]


@pytest.mark.parametrize(("end", "new"), [("COMMIT", 9), ("ROLLBACK", 10)])
def test_another_writer_has_the_same_row_in_hand(database: str, end: str, new: int) -> None:
    """It is waited for, and its row counts as new only where it was given up."""

    async def work(curator: Curator) -> None:
        await curator.bring(batch(lines(100)), {})
        with psycopg.connect(database, autocommit=True) as other:
            other.execute("BEGIN")
            other.execute(
                "INSERT INTO quotes SELECT %s, game_id, source, %s, simulated, settles, book,"
                " market, status, price_home_over, price_away_under, line, topic FROM quotes",
                (samples.line(5).event_id, from_us(samples.at(5))),
            )
            bringing = asyncio.create_task(curator.bring(batch(lines(*range(10))), {}))
            with psycopg.connect(database, autocommit=True) as look:
                while not look.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name = 'steamline' AND wait_event_type = 'Lock'"
                ).fetchone():
                    assert not bringing.done()
                    await asyncio.sleep(0.02)
            other.execute(end)
            await bringing

    curator, letters = curated(database, work)
    assert (curator.account.new["quotes"], letters.sent) == (1 + new, [])
    assert rows(database, "SELECT count(*), count(DISTINCT event_id) FROM quotes") == [(11, 11)]
