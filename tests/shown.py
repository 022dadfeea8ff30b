"""A whole stack for the pages: two days of games scored, staked, bet, booked and served."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from flows.connectors.ledger_store import LedgerStore
from flows.connectors.parquet import PLAYED, read_archive
from models.staking.ledger import deposited
from schemas.bets import Outcome
from schemas.events import GameUpdate, day_of
from schemas.sections.servers import PostgresSettings
from schemas.settings import Settings
from schemas.time import US_PER_HOUR, US_PER_MINUTE
from schemas.topics import TOPIC_OF, Topic
from tests.samples import fill, settlement
from tests.served import Served, serving
from tests.system import Sent, Site, Trained, sent

NASTY = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>"


GAMES = 4
"""A day."""


class Shown:
    """`today` is a game before its cutoff, `yesterday` one with a result."""

    def __init__(self, trained: Trained) -> None:
        games = sorted({one.game_id for one in read_archive(trained.archive, (Topic.GAMES,))})
        first, self.day = sorted({day_of(one) for one in games})[-2:]
        chosen = {
            one
            for day in (first, self.day)
            for one in [game for game in games if day_of(game) == day][:GAMES]
        }
        records = list(read_archive(trained.archive, PLAYED, None, None, chosen))
        schedules = [
            GameUpdate.model_validate_json(one.value)
            for one in records
            if one.topic is Topic.GAMES and day_of(one.game_id) == self.day
        ]
        self.starts = {one.game_id: one.start_time_us for one in schedules}
        self.now_us = min(self.starts.values()) - 2 * US_PER_HOUR
        """Where the event time stands: all games of the day are open."""
        self.records = [one for one in records if one.occurred_at_us <= self.now_us]
        self.today = min(self.starts, key=lambda game: (self.starts[game], game))
        self.yesterday = min(one for one in chosen if day_of(one) == first)
        self.served: Served


@contextmanager
def shown(
    trained: Trained, bootstrap: str, redis_url: str, dsn: str, folder: Path
) -> Iterator[Shown]:
    env = {
        "STEAMLINE_POSTGRES_DSN": dsn,
        "STEAMLINE_API_PORT": "0",
        "STEAMLINE_API_HEARTBEAT_MS": "500",
        "STEAMLINE_API_BACKTESTS": str(folder / "backtests"),
    }
    with Site(trained, bootstrap, redis_url, folder, env=env) as site:
        site.create()
        what = Shown(trained)
        day = what.day.isoformat()
        tested = site.start(
            "backtest",
            str(trained.archive),
            "--out",
            str(folder / "backtests" / "last-day"),
            "--start",
            day,
            "--end",
            day,
        )
        _open_bankroll(dsn, what.now_us - 30 * US_PER_HOUR)
        site.send(sent(what.records, PLAYED))
        site.send([Sent(Topic.LINES, what.today.encode(), NASTY.encode(), what.now_us // 1000)])
        site.send(_bets(what))
        site.run_to_end()
        for command in (("run", "ledger", "--once"), ("run", "curate", "--once")):
            child = site.start(*command)
            assert child.wait(60) == 0, child.said[-2000:]
        assert tested.wait(60) == 0, tested.said[-2000:]
        with _environment(site.env), serving(Settings.read()) as what.served:
            what.served.await_ready()
            yield what


def _open_bankroll(dsn: str, now_us: int) -> None:
    """As the commands do it, at an event time of the games: they would say today's."""
    store = LedgerStore(PostgresSettings(dsn=SecretStr(dsn)))
    store.open()
    store.open_bankroll("main", "USD", False, now_us)
    store.book(deposited("main", "deposit:main:first", Decimal("10000"), now_us), now_us)
    store.close()


def _bets(what: Shown) -> list[Sent]:
    """One bet won yesterday, one open today."""
    won = fill(
        0,
        game_id=what.yesterday,
        fill_id="won",
        amount=Decimal("150.00"),
        filled_at_us=what.now_us - 20 * US_PER_HOUR,
    )
    graded = settlement(
        "won",
        game_id=what.yesterday,
        amount=Decimal("150.00"),
        outcome=Outcome.WIN,
        payout=Decimal("285.00"),
        settled_at_us=what.now_us - 14 * US_PER_HOUR,
    )
    still = fill(
        0,
        game_id=what.today,
        fill_id="open",
        amount=Decimal("80.00"),
        source=NASTY[:60],
        filled_at_us=what.now_us - 10 * US_PER_MINUTE,
    )
    return [
        Sent(TOPIC_OF[type(one)], one.game_id.encode(), one.model_dump_json().encode(), 0)
        for one in (won, graded, still)
    ]


@contextmanager
def _environment(env: Mapping[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            if name.startswith("STEAMLINE_"):
                patch.setenv(name, value)
        yield
