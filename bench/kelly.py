"""Fifteen games with a drawdown limit: ours against scipy and cvxpy on the same problem.

Both references work on the table of all 2**15 joint outcomes: scipy's SLSQP by function values
alone, cvxpy (where `BENCH_PEER_PYTHON` names a Python that has it) by cones, and on the first eight
games too, because it may fail on all. Answers are judged by that table. Rounds alternate; the least
of each counts: noise only ever adds.
"""

import json
import os
import subprocess
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize  # type: ignore[import-untyped]

from bench.result import Result
from models.features.arrays import Array
from models.staking.portfolio import allocate
from schemas.kelly import Drawdown, KellyRequest

GAMES = 15
FEW_GAMES = 8
ROUNDS = 5
DRAWDOWN = Drawdown(level=0.7, probability=0.1)
CVXPY_SECONDS = 180


def _request() -> KellyRequest:
    """Seeded prices from 4 % against the bettor to 6 % for him."""
    dice = np.random.default_rng(11)
    chances = dice.uniform(0.35, 0.65, GAMES)
    odds = dice.uniform(0.96, 1.06, GAMES) / chances
    bets = [
        {"id": f"game-{number}", "odds": price, "p": chance}
        for number, (price, chance) in enumerate(zip(odds.tolist(), chances.tolist(), strict=True))
    ]
    return KellyRequest.model_validate({"bets": bets, "fraction": 1.0, "drawdown": DRAWDOWN})


def _table(request: KellyRequest) -> tuple[Array, Array]:
    """Returns of all joint outcomes and their probabilities."""
    won = np.array(list(product([True, False], repeat=len(request.bets))))
    odds = np.array([bet.odds for bet in request.bets])
    chances = np.array([bet.p for bet in request.bets], dtype=np.float64)
    return np.where(won, odds - 1.0, -1.0), np.where(won, chances, 1.0 - chances).prod(axis=1)


def _by_scipy(returns: Array, probability: Array) -> Array:
    def wealth(x: Array) -> Array:
        return np.maximum(1.0 + returns @ x, 1e-9)

    limits = [
        {"type": "ineq", "fun": lambda x: 1.0 - x.sum()},
        {"type": "ineq", "fun": lambda x: 1.0 - probability @ wealth(x) ** -DRAWDOWN.order},
    ]
    found = minimize(
        lambda x: -(probability @ np.log(wealth(x))),
        np.full(returns.shape[1], 0.01),
        bounds=[(0.0, 1.0)] * returns.shape[1],
        constraints=limits,
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    stakes: Array = found.x
    return stakes


def _first(request: KellyRequest, games: int) -> KellyRequest:
    return request.model_copy(update={"bets": request.bets[:games]})


def _by_cvxpy(request: KellyRequest) -> dict[str, Any]:
    """Its growth and time, or why there is none."""
    python = os.environ.get("BENCH_PEER_PYTHON")
    if not python:
        return {"failed": "BENCH_PEER_PYTHON is not set"}
    script = Path(__file__).parent / "peers" / "kelly_cvxpy.py"
    try:
        done = subprocess.run(
            [python, str(script)],
            input=request.model_dump_json(),
            capture_output=True,
            text=True,
            timeout=CVXPY_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as bad:
        return {"failed": str(bad)}
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1:]}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> None:
    request = _request()
    returns, probability = _table(request)

    def judged(stakes: Array) -> dict[str, float]:
        wealth = 1.0 + returns @ stakes
        return {
            "growth": float(probability @ np.log(wealth)),
            "drawdown_moment": float(probability @ wealth**-DRAWDOWN.order),
        }

    ours, reference = float("inf"), float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = allocate(request)
        ours = min(ours, time.perf_counter() - began)
        began = time.perf_counter()
        by_scipy = _by_scipy(returns, probability)
        reference = min(reference, time.perf_counter() - began)
    few = _first(request, FEW_GAMES)
    began = time.perf_counter()
    few_growth = allocate(few).growth
    few_ms = round((time.perf_counter() - began) * 1e3, 3)
    Result(
        name="kelly",
        ours=round(ours * 1e3, 3),
        reference=round(reference * 1e3, 3),
        unit="ms",
        ratio=round(ours / reference, 4),
        detail={
            "games": GAMES,
            "joint_outcomes": len(probability),
            "ours": judged(np.array([stake.fraction for stake in answer.stakes])),
            "kkt_residual": answer.kkt_residual,
            "scipy": judged(by_scipy),
            "cvxpy": _by_cvxpy(request),
            f"cvxpy_{FEW_GAMES}_games": _by_cvxpy(few),
            f"ours_{FEW_GAMES}_games": {"milliseconds": few_ms, "growth": few_growth},
        },
    ).write()
