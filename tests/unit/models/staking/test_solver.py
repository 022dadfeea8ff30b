"""The solver on problems with answers by hand, from guesses good, bad and outside the domain."""

import numpy as np
import pytest

from models.features.arrays import Array
from models.staking.solver import Problem, minimise
from models.staking.wealth import Cumulant

START = np.array([0.1, 0.1])


def bowl(x: Array) -> Cumulant | None:
    """(x - 1)**2 + (y - 2)**2, not defined from 10 on."""
    if (np.abs(x) >= 10.0).any():
        return None
    apart = x - np.array([1.0, 2.0])
    return Cumulant(float(apart @ apart), 2.0 * apart, 2.0 * np.eye(2), 0.0)


def valley(x: Array) -> Cumulant | None:
    """(x + y - 1)**2: any point of a line is as good."""
    apart = float(x.sum()) - 1.0
    return Cumulant(apart**2, 2.0 * apart * np.ones(2), 2.0 * np.ones((2, 2)), 0.0)


def limits(*rows: tuple[float, float, float]) -> tuple[Array, Array]:
    table = np.array([(-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), *rows])
    return table[:, :2], table[:, 2]


GUESSES = [(1.0, 2.0), (0.0, 0.0), (0.5, 1.5), (9.0, 9.0), (-3.0, 5.0), (99.0, 99.0)]


@pytest.mark.parametrize("guess", GUESSES)
@pytest.mark.parametrize(
    ("rows", "answer", "prices"),
    [
        ([(1.0, 1.0, 5.0)], (1.0, 2.0), (0.0, 0.0, 0.0)),
        # On x + y = 2 the nearest point to (1, 2); the pull there is (-1, -1).
        ([(1.0, 1.0, 2.0)], (0.5, 1.5), (0.0, 0.0, 1.0)),
        ([(1.0, 0.0, 0.25)], (0.25, 2.0), (0.0, 0.0, 1.5)),
        # In the corner of x + y <= 1 and x >= 0: 2 (0 - 1) + p - q = 0 and 2 (1 - 2) + p = 0.
        ([(1.0, 1.0, 1.0)], (0.0, 1.0), (0.0, 0.0, 2.0)),
    ],
)
def test_a_bowl_under_limits(
    rows: list[tuple[float, float, float]],
    answer: tuple[float, float],
    prices: tuple[float, ...],
    guess: tuple[float, float],
) -> None:
    found = minimise(Problem(bowl, *limits(*rows)), START, np.array(guess))
    assert found.residual < 1e-10
    assert found.x == pytest.approx(answer, abs=1e-9)
    assert found.prices == pytest.approx(prices, abs=1e-8)


def test_a_cap_of_one_bet_is_met_to_the_last_bit_from_a_guess_too() -> None:
    found = minimise(Problem(bowl, *limits((3.0, 0.0, 0.3))), START / 2, np.array([1.0, 2.0]))
    assert found.x[0] == 0.3 / 3.0


def test_a_limit_that_is_held_wrongly_is_let_go() -> None:
    """The guess stands on x = 0, where the bowl pulls away from it."""
    found = minimise(Problem(bowl, *limits((1.0, 1.0, 5.0))), START, np.array([0.0, 2.0]))
    assert found.x == pytest.approx((1.0, 2.0), abs=1e-9)
    assert found.prices == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)


def test_where_newton_has_no_answer_the_interior_point_has_one() -> None:
    """The Hessian of a valley is singular."""
    found = minimise(Problem(valley, *limits((1.0, 1.0, 5.0))), START, np.array([2.0, 1.0]))
    assert found.residual < 1e-8
    assert found.x.sum() == pytest.approx(1.0, abs=1e-7)
