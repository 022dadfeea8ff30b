"""How good probabilities were."""

from dataclasses import dataclass

import numpy as np

from models.features.arrays import Array


@dataclass(frozen=True)
class Score:
    """Weighted means over the judged rows."""

    log_loss: float
    brier: float
    rows: int


def score_binary(chance: Array, won: Array, weight: Array) -> Score:
    """Log-loss (nats) and Brier score of P(won), all shapes (n,). Raises ValueError when empty."""
    if not len(chance):
        raise ValueError("nothing to judge")
    likelihood = np.where(won, chance, 1.0 - chance)
    share = weight / weight.sum()
    return Score(
        log_loss=float(-(share * np.log(likelihood)).sum()),
        brier=float((share * (won - chance) ** 2).sum()),
        rows=len(chance),
    )
