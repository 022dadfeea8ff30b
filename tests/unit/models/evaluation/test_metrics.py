"""Metrics against scikit-learn, published examples and sums by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle  # type: ignore[import-untyped]
from sklearn.calibration import calibration_curve  # type: ignore[import-untyped]

from models.evaluation.metrics import (
    auc,
    briers,
    equal_bins,
    log_losses,
    ranked_probability,
    reliability,
    score_binary,
)
from models.features.arrays import Array


def _drawn(seed: int, games: int = 500) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    chance = np.round(rng.uniform(0.02, 0.98, games), 2)  # with ties
    won = rng.uniform(size=games) < chance
    return chance, won.astype(float), rng.uniform(0.1, 2.0, games)


@pytest.mark.parametrize("seed", range(3))
def test_as_scikit_learn(seed: int) -> None:
    chance, won, weight = _drawn(seed)
    score = score_binary(chance, won, weight)
    assert score.log_loss == pytest.approx(oracle.log_loss(won, chance, sample_weight=weight))
    assert score.brier == pytest.approx(oracle.brier_score_loss(won, chance, sample_weight=weight))
    assert auc(chance, won, weight) == pytest.approx(
        oracle.roc_auc_score(won, chance, sample_weight=weight)
    )


def test_what_had_no_chance_costs_everything() -> None:
    assert log_losses(np.array([0.0, 1.0]), np.array([1.0, 1.0])).tolist() == [math.inf, 0.0]
    assert briers(np.array([0.0, 1.0]), np.array([1.0, 1.0])).tolist() == [1.0, 0.0]


def test_auc_of_one_class_is_not_known() -> None:
    assert math.isnan(auc(np.array([0.2, 0.4]), np.array([1.0, 1.0]), np.ones(2)))


def test_ranked_probability_by_hand() -> None:
    # Cumulative .2 .7 1; the middle happened, cumulative 0 1 1: .04 + .09 + 0.
    mass = np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    scores = ranked_probability(mass, np.array([1, 0, 0]))
    # Certain and right costs nothing; certain and two off costs one a threshold.
    assert scores == pytest.approx([0.13, 0.0, 2.0], abs=1e-15)


def test_ranked_probability_of_two_values_is_brier() -> None:
    chance, won, _ = _drawn(4, 50)
    mass = np.stack((1.0 - chance, chance), axis=1)
    assert ranked_probability(mass, won.astype(int)) == pytest.approx(briers(chance, won))


def test_ranked_probability_is_the_energy_form() -> None:
    # Gneiting, Raftery (2007), equation 21: E|X - x| - E|X - X'| / 2.
    rng = np.random.default_rng(5)
    mass = rng.dirichlet(np.ones(9))
    values = np.arange(9)
    for happened in values:
        apart = mass @ np.abs(values - happened)
        inner = mass @ np.abs(values[:, None] - values) @ mass / 2.0
        found = ranked_probability(mass[None], np.array([happened]))[0]
        assert found == pytest.approx(apart - inner)


def test_ranked_probability_refuses_what_it_has_no_column_for() -> None:
    with pytest.raises(ValueError, match="outside"):
        ranked_probability(np.array([[0.5, 0.5]]), np.array([2]))


def test_reliability_as_scikit_learn_with_equal_counts() -> None:
    rng = np.random.default_rng(7)
    chance = rng.uniform(size=1_000)  # no ties, so that both cut at the same places
    won = (rng.uniform(size=1_000) < chance**1.3).astype(float)
    curve = reliability(chance, won, np.ones(1_000), bins=10)
    happened, predicted = calibration_curve(won, chance, n_bins=10, strategy="quantile")
    assert curve.weight == pytest.approx(np.full(10, 100.0))
    assert curve.predicted == pytest.approx(predicted)
    assert curve.happened == pytest.approx(happened)
    assert curve.error == pytest.approx(np.abs(happened - predicted).mean())


def test_calibration_error_by_hand() -> None:
    chance = np.array([0.2, 0.2, 0.2, 0.2, 0.8, 0.8])
    won = np.array([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    curve = reliability(chance, won, np.ones(6), bins=2)
    # Four games at .2 won .25, two at .8 won .5: (4 * .05 + 2 * .3) / 6.
    assert curve.error == pytest.approx(0.8 / 6)


def test_equal_predictions_share_a_bin() -> None:
    assert len(reliability(np.full(40, 0.5), np.ones(40), np.ones(40)).predicted) == 1


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 4)), min_size=1, max_size=60),
    st.integers(1, 12),
)
def test_bins_keep_order_and_ties(rows: list[tuple[int, int]], bins: int) -> None:
    values = np.array([value for value, _ in rows], float)
    place = equal_bins(values, np.array([weight for _, weight in rows], float), bins)
    assert place.min() >= 0
    assert place.max() < bins
    for one, number in zip(values, place, strict=True):
        assert (place[values > one] >= number).all()
        assert (place[values == one] == number).all()
