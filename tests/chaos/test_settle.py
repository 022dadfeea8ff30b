"""The settle flow killed at random moments: what it says is what an undisturbed one says.

All input is in the topics before the first start, so its order is settled; what the flow itself
writes into `fills` comes on top of it, at another place in each run.
"""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack.kafka import KafkaBroker
from flows.steps.bets import SETTLE_INPUTS
from schemas.topics import Topic
from tests.bets import season, sent
from tests.chaos.conftest import assert_same
from tests.system import Child, Decisions, Lag, Site

pytestmark = pytest.mark.long

GAMES, KILLS = 18, 3
PAPER = {
    "STEAMLINE_BANKROLLS": '[{"name": "main"}, {"name": "ghost"}]',
    "STEAMLINE_PAPER_BANKROLLS": '["ghost"]',
}
SLOW = {
    "STEAMLINE_KAFKA_OPTIONS": json.dumps(
        {"fetch.min.bytes": 1_000_000, "fetch.message.max.bytes": 400}
    )
}
"""With records that the broker keeps one by one: one of a partition every 50 ms."""
OUT = (Topic.FILLS, Topic.SETTLEMENTS, Topic.DEAD_LETTERS)


@pytest.fixture
def site(kafka: KafkaBroker, tmp_path: Path) -> Iterator[Site]:
    with Site(None, kafka.bootstrap, None, tmp_path, 1, PAPER) as site:
        site.create()
        yield site


def settle(site: Site, **env: str) -> Child:
    return site.start("run", "settle", "--recovery", str(site.recovery), **env)


def lag_of(site: Site) -> Lag:
    return Lag(site, "steamline-settle", SETTLE_INPUTS)


def said(site: Site) -> Decisions:
    """By topic and id; bets that were sent in have no id in their headers."""
    found = site.decisions((Topic.SETTLEMENTS, Topic.DEAD_LETTERS))
    for message in site.read(Topic.FILLS):
        if message.headers():
            value = message.value()
            assert isinstance(value, bytes)
            name = dict(message.headers() or ())["id"]
            assert isinstance(name, bytes)
            key = f"{Topic.FILLS}/{name.decode()}"
            assert found.setdefault(key, value) == value, f"two values of {key}"
    return found


def run_to_end(site: Site) -> None:
    worker = settle(site)
    with lag_of(site) as lag:
        worker.wait_for(lambda: lag.behind() == 0, "all settled", 60)
    worker.stop()


def test_killed_at_any_moment_it_settles_the_same(
    site: Site, kafka: KafkaBroker, tmp_path: Path
) -> None:
    dice = random.Random(20_260_720)
    records = sent(season(GAMES, seed=3))
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    with Site(None, kafka.bootstrap, None, undisturbed, 1, PAPER) as other:
        other.create()
        other.send(records)
        run_to_end(other)
        steady = said(other)
    assert sum(name.startswith("settlements/") for name in steady) > 5 * GAMES
    assert sum(name.startswith("fills/") for name in steady) > GAMES

    site.send(records)
    resumed_at = []
    with lag_of(site) as lag:
        for _ in range(KILLS):
            before = lag.done()
            worker = settle(site, **SLOW)
            resumed_at.append(before)
            more = dice.randrange(len(records) // 10, len(records) // 6)
            worker.wait_for(lambda: lag.done() >= before + more, f"{more} records")  # noqa: B023
            time.sleep(dice.uniform(0.0, 1.0))  # wherever in an epoch it is by then
            worker.kill()
        assert lag.behind() > 0, "all was over before the last kill"
        run_to_end(site)
    written = sum(len(site.read(topic)) for topic in OUT)
    print(f"{len(records)} records, {len(steady)} said, resumed at {resumed_at}, {written} written")
    assert_same(said(site), steady)
    assert sum(done > 0 for done in resumed_at) == KILLS - 1, resumed_at
