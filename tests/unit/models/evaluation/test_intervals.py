"""Bootstrap, standard errors and Diebold-Mariano against scipy, hand sums and simulated truth."""

import math

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from models.evaluation.intervals import (
    DaySums,
    block_bootstrap,
    diebold_mariano,
    resampled_means,
)
from models.evaluation.power import games_needed, smallest_shown, spread_of
from models.features.arrays import Array


def _season(rng: np.random.Generator, days: int, mean: float = 0.0) -> tuple[Array, Array, Array]:
    """(day, difference, weight): games of a day share half of their luck; skewed, uneven days."""
    counts = rng.integers(3, 16, days)
    day = np.repeat(np.arange(days), counts)
    shared = rng.normal(0.0, 0.02, days)[day]
    own = rng.exponential(0.03, len(day)) - 0.03
    return day, mean + shared + own, np.ones(len(day))


def test_day_sums_by_hand() -> None:
    day = np.array(["2026-07-02", "2026-07-01", "2026-07-02"])
    sums = DaySums.of(day, np.array([1.0, 4.0, 3.0]), np.array([1.0, 0.5, 2.0]))
    assert sums.total.tolist() == [2.0, 7.0]
    assert sums.weight.tolist() == [0.5, 3.0]
    assert sums.mean == pytest.approx(9.0 / 3.5)
    first, second = 2.0 - 0.5 * 9 / 3.5, 7.0 - 3.0 * 9 / 3.5
    assert sums.standard_error == pytest.approx(math.sqrt(2 * (first**2 + second**2)) / 3.5)


def test_nothing_to_judge() -> None:
    with pytest.raises(ValueError, match="nothing"):
        DaySums.of(np.array([]), np.array([]), np.array([]))


def test_standard_error_of_one_game_a_day_is_the_textbooks() -> None:
    values = np.random.default_rng(1).normal(size=80)
    sums = DaySums.of(np.arange(80), values, np.ones(80))
    assert sums.standard_error == pytest.approx(stats.sem(values))


def test_interval_as_scipy_bca() -> None:
    values = np.random.default_rng(2).exponential(size=60) ** 1.5
    sums = DaySums.of(np.arange(60), values, np.ones(60))
    ours = block_bootstrap(sums, 0.9, 60_000, seed=3)
    theirs = stats.bootstrap(
        (values,), np.mean, confidence_level=0.9, n_resamples=60_000, method="BCa",
        rng=np.random.default_rng(4),
    ).confidence_interval  # fmt: skip
    # Two Monte Carlo runs: a few hundredths of the width.
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.03 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.03 * width)


def test_resampled_means_spread_as_the_standard_error_says() -> None:
    sums = DaySums.of(*_season(np.random.default_rng(5), 180))
    means = resampled_means(sums, 20_000, seed=6)
    assert means.mean() == pytest.approx(sums.mean, abs=0.1 * sums.standard_error)
    assert means.std() == pytest.approx(sums.standard_error, rel=0.05)


def test_equal_seeds_give_equal_intervals() -> None:
    sums = DaySums.of(*_season(np.random.default_rng(7), 50))
    assert block_bootstrap(sums, seed=1) == block_bootstrap(sums, seed=1)
    assert block_bootstrap(sums, seed=1) != block_bootstrap(sums, seed=2)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = by_games = 0
    for seed in range(300):
        day, values, weight = _season(np.random.default_rng(seed), 60, mean=0.01)
        low, high = block_bootstrap(DaySums.of(day, values, weight), 0.9, 500, seed)
        covered += low <= 0.01 <= high
        by_games += abs(values.mean() - 0.01) <= 1.645 * stats.sem(values)
    # 270 expected, standard deviation 5.
    assert 255 <= covered <= 282
    # Games taken as independent promise far too much: that is what the blocks are for.
    assert by_games < 225


def test_one_day_says_nothing_and_no_difference_is_certain() -> None:
    one = DaySums.of(np.zeros(5), np.arange(5.0), np.ones(5))
    assert math.isnan(block_bootstrap(one).low)
    assert math.isnan(one.standard_error)
    assert math.isnan(diebold_mariano(one).p_value)
    same = DaySums.of(np.arange(5), np.zeros(5), np.ones(5))
    assert block_bootstrap(same) == (0.0, 0.0)
    assert math.isnan(diebold_mariano(same).p_value)


def test_diebold_mariano_of_one_step_is_the_t_test() -> None:
    # With horizon 1 the factor of Harvey et al. turns the statistic into Student's.
    values = np.random.default_rng(8).normal(0.1, 1.0, 40)
    found = diebold_mariano(DaySums.of(np.arange(40), values, np.ones(40)))
    student = stats.ttest_1samp(values, 0.0)
    assert found.statistic == pytest.approx(student.statistic)
    assert found.p_value == pytest.approx(student.pvalue)


def test_diebold_mariano_with_a_lag_by_hand() -> None:
    values = np.array([3.0, 1.0, 2.0, -2.0, 1.0])
    # Mean 1, rest 2 0 1 -3 0: squares 14, neighbours' products -3, Bartlett's weight 1/2.
    spread = 14 + 2 * 0.5 * -3
    factor = (5 + 1 - 4 + 2 / 5) / 5
    found = diebold_mariano(DaySums.of(np.arange(5), values, np.ones(5)), lags=1)
    assert found.statistic == pytest.approx(5 / math.sqrt(spread) * math.sqrt(factor))
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(found.statistic), 4))


def test_diebold_mariano_finds_nothing_where_nothing_is() -> None:
    p = [
        diebold_mariano(DaySums.of(*_season(np.random.default_rng(seed), 60))).p_value
        for seed in range(400)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize(
    ("effect", "power", "expected"),
    # n = (z + z)**2 / d**2 with z.975 = 1.959964, z.80 = .841621, z.90 = 1.281552.
    [(0.5, 0.8, 32), (0.2, 0.8, 197), (0.2, 0.9, 263)],
)
def test_games_needed(effect: float, power: float, expected: int) -> None:
    assert games_needed(1.0, effect, power=power) == expected
    assert smallest_shown(1.0, expected, power=power) == pytest.approx(effect, rel=0.02)


def test_so_many_games_do_show_it() -> None:
    games = games_needed(1.0, 0.2)
    rng = np.random.default_rng(9)
    means = rng.normal(0.2, 1.0 / math.sqrt(games), 20_000)
    shown = np.abs(means) * math.sqrt(games) > stats.norm.ppf(0.975)
    assert shown.mean() == pytest.approx(0.8, abs=0.01)
    with pytest.raises(ValueError, match="0"):
        games_needed(1.0, 0.0)


def test_spread_counts_the_ties_between_games_of_a_day() -> None:
    # Two copies of each day's game tell no more than one: the deviation grows by sqrt(2).
    values = np.random.default_rng(10).normal(size=50)
    single = spread_of(DaySums.of(np.arange(50), values, np.ones(50)))
    doubled = spread_of(DaySums.of(np.repeat(np.arange(50), 2), np.repeat(values, 2), np.ones(100)))
    assert (single.games, doubled.games) == (50.0, 100.0)
    assert doubled.deviation == pytest.approx(math.sqrt(2) * single.deviation)
