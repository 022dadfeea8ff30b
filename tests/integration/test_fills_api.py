"""`POST /v1/fills` on a real Kafka, from the request to the booked bet."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.stack.kafka import KafkaBroker
from schemas.bets import Fill
from schemas.topics import Topic
from tests.integration.test_ledger import bankroll, ledger, money
from tests.samples import GAME, at
from tests.served import Served, api_settings, serving
from tests.system import Site, content

BET: dict[str, Any] = {
    "game_id": GAME,
    "bankroll": "main",
    "market": "total",
    "side": "over",
    "book": "pinnacle",
    "line": 8.5,
    "price": 1.91,
    "amount": "25.00",
    "filled_at_us": at(10),
}


@pytest.fixture
def site(kafka: KafkaBroker, database: str, tmp_path: Path) -> Iterator[Site]:
    env = {"STEAMLINE_POSTGRES_DSN": database}
    with Site(None, kafka.bootstrap, None, tmp_path, env=env) as site:
        yield site


def post(api: Served, key: str, **over: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    return httpx.post(f"{api.url}/v1/fills", json=BET | over, headers=headers, timeout=30)


def test_a_bet_sent_three_times_is_booked_once(site: Site, database: str) -> None:
    with serving(api_settings(site.bootstrap, site.prefix)) as api:
        early = post(api, "7")
        assert early.status_code == 503, "its topic is not there yet, and is not made by chance"
        assert "steamline run ledger" in early.json()["detail"]
        site.create()
        bankroll(site, "open", "main")
        bankroll(site, "deposit", "main", "100")
        answers = [post(api, "7") for _ in range(3)]
        assert [one.status_code for one in answers] == [202] * 3
        # Other terms under the same key are on the topic too, and refused where it is read.
        assert post(api, "7", amount="26.00").status_code == 202
    records = site.read(Topic.FILLS)
    assert {Fill.model_validate_json(content(one)).fill_id for one in records} == {"api:7"}
    assert {one.key() for one in records} == {GAME.encode()}
    assert dict(records[0].headers() or [])["id"] == b"api:7"
    assert records[0].timestamp()[1] == at(10) // 1000
    ledger(site, "--once")
    assert {name: Decimal(amount) for name, amount in money(database).items()} == {
        "free": 75, "reserved": 0, "open": 25, "outside": -100,
    }  # fmt: skip
    assert [one["reason"] for one in site.letters()] == ["other_fill"]
