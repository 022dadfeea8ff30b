"""An API process over topics, tables, vectors and backtests that hold something of everything."""

import json
import uuid
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from pydantic import BaseModel, SecretStr
from redis import Redis

from deploy.stack.postgres import PostgresServer
from models.features.catalogue import NAMES
from models.features.kernel import FeatureSet
from models.features.stored import feature_key, pack
from schemas.bets import Outcome
from schemas.decisions import AlertKind, DeadLetter, FeatureHeader, Role
from schemas.events import BettingSplits
from schemas.markets import Market, Target
from schemas.sections.api import ApiSettings
from schemas.sections.servers import KafkaSettings, PostgresSettings, RedisSettings
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE
from schemas.topics import CONTRACTS, Topic
from tests import samples
from tests.served import Served, serving
from tests.system import Sent, Site

HOSTILE = (
    "'; DROP TABLE alerts; --",
    '"><script>alert(1)</script>',
    "{{7*7}}${7*7}<!--#exec cmd=ls-->",
    "\u202e\ufdfa\u2028%s $1 ::text[]",
)
"""At most 64 characters each, so that they fit where a name does."""
BOOK = HOSTILE[0]
SOURCE = HOSTILE[1]
LETTER = b'{"book": "<script>alert(1)</script>\'; DROP TABLE quotes; --", '
BINARY = bytes(range(256)) * 20
DAYS = 24
"""Of games that are over, for quality and experiments."""


@dataclass(frozen=True)
class Rest:
    served: Served
    dsn: str
    settings: Settings
    sent: dict[Topic, list[BaseModel]]
    """What went into the topics, in order."""

    def get(self, path: str) -> Any:
        """The body of an answer of 200."""
        answer = self.served.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pages(self, path: str) -> Iterator[list[Any]]:
        """Every page from the first on."""
        cursor = ""
        while True:
            page = self.get(f"{path}{cursor}")
            yield page["items"]
            if page["next"] is None:
                return
            cursor = f"{'&' if '?' in path else '?'}cursor={page['next']}"

    def of(self, topic: Topic) -> list[dict[str, Any]]:
        return [one.model_dump(mode="json") for one in self.sent[topic]]


def past_game(number: int) -> str:
    return f"mlb-2026-06-{number + 1:02d}-BOS-NYY-1"


def messages() -> dict[Topic, list[BaseModel]]:
    """One game of today with all that can be said of it; earlier ones with results."""
    found: dict[Topic, list[BaseModel]] = {topic: [] for topic in Topic}
    found[Topic.GAMES] = [samples.game(0), samples.game(0, game_id=samples.OTHER)]
    for second in range(60):
        book = ("pinnacle", "circa", "draftkings")[second % 3]
        market = list(Market)[second // 3 % 3]
        found[Topic.LINES].append(
            samples.line(second // 2, 1.9 + second / 1000, book=book, market=market)
        )
        found[Topic.SPLITS].append(
            BettingSplits(
                event_id=f"s:{second}",
                game_id=samples.GAME,
                source="vsin",
                occurred_at_us=samples.at(second),
                book=book,
                market=Market.TOTAL,
                tickets_home_over_pct=float(second),
                handle_home_over_pct=None if second % 2 else 50.0,
            )
        )
    for position in range(1, 41):
        found[Topic.PREDICTIONS].append(samples.prediction(position, 0.5 + position / 1000))
        found[Topic.STAKES].append(samples.stake(position, 0.0 if position % 4 else 0.01))
    found[Topic.ALERTS] += [
        samples.alert(position, kind=AlertKind.STEAM, market=Market.TOTAL, detail=text)
        for position, text in enumerate(HOSTILE, start=1)
    ]
    found[Topic.ALERTS].append(
        samples.alert(
            9,
            kind=AlertKind.MODEL_DRIFT,
            market=Market.MONEYLINE,
            detail="moneyline: log_loss: difference 0.02 (from 0.01)",
            values={"difference": 0.02},
        )
    )
    found[Topic.LINES].append(samples.line(40, book=BOOK, source=SOURCE))
    found[Topic.BANKROLLS] = [
        samples.bankroll_update(0),
        samples.bankroll_update(1, balance=None, stopped=True, reason=HOSTILE[1]),
        samples.bankroll_update(2, balance=None, stopped=True, reason="rain", bankroll="*"),
        samples.bankroll_update(3, balance=None, stopped=False, bankroll="*"),
    ]
    for offset, value in enumerate((LETTER, BINARY, "é".encode() * 2_000)):
        found[Topic.DEAD_LETTERS].append(
            DeadLetter(
                letter_id=f"lines-0-{offset}",
                reason=("schema", "oversized", HOSTILE[0])[offset],
                detail=HOSTILE[1],
                source="score",
                topic="lines",
                partition=0,
                offset=offset,
                timestamp_us=samples.at(offset),
                key_base64=None if offset else b64encode(samples.GAME.encode()).decode(),
                value_base64=b64encode(value).decode(),
            )
        )
    for number in range(DAYS):
        _past(found, number)
    return found


def _past(found: dict[Topic, list[BaseModel]], number: int) -> None:
    """A game of June on which champion and shadow spoke twice, with its bet."""
    name, day_us = past_game(number), 24 * 60 * US_PER_MINUTE
    start = samples.START - (49 - number) * day_us
    chance = 0.45 + number / 200
    found[Topic.GAMES].append(
        samples.game(game_id=name, start_time_us=start, occurred_at_us=start - 800 * US_PER_MINUTE)
    )
    for position, minutes in ((1, 400), (2, 90)):
        for role, model, version in (
            (Role.CHAMPION, chance, "1"),
            (Role.CHALLENGER, chance + 0.03, "2"),
        ):
            found[Topic.PREDICTIONS].append(
                samples.prediction(
                    position,
                    model,
                    game_id=name,
                    model_version=version,
                    role=role,
                    experiment="spring",
                    as_of_us=start - minutes * US_PER_MINUTE,
                    start_time_us=start,
                    cutoff_us=start - 60 * US_PER_MINUTE,
                    target=Target.MONEYLINE,
                )
            )
    result = samples.result(
        game_id=name,
        occurred_at_us=start + 200 * US_PER_MINUTE,
        home_score=5 if number % 2 else 2,
        away_score=3,
    )
    found[Topic.RESULTS].append(result)
    fill = samples.fill(fill_id=f"f{number}", game_id=name, filled_at_us=start - 70 * US_PER_MINUTE)
    won = bool(number % 2)
    found[Topic.FILLS].append(fill)
    if number >= 3:
        found[Topic.SETTLEMENTS].append(
            samples.settlement(
                fill.fill_id,
                game_id=name,
                outcome=Outcome.WIN if won else Outcome.LOSS,
                payout=Decimal("19.00") if won else Decimal("0.00"),
                result_id=result.event_id,
                settled_at_us=start + 210 * US_PER_MINUTE,
            )
        )


LEDGER = """
INSERT INTO bankrolls (bankroll, currency, paper) VALUES ('main', 'USD', false),
    ('paper', 'USD', true);
INSERT INTO ledger_accounts (bankroll, account)
    SELECT b, a FROM unnest(ARRAY['main', 'paper']) b,
        unnest(ARRAY['free', 'reserved', 'open', 'outside']) a;
INSERT INTO ledger_transactions (transaction_id, kind, at, fill_id, source, reason)
    SELECT 't' || n, CASE n WHEN 0 THEN 'deposit' ELSE 'bet' END,
        timestamptz '2026-06-01' + n * interval '1 day', CASE WHEN n > 0 THEN 'f' || n END, 'test',
        '<script>alert(1)</script>' FROM generate_series(0, 9) n;
INSERT INTO ledger_entries VALUES ('t0', 'main', 'outside', -1000), ('t0', 'main', 'free', 1000);
INSERT INTO ledger_entries
    SELECT 't' || n, 'main', account, amount FROM generate_series(1, 9) n,
        (VALUES ('free', -10), ('open', 10)) e (account, amount);
"""
"""1,000 in, and nine bets of 10."""


@contextmanager
def filled(
    kafka: str, redis_url: str, postgres: PostgresServer, schema: str, folder: Path
) -> Iterator[Rest]:
    """Through the topics and `run curate`, as it gets there in life; the ledger by hand."""
    name = f"rest_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {schema}")
        try:
            with Site(None, kafka, redis_url, folder) as site:
                yield from _filled(site, redis_url, postgres.dsn(name), folder)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _filled(site: Site, redis_url: str, dsn: str, folder: Path) -> Iterator[Rest]:
    sent = messages()
    site.create()
    site.send(_record(topic, one) for topic, some in sent.items() for one in some)
    child = site.start("run", "curate", "--once", STEAMLINE_POSTGRES_DSN=dsn)
    assert child.wait(120) == 0, child.said[-2000:]
    with psycopg.connect(dsn) as db:
        for statement in LEDGER.split(";\n"):
            db.execute(statement)
    settings = Settings(
        home=folder,
        kafka=KafkaSettings(bootstrap=site.bootstrap, prefix=site.prefix),
        redis=RedisSettings(url=SecretStr(redis_url), prefix=site.prefix),
        postgres=PostgresSettings(dsn=SecretStr(dsn)),
        api=ApiSettings(port=0),
    )
    _vector(settings, redis_url)
    _backtests(folder / "backtests")
    with serving(settings) as served:
        served.await_ready()
        yield Rest(served, dsn, settings, sent)


def _record(topic: Topic, message: BaseModel) -> Sent:
    contract = CONTRACTS[topic]
    key = getattr(message, contract.key or contract.identity)
    at_us = getattr(message, contract.time)
    return Sent(topic, key.encode(), message.model_dump_json().encode(), at_us // 1_000)


def vector() -> np.ndarray:
    """Every third feature is missing."""
    values = np.arange(len(NAMES), dtype=np.float32) / 8
    values[::3] = np.nan
    return values


def _vector(settings: Settings, redis_url: str) -> None:
    header = FeatureHeader(
        game_id=samples.GAME,
        position=40,
        as_of_us=samples.at(40),
        cutoff_us=samples.START - 60 * US_PER_MINUTE,
        feature_set=FeatureSet.of(settings).hash,
        count=len(NAMES),
        completeness=0.66,
        completeness_by={"market": 0.66},
        source_age_ms={"lines": 1_000},
    )
    key = feature_key(settings.redis.prefix, samples.GAME)
    with Redis.from_url(redis_url) as client:
        client.set(key, pack(header, vector()), ex=600)


PAGE = "<!doctype html><title>Tear sheet</title><script>alert(1)</script>"


def _backtests(root: Path) -> None:
    """Two that can be read, one that cannot, and things that are none."""
    for name in ("a-season", "b-month"):
        (root / name).mkdir(parents=True)
        (root / name / "summary.json").write_text(json.dumps(SUMMARY))
        (root / name / "tear-sheet.html").write_text(PAGE)
    (root / "broken").mkdir()
    (root / "broken" / "summary.json").write_text('{"sheet": NaN')
    (root / "empty").mkdir()
    (root / "note.txt").write_text("no backtest")


SUMMARY: dict[str, Any] = {
    "source": "oddsapi",
    "simulated": False,
    "bankroll": {"name": "main"},
    "sheet": {
        "bets": 812,
        "first_day": "2026-04-01",
        "last_day": "2026-09-28",
        "balance": {"start": 10_000.0, "end": 10_412.5, "drawdown": 0.11},
        "roi": {"value": 0.012, "interval": [-0.03, 0.05]},
        "warnings": ["<script>alert(1)</script>"],
    },
}
"""What `steamline backtest` writes, less what no list shows."""
