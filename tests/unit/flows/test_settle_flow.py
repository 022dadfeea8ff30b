"""The settle flow as a graph: the same out of it, whatever the batches and the crashes."""

import random
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, run_main
from prometheus_client import generate_latest

from flows.connectors.settle_metrics import SettleMetrics
from flows.settle import settle_flow
from flows.steps.bets import SETTLE_INPUTS
from flows.steps.records import Outgoing, Record
from schemas.bets import Settlement
from schemas.errors import ConfigError
from schemas.sections.staking import PaperSettings, SettlementSettings, StakingSettings
from schemas.settings import Settings
from schemas.topics import Topic
from tests.bets import season

SETTINGS = Settings(
    paper=PaperSettings(bankrolls=("ghost",)),
    bankrolls=(StakingSettings(), StakingSettings(name="ghost")),
)


def play(
    inputs: list[Any],
    batch: int = 10,
    recovery: Path | None = None,
    meter: SettleMetrics | None = None,
) -> list[Outgoing]:
    """What one run writes; goes on from `recovery`."""
    sent: list[tuple[str, list[Outgoing]]] = []
    source: Any = TestingSource(inputs, batch_size=batch)
    sink: Any = TestingSink(sent)
    flow = settle_flow(SETTINGS, source, sink, meter)
    if recovery is None:
        run_main(flow)
    else:
        config = RecoveryConfig(str(recovery))
        run_main(flow, epoch_interval=timedelta(0), recovery_config=config)
    return [message for _, messages in sent for message in messages]


def by_id(messages: list[Outgoing]) -> dict[str, bytes]:
    return {f"{one.topic}/{one.message_id}": one.value for one in messages}


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return season(games=6, seed=1)


@pytest.fixture(scope="module")
def whole(records: list[Record]) -> dict[str, bytes]:
    return by_id(play(records))


def test_every_bet_is_settled(whole: dict[str, bytes], records: list[Record]) -> None:
    topics = [name.split("/")[0] for name in whole]
    settled = [
        Settlement.model_validate_json(value)
        for name, value in whole.items()
        if name.startswith(Topic.SETTLEMENTS)
    ]
    real = len({one.value for one in records if one.topic is Topic.FILLS})
    first = [one for one in settled if one.supersedes is None]
    assert real > 10
    assert topics.count("fills") > 5
    assert len({one.fill_id for one in first}) == len(first) == real + topics.count("fills")
    corrected = [one for one in settled if one.supersedes is not None]
    assert corrected
    assert {one.supersedes for one in corrected} <= {one.settlement_id for one in settled}
    assert sum(one.closing is not None for one in settled) > len(settled) / 2


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_batches_do_not_matter(batch: int, whole: dict[str, bytes], records: list[Record]) -> None:
    assert by_id(play(records, batch)) == whole


def test_after_any_crashes_it_is_the_same(
    whole: dict[str, bytes], records: list[Record], tmp_path: Path
) -> None:
    dice = random.Random(6)
    for attempt in range(3):
        recovery = tmp_path / str(attempt)
        recovery.mkdir()
        init_db_dir(recovery, 1)
        inputs: list[Any] = list(records)
        for _ in range(4):
            inputs.insert(dice.randrange(len(inputs)), TestingSource.ABORT())
        found: list[Outgoing] = []
        for _ in range(5):
            found += play(inputs, 10, recovery)
        assert by_id(found) == whole


def test_metrics(records: list[Record]) -> None:
    meter = SettleMetrics()
    out = play([*records, records[-1]._replace(offset=10**6, value=b"{")], meter=meter)
    text = generate_latest(meter.registry).decode()

    def value(name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
        assert found is not None, name
        return float(found[1])

    settled = [
        Settlement.model_validate_json(one.value) for one in out if one.topic is Topic.SETTLEMENTS
    ]
    wins = [one for one in settled if one.outcome == "win" and one.paper and not one.supersedes]
    assert wins
    name = 'steamline_settle_settlements_total{correction="false",kind="paper",outcome="win"}'
    assert value(name) == len(wins)
    assert value('steamline_settle_dead_letters_total{reason="malformed_json"}') == 1
    fills = sum(one.topic is Topic.FILLS for one in out)
    assert value('steamline_settle_messages_total{topic="fills"}') == fills
    stale = sum(one.closing_missing == "stale" for one in settled)
    assert value('steamline_settle_unclosed_settlements_total{reason="stale"}') == stale > 0


def test_bad_rule_tables_stop_the_start() -> None:
    bad = Settings(settlement=SettlementSettings(default="nobody"))
    source: Any = TestingSource([])
    sink: Any = TestingSink([])
    with pytest.raises(ConfigError, match="STEAMLINE_SETTLEMENT_DEFAULT"):
        settle_flow(bad, source, sink)


def test_ties_are_broken_as_one_follows_from_the_other() -> None:
    order = list(SETTLE_INPUTS)
    assert order.index(Topic.LINES) < order.index(Topic.STAKES) < order.index(Topic.FILLS)
