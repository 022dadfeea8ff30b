"""Prices at the boundary: American or decimal in, decimal inside."""

from enum import StrEnum
from fractions import Fraction
from typing import TypeVar

Number = TypeVar("Number", float, Fraction)
"""Floats for the events' path, fractions where a conversion must be exact."""


class OddsFormat(StrEnum):
    AMERICAN = "american"
    DECIMAL = "decimal"


class Notation(StrEnum):
    """How people write a price; events come in the formats above only."""

    AMERICAN = "american"
    DECIMAL = "decimal"
    FRACTIONAL = "fractional"
    PROBABILITY = "probability"


def american_to_decimal(american: Number) -> Number:
    """+150 -> 2.5, -110 -> 1.9090...; raises ValueError between -100 and 100 (no such price)."""
    if american >= 100:
        return 1 + american / 100
    if american <= -100:
        return 1 - 100 / american
    raise ValueError(f"American odds {float(american):g} lie between -100 and 100")


def decimal_to_exact_american(decimal: Number) -> Number:
    """Not rounded to a whole price; raises ValueError for decimal odds of 1 or less."""
    if decimal <= 1:
        raise ValueError(f"decimal odds {float(decimal):g} are not above 1")
    if decimal >= 2:
        return (decimal - 1) * 100
    return -100 / (decimal - 1)


def decimal_to_american(decimal: float) -> int:
    """Nearest whole American price; raises ValueError for decimal odds of 1 or less."""
    return round(decimal_to_exact_american(decimal))
