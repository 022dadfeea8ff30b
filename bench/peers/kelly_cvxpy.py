"""The slate on standard input by cvxpy, over all joint outcomes. Runs in an environment that has
cvxpy, which Steamline's own has not."""

import json
import sys
import time
from itertools import product

import cvxpy  # type: ignore[import-not-found]
import numpy as np

request = json.load(sys.stdin)
odds = np.array([bet["odds"] for bet in request["bets"]])
chances = np.array([bet["p"] for bet in request["bets"]])
won = np.array(list(product([True, False], repeat=len(odds))))
returns = np.where(won, odds - 1.0, -1.0)
probability = np.where(won, chances, 1.0 - chances).prod(axis=1)
limit = request["drawdown"]
order = np.log(limit["probability"]) / np.log(limit["level"])

stakes = cvxpy.Variable(len(odds), nonneg=True)
log_wealth = cvxpy.log(1.0 + returns @ stakes)
problem = cvxpy.Problem(
    cvxpy.Maximize(probability @ log_wealth),
    [cvxpy.sum(stakes) <= 1, cvxpy.log_sum_exp(np.log(probability) - order * log_wealth) <= 0],
)
began = time.perf_counter()
problem.solve(solver=cvxpy.CLARABEL)
milliseconds = round((time.perf_counter() - began) * 1e3, 1)
json.dump(
    {
        "milliseconds": milliseconds,
        "status": problem.status,
        "version": cvxpy.__version__,
        "growth": problem.value,
    },
    sys.stdout,
)
