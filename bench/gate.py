"""The gate on simulated seasons: promotions where the market is wrong, and where it is right.

Each seed is a season of its own, simulated, put into an archive, walked forward and judged as
`steamline model train` and the gate do it. `ours` counts promotions where an edge is planted,
`reference` those where there is none: of these at most one in twenty is what the gate allows.
"""

import os
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.result import Result
from flows.connectors.parquet import write_events
from flows.sources.simulated_truth import Slate
from flows.sources.simulator import simulate
from flows.training import read_training_set
from models.boosters.walk_forward import walk_forward
from models.evaluation.gate import GateRules, Verdict, gate
from schemas.markets import Target
from schemas.settings import Settings

SEEDS = int(os.environ.get("BENCH_GATE_SEEDS", "20"))
DAYS, GAMES = 90, 15
EDGE = 0.15
"""By how much probability the price is wrong, in half of the games."""
ACTIVITY = 0.1
"""Few revisions that no news explains: they only take time."""


def verdict(seed: int, edge: float) -> Verdict:
    slate = Slate(seed=seed, days=DAYS, games=GAMES, edge=edge, activity=ACTIVITY,
                  start_date=date(2026, 4, 1))  # fmt: skip
    with TemporaryDirectory() as home:
        root = Path(home) / "archive"
        write_events(root, simulate(slate))
        data = read_training_set([root], None, Settings())
    return gate(walk_forward(data, seed, targets=(Target.MONEYLINE,)), None, GateRules())


def main() -> None:
    promoted: dict[float, list[int]] = {EDGE: [], 0.0: []}
    differences: dict[float, list[float]] = {EDGE: [], 0.0: []}
    for edge in promoted:
        for seed in range(SEEDS):
            found = verdict(seed, edge)
            differences[edge].append(round(found.numbers["market"]["difference"], 5))
            if found.promote:
                promoted[edge].append(seed)
    Result(
        name="gate",
        ours=len(promoted[EDGE]),
        reference=len(promoted[0.0]),
        unit=f"promotions of {SEEDS} seasons, with an edge and without",
        ratio=round(len(promoted[EDGE]) / max(len(promoted[0.0]), 1), 3),
        detail={
            "games": DAYS * GAMES,
            "edge": EDGE,
            "log_loss_less_market": {str(edge): found for edge, found in differences.items()},
        },
    ).write()
