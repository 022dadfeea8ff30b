"""A backtest whose games are scored by other processes comes to the same bytes as one alone."""

from pathlib import Path

import polars as pl
import pytest

from flows import backtested
from flows.backtest import settings_of
from flows.backtested import replayed, stretch_of
from flows.bet_table import bet_table, ledger_table
from flows.connectors.manifest import seal
from flows.connectors.parquet import write_events
from flows.pricing import Period
from flows.sources.simulated_truth import Slate
from flows.sources.simulator import simulate
from models.boosters.scoring import TargetModel
from schemas.errors import ModelRefused
from schemas.markets import Target
from schemas.sections.staking import SettlementSettings, StakingSettings
from schemas.settings import Settings
from schemas.time import US_PER_DAY
from tests.unit.boosters import card, models, varied_text

SETTINGS = settings_of(
    Settings(
        staking=StakingSettings(min_completeness=0.0, min_edge=0.0),
        settlement=SettlementSettings(default="conservative"),
    ),
    None,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ahead")
    write_events(root, simulate(Slate(seed=5, days=5, games=4, activity=0.05)))
    seal(root, "simulator", True, {}, {})
    return root


def test_with_other_processes_and_without(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtested, "GROUP_EVENTS", 500)
    stretch = stretch_of(root, None, None)
    assert len(stretch.groups) >= 3
    assert sorted(one for group in stretch.groups for one in group.games) == sorted(stretch.games)
    # The first events are before any models, and others come in the middle of a day.
    periods = [
        Period(stretch.first_start_us - US_PER_DAY // 4, models(varied_text())),
        Period(stretch.first_start_us + 2 * US_PER_DAY, models(varied_text(seed=2))),
    ]
    alone = replayed(root, SETTINGS, stretch, periods)
    together = replayed(root, SETTINGS, stretch, periods, processes=2)
    assert len(alone.bets) > 10
    assert len({one.stake.model_version for one in alone.bets.values()}) == 2
    assert alone.counts.before_models > 0
    assert together.counts == alone.counts
    assert together.said == alone.said
    assert together.balance == alone.balance
    assert _bytes(bet_table(together.bets.values())) == _bytes(bet_table(alone.bets.values()))
    assert _bytes(ledger_table(together.ledger)) == _bytes(ledger_table(alone.ledger))


def test_a_model_of_other_features_is_refused_before_any_process_begins(root: Path) -> None:
    stretch = stretch_of(root, None, None)
    strange = [TargetModel(varied_text(), card(one, "other"), "1") for one in Target]
    with pytest.raises(ModelRefused, match="train again"):
        replayed(root, SETTINGS, stretch, [Period(0, strange)], processes=2)


def _bytes(table: pl.DataFrame) -> bytes:
    return table.write_ipc(None).getvalue()
