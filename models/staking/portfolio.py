"""Growth-optimal stakes on a slate: games independent, all bets of a game joint.

Maximises expected log wealth, or power utility for fractional Kelly, under caps and a drawdown
limit that are part of the problem: where a cap binds, the other stakes adjust to it. Every answer
carries the residual of its optimality conditions, and one that does not prove itself is refused.

Kelly (1956); Smoczynski and Tomkins (2010) for exclusive outcomes; Whitrow (2007) for many games;
Busseti, Ryu and Boyd (2016), "Risk-constrained Kelly gambling", for the drawdown limit.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import Self

import numpy as np

from models.features.arrays import Array
from models.staking.solver import Optimum, Problem, minimise
from models.staking.wealth import Cumulant, Slate, cumulant, growth
from schemas.errors import Unproven
from schemas.kelly import Binding, KellyAnswer, KellyBet, KellyRequest, KellyStake

TOLERANCE = 1e-8
_DUST = 1e-15
_NO_EDGE = 1e-9
"""Expected return per unit below which a bet is not worth a search."""
_GUESSES = 2
"""Newton's steps to what a bet would be alone."""
_FLAT = 1e-9
"""For the steepness of what always pushes."""


def allocate(request: KellyRequest) -> KellyAnswer:
    """Stakes as shares of the bankroll. Raises Unproven rather than give doubtful ones."""
    slate = slate_of(request)
    scale = request.fraction if request.by == "scaling" else 1.0
    limits = Limits.of(request, scale)
    # A cap of 0 leaves no inside: its bets are out of the problem.
    free = ~limits.shut()
    found = _optimum(request, slate.only(free), limits.only(free), scale)
    if not found.residual <= TOLERANCE:
        raise Unproven(found.residual, TOLERANCE)
    stakes = np.zeros(len(request.bets))
    stakes[free] = scale * found.x
    # Rounding, not judgement: an ulp above a cap after scaling, or a stake of 1e-19.
    stakes = np.minimum(stakes, [bet.cap for bet in request.bets])
    stakes[stakes < _DUST] = 0.0
    grown = growth(slate, stakes)
    assert grown is not None
    names = [*limits.only(free).names, "drawdown"]
    return KellyAnswer(
        stakes=[
            KellyStake(id=bet.id, fraction=stake)
            for bet, stake in zip(request.bets, stakes.tolist(), strict=True)
        ],
        growth=grown[0] if stakes.any() else 0.0,
        growth_error=grown[1],
        worst=slate.worst(stakes),
        binding=[
            Binding(limit=name, price=price)
            for name, price in zip(names, found.prices.tolist(), strict=False)
            if name and price > TOLERANCE
        ],
        kkt_residual=found.residual,
    )


def slate_of(request: KellyRequest) -> Slate:
    """The request as tables of outcomes; impossible outcomes are left out."""
    games: dict[str | int, list[int]] = {}
    for number, bet in enumerate(request.bets):
        games.setdefault(number if bet.game is None else bet.game, []).append(number)
    returns: list[list[float]] = []
    probability: list[float] = []
    starts: list[int] = []
    for game, numbers in games.items():
        starts.append(len(probability))
        bets = [request.bets[number] for number in numbers]
        table = request.scenarios.get(game) if isinstance(game, str) else None
        if table is None:
            outcomes = _exclusive(bets)
        else:
            outcomes = [(one.p, [one.results[bet.id] for bet in bets]) for one in table]
        possible = [(chance, results) for chance, results in outcomes if chance > 0.0]
        total = sum(chance for chance, _ in possible)
        for chance, results in possible:
            row = [0.0] * len(request.bets)
            for number, bet, result in zip(numbers, bets, results, strict=True):
                row[number] = result * (bet.odds - 1.0) if result > 0.0 else result
            returns.append(row)
            probability.append(chance / total)
    shape = (len(probability), len(request.bets))
    return Slate(
        np.array(returns).reshape(shape), np.array(probability), np.array(starts, dtype=np.intp)
    )


def _exclusive(bets: list[KellyBet]) -> list[tuple[float, list[float]]]:
    """One outcome wins and the others lose, or all push, or all lose."""
    chances: dict[str, float] = {}
    for bet in bets:
        chances[bet.outcome or bet.id] = bet.p or 0.0
    push = bets[0].push
    table: list[tuple[float, list[float]]] = [
        (chance, [1.0 if (bet.outcome or bet.id) == winner else -1.0 for bet in bets])
        for winner, chance in chances.items()
    ]
    # What is left after rounding is no outcome.
    rest = 1.0 - push - sum(chances.values())
    table.append((push, [0.0] * len(bets)))
    table.append((rest if rest > 1e-12 else 0.0, [-1.0] * len(bets)))
    return table


@dataclass(frozen=True)
class Limits:
    """rows @ x <= bounds, x in shares of the bankroll at full Kelly."""

    rows: Array
    bounds: Array
    names: list[str]
    """Empty for "not below 0"."""

    @classmethod
    def of(cls, request: KellyRequest, scale: float) -> Self:
        """Caps hold for what is staked, `scale` times x; x itself never exceeds the bankroll."""
        count = len(request.bets)
        names, bounds = [""] * count, [0.0] * count
        rows = [-row for row in np.eye(count)]

        def add(name: str, members: list[int], bound: float) -> None:
            # Weaker than the bankroll itself, it says nothing.
            if members and bound < scale:
                row = np.zeros(count)
                row[members] = scale
                rows.append(row)
                names.append(name)
                bounds.append(bound)

        groups = {
            "game": ([bet.game or f"bet {bet.id}" for bet in request.bets], request.caps.game),
            "book": ([bet.book or "" for bet in request.bets], request.caps.book),
            "day": ([bet.day or "" for bet in request.bets], request.caps.day),
        }
        alone = [(bet.cap, f"bet {bet.id}") for bet in request.bets]
        shared: list[tuple[str, list[int], float]] = []
        for kind, (labels, cap) in groups.items():
            if cap >= scale:
                continue
            order = sorted(range(count), key=lambda number: labels[number])
            for label, members in groupby(order, key=lambda number: labels[number]):
                numbers = list(members)
                if len(numbers) > 1:
                    shared.append((f"{kind} {label}".strip(), numbers, cap))
                else:
                    alone[numbers[0]] = min(alone[numbers[0]], (cap, f"{kind} {label}".strip()))
        for number, (cap, name) in enumerate(alone):
            add(name, [number], cap)
        for name, numbers, cap in shared:
            add(name, numbers, cap)
        add("total", list(range(count)), request.caps.total)
        rows.append(np.ones(count))
        names.append("bankroll")
        bounds.append(1.0)
        return cls(np.array(rows).reshape(len(rows), count), np.array(bounds), names)

    def shut(self) -> Array:
        """Bets that some cap of 0 rules out."""
        closed: Array = np.any(self.rows[self.bounds <= 0.0] > 0.0, axis=0)
        return closed

    def only(self, free: Array) -> Self:
        """Of these bets alone, without the limits that then hold by themselves."""
        if free.all():
            return self
        rows = self.rows[:, free]
        used: Array = np.any(rows != 0.0, axis=1)
        names = [name for name, keep in zip(self.names, used.tolist(), strict=True) if keep]
        return type(self)(rows[used], self.bounds[used], names)

    def room(self) -> Array:
        """A stake for each bet such that all of them together meet every limit exactly or less."""
        capped = self.rows.min(axis=1, initial=0.0) >= 0.0
        shares = self.bounds[capped] / self.rows[capped].sum(axis=1)
        room: Array = np.where(self.rows[capped] > 0.0, shares[:, None], np.inf).min(
            axis=0, initial=np.inf
        )
        return room


def _optimum(request: KellyRequest, slate: Slate, limits: Limits, scale: float) -> Optimum:
    # At no stakes the objective rises by the edge of a bet, whatever the risk aversion.
    idle = Optimum(
        np.zeros(slate.returns.shape[1]), np.empty(0), float(slate.edges.max(initial=0.0))
    )
    if idle.residual <= _NO_EDGE:
        return idle
    risk = 1.0 / request.fraction - 1.0 if request.by == "utility" else 0.0

    def objective(x: Array) -> Cumulant | None:
        return cumulant(slate, x, risk)

    room = limits.room()
    start, guess = 0.1 * room, np.minimum(_alone(slate, risk), room)
    if request.drawdown is None:
        return minimise(Problem(objective, limits.rows, limits.bounds), start, guess)
    staked, order = slate.scaled(scale), request.drawdown.order

    def drawdown(x: Array) -> Cumulant | None:
        return cumulant(staked, x, order)

    return minimise(Problem(objective, limits.rows, limits.bounds, drawdown), start, guess)


def _alone(slate: Slate, risk: float) -> Array:
    """About what each bet would be if it were the only one, 0 or more.

    Of games with small stakes that is nearly the optimum: what one game brings hardly changes the
    wealth at which another is bet.
    """
    chances, returns = slate.probability[:, None], slate.returns
    most = 0.9 / -returns.min(axis=0, initial=-1e-9)
    stakes = np.zeros(len(most))
    for _ in range(_GUESSES):
        wealth = 1.0 + returns * stakes
        pull = chances * returns * wealth ** -(risk + 1.0)
        steepness = (risk + 1.0) * (pull * returns / wealth).sum(axis=0)
        stakes = np.clip(stakes + pull.sum(axis=0) / np.maximum(steepness, _FLAT), 0.0, most)
    return stakes
