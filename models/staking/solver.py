"""Smooth convex minimisation under linear limits and one convex limit, with its proof.

A primal-dual interior point with Mehrotra's predictor (Nocedal and Wright, "Numerical
Optimization", 2nd ed., chapters 14 and 19), every step strictly inside the linear limits; Newton's
method on the limits that hold with equality, so that a stake of nothing is 0 and one at its cap is
the cap, not almost. From a good guess that alone mostly leads to the proof, at a tenth of the cost,
so it is tried first. Nothing is drawn at random and nothing runs by the clock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.features.arrays import Array
from models.staking.wealth import Cumulant

Curve = Callable[[Array], Cumulant | None]
"""Value, gradient and Hessian at a point, none outside the domain."""

_STEPS = 100
_HALVINGS = 40
_KEEP = 0.99
"""Share of the way to the nearest limit that a step may go."""
_GUESS, _PROVEN, _GAP = 1e-7, 1e-12, 1e-16
"""Mean price times slack below which the binding limits are guessed, residual that ends the search,
and gap that ends it without."""
_POLISH = 4
_TRIES = 8
"""Steps from a guess."""
_RIDGE = 1e-13
_SINGULAR = 1e-11


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


def kkt_residual(left_over: Array, slacks: Array, prices: Array) -> float:
    """How far a point is from meeting its optimality conditions.

    left_over: gradient of the objective plus prices times gradients of the limits.
    """
    return max(
        float(np.abs(left_over).max(initial=0.0)),
        float(-slacks.min(initial=0.0)),
        float(-prices.min(initial=0.0)),
        float(np.abs(prices * slacks).max(initial=0.0)),
    )


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
            slacks, normals = (
                np.append(slacks, -convex.value),
                np.vstack([normals, convex.gradient]),
            )
            curvature = convex.hessian
        objective = problem.objective(x)
        if objective is None:
            return None
        return cls(x, objective.gradient, objective.hessian, slacks, normals, curvature)

    @cached_property
    def linear(self) -> Array:
        """Which limits are."""
        linear = np.ones(len(self.slacks), dtype=np.bool_)
        linear[len(linear) - (self.curvature is not None) :] = False
        return linear

    def curved(self, prices: Array) -> Array:
        """Hessian of the Lagrangian."""
        if self.curvature is None:
            return self.hessian
        hessian: Array = self.hessian + prices[-1] * self.curvature
        return hessian

    def left_over(self, prices: Array) -> Array:
        """Gradient of the Lagrangian."""
        gradient: Array = self.gradient + prices @ self.normals
        return gradient

    def residual(self, prices: Array) -> float:
        return kkt_residual(self.left_over(prices), self.slacks, prices)


def minimise(problem: Problem, start: Array, guess: Array) -> Optimum:
    """The optimum, with the residual that says how good it is.

    start: strictly inside the linear limits and the domain of the convex one. guess: near the
    optimum, anywhere.
    """
    near = _from_guess(problem, guess)
    return _from_inside(problem, start) if near is None else near


def _from_guess(problem: Problem, guess: Array) -> Optimum | None:
    """Newton's method with the limits held that the guess or the last step oversteps.

    None where it does not lead to a proof soon: then nothing is lost but the time.
    """
    point = _Point.at(problem, guess)
    if point is None:
        return None
    held, prices = point.slacks <= _PROVEN, np.zeros(len(point.slacks))
    for _ in range(_TRIES):
        moved = _newton(problem, point, prices, held)
        if moved is None:
            return None
        point, prices = moved
        residual = point.residual(prices)
        if residual < _PROVEN:
            return Optimum(point.x, prices, residual)
        held = np.where(held, prices > 0.0, point.slacks < 0.0)
        prices = np.where(held, prices, 0.0)
    return None


def _from_inside(problem: Problem, start: Array) -> Optimum:
    point = _Point.at(problem, start)
    assert point is not None
    # The convex limit has a slack of its own and may be overstepped on the way: steps that had to
    # stay inside would creep along its curved edge.
    slacks = np.maximum(point.slacks, np.where(point.linear, 0.0, 1e-2))
    assert (slacks > 0.0).all()
    state = _State(point, slacks, np.minimum(1e-2 / slacks, 1.0))
    best = Optimum(point.x, state.prices, point.residual(state.prices))
    try_below = _GUESS
    for _ in range(_STEPS):
        if state.gap < try_below:
            # Near enough to tell which limits hold with equality, unless it is a close call.
            try_below = state.gap * 1e-2
            exact = _polished(problem, state)
            if exact is not None and exact.residual < best.residual:
                best = exact
            if best.residual < _PROVEN:
                return best
        moved = _step(problem, state) if state.gap > _GAP else None
        if moved is None:
            return best
        state = moved
        residual = state.point.residual(state.prices)
        if residual < best.residual:
            best = Optimum(state.point.x, state.prices, residual)
    return best


@dataclass(frozen=True)
class _State:
    point: _Point
    slacks: Array
    """Above 0; of the linear limits the point's own."""
    prices: Array
    """Above 0."""

    @property
    def gap(self) -> float:
        """Mean of price times slack."""
        return float(self.prices @ self.slacks) / len(self.prices)

    @property
    def missing(self) -> Array:
        """By how much each limit falls short of its slack; 0 for linear ones."""
        return self.slacks - self.point.slacks

    @property
    def merit(self) -> float:
        left_over = float(np.abs(self.point.left_over(self.prices)).max())
        return self.gap + left_over + float(np.abs(self.missing).max())


def _step(problem: Problem, state: _State) -> _State | None:
    point, slacks, prices, gap = state.point, state.slacks, state.prices, state.gap
    normals, missing = point.normals, state.missing
    matrix = point.curved(prices) + normals.T @ ((prices / slacks)[:, None] * normals)
    matrix[np.diag_indices_from(matrix)] += _RIDGE * (1.0 + matrix.diagonal())

    def direction(target: Array) -> tuple[Array, Array, Array]:
        """Change of x, slacks and prices towards price times slack = target."""
        pull = (target + prices * missing) / slacks
        dx = np.linalg.solve(matrix, -(point.gradient + pull @ normals))
        ds = -missing - normals @ dx
        return dx, ds, (target - prices * ds) / slacks - prices

    _, ds, dz = direction(np.zeros_like(prices))
    ahead = slacks + _reach(slacks, ds) * ds, prices + _reach(prices, dz) * dz
    centre = gap * min(float(ahead[0] @ ahead[1]) / len(prices) / gap, 1.0) ** 3
    dx, ds, dz = direction(np.maximum(centre - ds * dz, centre * 1e-2))
    length, length_z = _KEEP * _reach(slacks, ds), _KEEP * _reach(prices, dz)
    for _ in range(_HALVINGS):
        there = _Point.at(problem, point.x + length * dx)
        if there is not None:
            own = np.where(there.linear, there.slacks, slacks + length * ds)
            moved = _State(there, own, prices + length_z * dz)
            if (own > 0.0).all() and moved.merit < 2.0 * state.merit:
                return moved
        length /= 2.0
        length_z /= 2.0
    return None


def _reach(values: Array, change: Array) -> float:
    """Largest step up to 1 that leaves every value at or above 0."""
    falling = change < 0.0
    return float(min(1.0, (values[falling] / -change[falling]).min(initial=np.inf)))


def _polished(problem: Problem, state: _State) -> Optimum | None:
    """Newton's method with every limit whose price exceeds its slack held with equality."""
    point = state.point
    held = state.prices > state.slacks
    prices = np.where(held, state.prices, 0.0)
    best = None
    for _ in range(_POLISH):
        moved = _newton(problem, point, prices, held)
        if moved is None:
            return best
        point, prices = moved
        found = Optimum(point.x, prices, point.residual(prices))
        if best is not None and found.residual >= best.residual:
            return best
        best = found
        if best.residual < _PROVEN * 1e-2:
            return best
    return best


def _newton(
    problem: Problem, point: _Point, prices: Array, held: Array
) -> tuple[_Point, Array] | None:
    """One step with these limits held with equality, or none where it leaves the domain.

    Limits that hold together may say the same thing (a game's cap and a book's), so the system can
    be singular: of its solutions the smallest change is taken, which leaves prices positive.
    """
    if not held.any():
        try:
            there = _Point.at(problem, point.x - np.linalg.solve(point.hessian, point.gradient))
        except np.linalg.LinAlgError:
            return None
        return None if there is None else (there, prices)
    # A limit on one bet alone is met to the last bit (0 is not -0: hence + 0.0 below).
    alone = held[: len(problem.bounds)] & (np.count_nonzero(problem.limits, axis=1) == 1)
    rows, columns = np.nonzero(problem.limits[alone])
    met = problem.bounds[alone][rows] / problem.limits[alone][rows, columns] + 0.0
    size, count = len(point.x), int(held.sum())
    matrix = np.zeros((size + count, size + count))
    matrix[:size, :size] = point.curved(prices)
    matrix[:size, size:] = point.normals[held].T
    matrix[size:, :size] = point.normals[held]
    wanted = np.concatenate([-point.left_over(prices), point.slacks[held]])
    change = _smallest_solution(matrix, wanted)
    x = point.x + change[:size]
    x[columns] = met
    priced = prices.copy()
    priced[held] += change[size:]
    there = _Point.at(problem, x)
    return None if there is None else (there, priced)


def _smallest_solution(matrix: Array, wanted: Array) -> Array:
    """Of a symmetric system, in the sense of least squares where it contradicts itself."""
    values, vectors = np.linalg.eigh(matrix)
    kept = np.abs(values) > _SINGULAR * np.abs(values).max(initial=0.0)
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=kept)
    solution: Array = vectors @ (inverse * (vectors.T @ wanted))
    return solution
