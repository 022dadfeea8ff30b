"""Whether predictions were good, whether the difference is luck, and what has changed since."""

from models.evaluation.metrics import Score, score_binary

__all__ = ["Score", "score_binary"]
