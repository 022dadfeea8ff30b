"""Smooth convex minimisation under linear limits and one convex limit, with its proof.

A primal-dual interior point with Mehrotra's predictor (Nocedal and Wright, "Numerical
Optimization", 2nd ed., chapters 14 and 19), every step strictly inside the limits; then Newton's
method on the limits that hold with equality, so that a stake of nothing is 0 and one at its cap is
the cap, not almost. Nothing is drawn at random and nothing runs by the clock.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.features.arrays import Array
from models.staking.wealth import Cumulant

Curve = Callable[[Array], Cumulant | None]
"""Value, gradient and Hessian at a point, none outside the domain."""

_STEPS = 100
_HALVINGS = 40
_KEEP = 0.99
"""Share of the way to the nearest limit that a step may go."""
_GAP = 1e-13
_POLISH = 4
_RIDGE = 1e-13


@dataclass(frozen=True)
class Problem:
    """Minimise `objective` where `limits @ x <= bounds` and, if there is one, `convex(x) <= 0`."""

    objective: Curve
    limits: Array
    bounds: Array
    convex: Curve | None = None


@dataclass(frozen=True)
class Optimum:
    x: Array
    prices: Array
    """What a unit more of each limit is worth, the convex one last."""
    residual: float
    """Of the Karush-Kuhn-Tucker conditions, which for a convex problem prove the optimum: the
    largest of gradient left over, limit overstepped, negative price, and price times slack."""


@dataclass(frozen=True)
class _Point:
    """All there is to know at x."""

    x: Array
    gradient: Array
    hessian: Array
    slacks: Array
    normals: Array
    curvature: Array | None
    """Of the convex limit."""

    @classmethod
    def at(cls, problem: Problem, x: Array) -> "_Point | None":
        slacks, normals, curvature = problem.bounds - problem.limits @ x, problem.limits, None
        if problem.convex is not None:
            convex = problem.convex(x)
            if convex is None:
                return None
            slacks, normals = np.append(slacks, -convex.value), np.vstack([normals, convex.gradient])
            curvature = convex.hessian
        objective = problem.objective(x)
        if objective is None:
            return None
        return cls(x, objective.gradient, objective.hessian, slacks, normals, curvature)

    def curved(self, prices: Array) -> Array:
        """Hessian of the Lagrangian."""
        if self.curvature is None:
            return self.hessian
        return self.hessian + prices[-1] * self.curvature

    def left_over(self, prices: Array) -> Array:
        """Gradient of the Lagrangian."""
        gradient: Array = self.gradient + prices @ self.normals
        return gradient

    def residual(self, prices: Array) -> float:
        return max(
            float(np.abs(self.left_over(prices)).max(initial=0.0)),
            float(-self.slacks.min(initial=0.0)),
            float(-prices.min(initial=0.0)),
            float(np.abs(prices * self.slacks).max(initial=0.0)),
        )


def minimise(problem: Problem, start: Array) -> Optimum:
    """From a point strictly inside every limit. The residual says how good the answer is."""
    point = _Point.at(problem, start)
    assert point is not None
    assert (point.slacks > 0.0).all()
    prices = np.minimum(1e-2 / point.slacks, 1.0)
    for _ in range(_STEPS):
        gap = float(prices @ point.slacks) / len(prices)
        if gap < _GAP and float(np.abs(point.left_over(prices)).max()) < _GAP:
            break
        moved = _step(problem, point, prices, gap)
        if moved is None:
            break
        point, prices = moved
    inside = Optimum(point.x, prices, point.residual(prices))
    polished = _polished(problem, point, prices)
    return polished if polished is not None and polished.residual <= inside.residual else inside


def _step(
    problem: Problem, point: _Point, prices: Array, gap: float
) -> tuple[_Point, Array] | None:
    slacks, normals = point.slacks, point.normals
    matrix = point.curved(prices) + normals.T @ ((prices / slacks)[:, None] * normals)
    matrix[np.diag_indices_from(matrix)] += _RIDGE * (1.0 + matrix.diagonal())

    def direction(target: Array) -> tuple[Array, Array, Array]:
        """Change of x, slacks and prices towards price times slack = target."""
        dx = np.linalg.solve(matrix, -(point.gradient + (target / slacks) @ normals))
        ds = -(normals @ dx)
        return dx, ds, (target - prices * ds) / slacks - prices

    _, ds, dz = direction(np.zeros_like(prices))
    reach_s, reach_z = _reach(slacks, ds), _reach(prices, dz)
    ahead = float((slacks + reach_s * ds) @ (prices + reach_z * dz)) / len(prices)
    centre = gap * min(max(ahead / gap, 0.0), 1.0) ** 3
    dx, ds, dz = direction(np.maximum(centre - ds * dz, centre * 1e-2))
    linear = len(problem.bounds)
    length = _KEEP * _reach(slacks[:linear], ds[:linear])
    moved = prices + _KEEP * _reach(prices, dz) * dz
    merit = gap + float(np.abs(point.left_over(prices)).max())
    for _ in range(_HALVINGS):
        there = _Point.at(problem, point.x + length * dx)
        if there is not None and (there.slacks > 1e-3 * slacks).all():
            after = float(moved @ there.slacks) / len(moved)
            if after + float(np.abs(there.left_over(moved)).max()) < 2.0 * merit:
                return there, moved
        length /= 2.0
        moved = (moved + prices) / 2.0
    return None


def _reach(values: Array, change: Array) -> float:
    """Largest step up to 1 that leaves every value at or above 0."""
    falling = change < 0.0
    return float(min(1.0, (values[falling] / -change[falling]).min(initial=np.inf)))


def _polished(problem: Problem, point: _Point, prices: Array) -> Optimum | None:
    """Newton's method with every limit whose price exceeds its slack held with equality."""
    held = prices > point.slacks
    # A limit on one bet alone is met to the last bit (0 is not -0: hence + 0.0 below).
    alone = held[: len(problem.bounds)] & (np.count_nonzero(problem.limits, axis=1) == 1)
    size, count = len(point.x), int(held.sum())
    best = None
    for _ in range(_POLISH):
        matrix = np.zeros((size + count, size + count))
        matrix[:size, :size] = point.curved(prices) + _RIDGE * np.eye(size)
        matrix[:size, size:] = point.normals[held].T
        matrix[size:, :size] = point.normals[held]
        matrix[size:, size:] = -_RIDGE * np.eye(count)
        solved = np.linalg.solve(matrix, np.concatenate([-point.gradient, point.slacks[held]]))
        x = point.x + solved[:size]
        rows, columns = np.nonzero(problem.limits[alone])
        x[columns] = problem.bounds[alone][rows] / problem.limits[alone][rows, columns] + 0.0
        prices = np.zeros_like(prices)
        prices[held] = solved[size:]
        there = _Point.at(problem, x)
        if there is None:
            return best
        point = there
        found = Optimum(x, prices, point.residual(prices))
        if best is not None and found.residual >= best.residual:
            return best
        best = found
    return best
