"""Log-loss and Brier score against hand computation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation import score_binary


def test_by_hand() -> None:
    chance, won = np.array([0.8, 0.3, 0.5]), np.array([True, False, True])
    score = score_binary(chance, won, np.array([1.0, 1.0, 2.0]))
    assert score.log_loss == pytest.approx(
        -(math.log(0.8) + math.log(0.7) + 2 * math.log(0.5)) / 4, abs=1e-15
    )
    assert score.brier == pytest.approx((0.04 + 0.09 + 2 * 0.25) / 4, abs=1e-15)
    assert score.rows == 3


@given(
    st.lists(
        st.tuples(st.floats(0.001, 0.999), st.booleans(), st.integers(1, 5)),
        min_size=1,
        max_size=30,
    )
)
def test_a_weight_counts_as_so_many_rows(rows: list[tuple[float, bool, int]]) -> None:
    losses = [-math.log(p if won else 1 - p) for p, won, times in rows for _ in range(times)]
    squares = [(won - p) ** 2 for p, won, times in rows for _ in range(times)]
    chance, won, weight = (np.array(column) for column in zip(*rows, strict=True))
    score = score_binary(chance, won, weight.astype(float))
    assert score.log_loss == pytest.approx(math.fsum(losses) / len(losses), rel=1e-12)
    assert score.brier == pytest.approx(math.fsum(squares) / len(squares), rel=1e-12, abs=1e-15)


def test_nothing_to_judge() -> None:
    with pytest.raises(ValueError, match="nothing"):
        score_binary(np.array([]), np.array([], bool), np.array([]))
