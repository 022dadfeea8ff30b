"""A backtest that retrains as it goes: no bet rests on a model that knew what came after it."""

from pathlib import Path

import pytest

from flows.backtest import Backtest, settings_of
from flows.backtested import doubts, replayed, stretch_of
from flows.connectors.manifest import seal
from flows.connectors.parquet import write_events
from flows.pricing import Period
from flows.sources.simulated_truth import Slate
from flows.sources.simulator import simulate
from flows.walked import walked_models
from schemas.sections.staking import SettlementSettings, StakingSettings
from schemas.settings import Settings
from schemas.time import US_PER_DAY, US_PER_HOUR

pytestmark = pytest.mark.long

SETTINGS = settings_of(
    Settings(
        staking=StakingSettings(min_completeness=0.0, min_edge=0.0),
        settlement=SettlementSettings(default="conservative"),
    ),
    None,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven weeks of four games a day."""
    root = tmp_path_factory.mktemp("walk")
    write_events(root, simulate(Slate(seed=3, days=49, games=4, activity=0.05)))
    seal(root, "simulator", True, {}, {})
    return root


@pytest.fixture(scope="module")
def periods(root: Path) -> list[Period]:
    return walked_models([root], SETTINGS, 1, lambda stage: None)


@pytest.fixture(scope="module")
def done(root: Path, periods: list[Period]) -> Backtest:
    return replayed(root, SETTINGS, stretch_of(root, None, None), periods)


def test_each_bet_is_of_the_newest_models_that_were_there(
    periods: list[Period], done: Backtest
) -> None:
    assert len(periods) == 5
    used = set()
    for one in done.bets.values():
        newest = max(p.from_us for p in periods if p.from_us <= (one.stake.decided_us or 0))
        (period,) = (p for p in periods if p.from_us == newest)
        assert one.stake.model_version in {model.version for model in period.models}
        used.add(newest)
    assert len(used) > 2
    assert done.counts.before_models > 0


def test_models_knew_only_games_that_were_over_the_day_before(periods: list[Period]) -> None:
    for period in periods:
        assert period.from_us % US_PER_DAY == 8 * US_PER_HOUR
        for model in period.models:
            assert model.card.trained_until_us < period.from_us - US_PER_DAY


def test_champions_that_may_have_seen_the_games_are_doubted(
    root: Path, periods: list[Period]
) -> None:
    stretch = stretch_of(root, None, None)
    assert "may have seen" in " ".join(doubts(stretch, periods[-1:], walked=False, simulated=True))
    assert "may have seen" not in " ".join(doubts(stretch, periods, walked=True, simulated=True))
