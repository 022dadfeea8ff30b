"""Prices and what they say: `two_way` for the fold, `n_way` for whole markets, `convert`."""

from models.odds.two_way import DEVIG, logit, multiplicative, overround, power, sigmoid

__all__ = ["DEVIG", "logit", "multiplicative", "overround", "power", "sigmoid"]
