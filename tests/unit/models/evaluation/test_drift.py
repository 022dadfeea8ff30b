"""Drift against hand sums, scikit-learn, chance as simulated, and shifts put in on purpose."""

import math

import numpy as np
import polars as pl
import pytest
from scipy import stats  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from models.evaluation import drift
from models.evaluation.outliers import Ordinary
from models.evaluation.rows import decided
from tests.unit.models.evaluation.seasons import season

RULES = drift.DriftRules(
    stability=0.2,
    missing=0.2,
    chance=0.05,
    log_loss_above_market=0.002,
    calibration_error=0.03,
    bias=0.02,
    importance_moved=0.3,
    outlier_share=0.1,
    outlier_chance=0.01,
)
NAN = float("nan")


def test_stability_by_hand() -> None:
    # Halves cut at 2.5 (the median); then 1 of 4 below it, and 3 above.
    reference = np.array([[1.0], [2.0], [3.0], [4.0]])
    current = np.array([[1.0], [9.0], [8.0], [7.0]])
    found = drift.stability(reference, current, bins=2).index
    assert found == pytest.approx([(0.25 - 0.5) * math.log(0.5) + (0.75 - 0.5) * math.log(1.5)])


def test_nan_is_counted_by_itself() -> None:
    reference = np.array([[1.0, NAN]] * 3 + [[NAN, NAN]])
    current = np.array([[1.0, NAN]] * 2 + [[NAN, NAN]] * 2)
    found = drift.stability(reference, current)
    assert found.index.tolist() == [0.0, 0.0]
    assert found.missing_then.tolist() == [0.25, 1.0]
    assert found.missing_now.tolist() == [0.5, 1.0]
    assert found.known.tolist() == [2, 0]
    counts = np.array([[3, 1], [2, 2]])
    chance = stats.chi2_contingency(counts, correction=False).pvalue
    assert found.missing_p_value == pytest.approx([chance, 1.0])


def test_a_value_that_never_was_counts_below_and_above() -> None:
    reference = np.full((100, 3), 5.0)
    current = np.tile([4.0, 5.0, 6.0], (100, 1))
    # All of it moved from one bin to an empty one; half a row of 100 stands in both.
    gone = (1.0 - 0.005) * math.log(1 / 0.005)
    assert drift.stability(reference, current).index == pytest.approx([2 * gone, 0.0, 2 * gone])


def test_stability_of_a_normal_shift() -> None:
    # By the integral over equal bins; a shift of half a deviation.
    edges = stats.norm.ppf(np.linspace(0.0, 1.0, 11))
    now = np.diff(stats.norm.cdf(edges - 0.5))
    expected = ((now - 0.1) * np.log(now / 0.1)).sum()
    rng = np.random.default_rng(1)
    found = drift.stability(rng.normal(size=(100_000, 1)), rng.normal(0.5, 1.0, (100_000, 1)))
    assert found.index[0] == pytest.approx(expected, rel=0.05)


def test_chance_as_scipy() -> None:
    counts = np.array([[30, 20, 50], [5, 12, 13]])
    reference, current = (np.repeat([1.0, 2.0, 3.0], count)[:, None] for count in counts)
    found = drift.stability(reference, current)
    assert found.p_value[0] == pytest.approx(stats.chi2_contingency(counts).pvalue)


@pytest.mark.parametrize("rows", [40, 300])
def test_chance_alone_is_called_chance(rows: int) -> None:
    rng = np.random.default_rng(2)
    found = drift.stability(rng.normal(size=(2_000, 800)), rng.normal(size=(rows, 800)))
    assert (found.p_value < 0.05).mean() == pytest.approx(0.05, abs=0.02)


def test_few_rows_alarm_nobody_and_a_real_shift_does() -> None:
    rng = np.random.default_rng(3)
    names = [f"f{place}" for place in range(100)]
    reference, current = rng.normal(size=(1_000, 100)), rng.normal(size=(40, 100))
    found = drift.stability(reference, current)
    assert (found.index > RULES.stability).any()  # by the rule of thumb alone
    still, used = np.zeros(100), np.ones(100, bool)
    assert drift.unstable(names, found, still, used, RULES) == []
    current[:, 7] += 3.0
    moved = drift.stability(reference, current)
    (finding,) = drift.unstable(names, moved, still, used, RULES)
    assert (finding.kind, finding.name) == ("stability", "f7")
    # A change that many rows prove, but that is too small to matter.
    many = rng.normal(size=(50_000, 1))
    small = drift.stability(many, many + 0.1)
    assert small.p_value[0] < 1e-6
    assert drift.unstable(["f"], small, still[:1], used[:1], RULES) == []
    # One that no model looks at, and one that has moved further before.
    assert drift.unstable(names, moved, still, np.arange(100) != 7, RULES) == []
    assert drift.unstable(names, moved, moved.index, used, RULES) == []


def season_to_date(days: int, games: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Share of wins so far, of teams that are all alike, and another feature that stands still."""
    rng = np.random.default_rng(seed)
    won = rng.random((days + 1, games)) < 0.5
    share = won.cumsum(axis=0)[:-1] / np.arange(1, days + 1)[:, None]
    still = rng.normal(size=(days, games))
    day = np.repeat(np.arange(days), games)
    return np.stack([share.ravel(), still.ravel()], axis=1), day


@pytest.mark.parametrize("length", [28, 60])
def test_what_narrows_with_a_season_is_no_alarm(length: int) -> None:
    values, day = season_to_date(length, 14, 4)
    then = day < length - 14
    usual = drift.usual_index(values[then], day[then], 14)
    found = drift.stability(values[then], values[~then])
    names, used = ["season", "still"], np.ones(2, bool)
    told = drift.unstable(names, found, np.zeros(2), used, RULES)
    assert [one.name for one in told] == ["season"], "by the rule of thumb alone"
    assert drift.unstable(names, found, usual, used, RULES) == []
    assert drift.vanished(names, found, used, RULES) == []
    # The source has fallen silent for the last week, and another counts something else.
    broken = values.copy()
    broken[day >= length - 7, 0] = NAN
    broken[~then, 1] += 3.0
    found = drift.stability(broken[then], broken[~then])
    (moved,) = drift.unstable(names, found, usual, used, RULES)
    (gone,) = drift.vanished(names, found, used, RULES)
    assert moved.name == "still"
    assert (gone.kind, gone.name, gone.value) == ("missing", "season", 0.5)
    assert drift.vanished(names, found, np.array([False, True]), RULES) == []
    # That it is back is no harm.
    assert drift.vanished(names, drift.stability(broken[~then], broken[then]), used, RULES) == []


def test_the_usual_index_is_the_largest_of_windows_against_all_before() -> None:
    rng = np.random.default_rng(5)
    values, day = rng.normal(size=(210, 3)), np.repeat(np.arange(7), 30)
    values[day == 4] += 1.0
    pairs = [
        ((day < 5), (day >= 5)),
        ((day < 3), (day == 3) | (day == 4)),
        (day < 1, (day == 1) | (day == 2)),
    ]
    by_hand = [drift.stability(values[then], values[now]).index for then, now in pairs]
    assert drift.usual_index(values, day, 2) == pytest.approx(np.max(by_hand, axis=0))
    # Shorter than two windows: halved, three days of seven.
    halved = drift.stability(values[day < 4], values[day >= 4]).index
    again = drift.stability(values[day < 1], values[(day >= 1) & (day < 4)]).index
    assert drift.usual_index(values, day, 14) == pytest.approx(np.maximum(halved, again))
    one_day = drift.usual_index(values[:30], day[:30], 14)
    assert one_day.tolist() == [0.0, 0.0, 0.0]
    assert drift.usual_index(values[:0], day[:0], 14).tolist() == [0.0, 0.0, 0.0]


def test_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="nothing"):
        drift.stability(np.empty((0, 2)), np.ones((3, 2)))


def test_slope_as_scikit_learn() -> None:
    rows = decided(season(1, edge=0.2, days=30), "moneyline")
    score = (rows["model"] / (1.0 - rows["model"])).log().to_numpy()
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(
        score[:, None], np.asarray(rows["outcome"]), sample_weight=rows["weight"].to_numpy()
    )
    assert drift.calibration(rows).slope == pytest.approx(oracle.coef_[0, 0], rel=1e-5)


def test_calibration_moves_when_the_model_does() -> None:
    rows = decided(season(1, edge=0.0, noise=0.0, days=365), "moneyline")
    good = drift.calibration(rows)
    assert good.bias_interval.low < 0.0 < good.bias_interval.high
    assert good.slope == pytest.approx(1.0, abs=0.15)
    assert drift.miscalibrated(good, good, RULES) == []
    odds = pl.col("model") / (1.0 - pl.col("model"))
    bold = drift.calibration(rows.with_columns(model=odds**2 / (1.0 + odds**2)))
    assert bold.slope == pytest.approx(good.slope / 2.0)
    assert "error" in {found.name for found in drift.miscalibrated(good, bold, RULES)}
    high = drift.calibration(rows.with_columns(pl.col("model") * 0.8 + 0.2))
    assert high.bias == pytest.approx((rows["outcome"] - rows["model"] * 0.8 - 0.2).mean())
    assert {found.name for found in drift.miscalibrated(good, high, RULES)} == {"bias", "error"}


def test_slope_is_found_from_far_away() -> None:
    """A model that went wrong: Newton's whole first steps lead to infinity from here."""
    rng = np.random.default_rng(11)
    chance = np.where(np.arange(120) < 30, rng.uniform(0.4, 0.6, 120), 0.0005)
    won = (rng.uniform(size=120) < 0.5).astype(float)
    rows = decided(season(1, edge=0.3), "moneyline")[:120]
    rows = rows.with_columns(model=pl.Series(chance), outcome=pl.Series(won), weight=pl.lit(1.0))
    score = np.log(chance / (1.0 - chance))[:, None]
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(score, won)
    assert drift.calibration(rows).slope == pytest.approx(oracle.coef_[0, 0], rel=1e-4)


def test_slope_of_one_class_is_not_known() -> None:
    rows = decided(season(1, edge=0.0, days=3), "moneyline").with_columns(outcome=pl.lit(1.0))
    assert math.isnan(drift.calibration(rows).slope)


def test_rolling_is_the_mean_of_its_days() -> None:
    rows = decided(season(4, edge=0.1, days=12), "moneyline")
    found = drift.rolling(rows, days=5)
    assert found.height == 12
    days = rows["day"].unique().sort()
    part = rows.filter(pl.col("day").is_in(days[5:10].implode()))
    won = part["outcome"] == 1.0
    loss = -(part["model"].log() * won + (1 - part["model"]).log() * ~won)
    at = found.row(9, named=True)
    assert (at["day"], at["games"]) == (days[9], pytest.approx(60.0))
    assert at["model"] == pytest.approx(loss.mean())
    assert at["difference"] == pytest.approx(at["model"] - at["market"])
    first = found.row(0, named=True)
    assert math.isnan(first["low"])


def test_a_model_gone_bad_is_noticed_and_a_good_one_left_alone() -> None:
    good = decided(season(5, edge=0.3, days=40), "moneyline")
    assert drift.degraded(drift.rolling(good, 30), RULES) == []
    bad = decided(season(5, edge=0.0, noise=0.8, days=40), "moneyline")
    (finding,) = drift.degraded(drift.rolling(bad, 30), RULES)
    assert finding.kind == "log_loss"
    # One bad day is no proof.
    assert drift.degraded(drift.rolling(bad.filter(day=bad["day"].min()), 30), RULES) == []


def test_importance_by_hand() -> None:
    assert drift.shares(np.array([3.0, 1.0, 0.0])).tolist() == [0.75, 0.25, 0.0]
    assert drift.shares(np.zeros(2)).tolist() == [0.0, 0.0]
    # Means of absolutes 2, 1, 1; the bias does not count.
    contributions = np.array([[2.0, -1.0, 0.0, 9.0], [-2.0, 1.0, 2.0, 9.0]])
    assert drift.contribution_shares(contributions).tolist() == [0.5, 0.25, 0.25]
    shift = drift.importance_shift(np.array([0.75, 0.25, 0.0]), np.array([0.25, 0.25, 0.5]))
    assert shift.moved == 0.5
    assert shift.changes.tolist() == [-0.5, 0.0, 0.5]
    (finding,) = drift.shifted("gain", shift, RULES)
    assert (finding.name, finding.value) == ("gain", 0.5)


def test_outliers_keep_their_promise_and_are_found() -> None:
    rng = np.random.default_rng(6)
    mixed = rng.normal(size=(40, 40))
    ordinary = rng.standard_t(4, (1_200, 40)) @ mixed
    ordinary[rng.uniform(size=ordinary.shape) < 0.1] = NAN
    known = Ordinary.of(ordinary[:800], seed=1)
    chance = known.chance(ordinary[800:])
    assert (chance < 0.05).mean() == pytest.approx(0.05, abs=0.03)
    assert drift.strange(chance, RULES) == []
    odd = ordinary[800:820] * 6.0
    assert np.median(known.chance(odd)) < 0.02
    assert drift.strange(known.chance(odd), RULES)[0].kind == "outliers"
    assert drift.strange(np.empty(0), RULES) == []
    assert (Ordinary.of(ordinary[:800], seed=1).chance(odd) == known.chance(odd)).all()


def test_too_few_vectors_to_know_what_is_ordinary() -> None:
    with pytest.raises(ValueError, match="at least 40"):
        Ordinary.of(np.ones((39, 2)), seed=1)
