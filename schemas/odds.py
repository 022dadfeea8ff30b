"""Prices at the boundary: American or decimal in, decimal inside."""

from enum import StrEnum


class OddsFormat(StrEnum):
    AMERICAN = "american"
    DECIMAL = "decimal"


def american_to_decimal(american: float) -> float:
    """+150 -> 2.5, -110 -> 1.9090...; raises ValueError between -100 and 100 (no such price)."""
    if american >= 100:
        return 1.0 + american / 100.0
    if american <= -100:
        return 1.0 - 100.0 / american
    raise ValueError(f"American odds {american:g} lie between -100 and 100")


def decimal_to_american(decimal: float) -> int:
    """Nearest whole American price; raises ValueError for decimal odds of 1 or less."""
    if decimal <= 1.0:
        raise ValueError(f"decimal odds {decimal:g} are not above 1")
    if decimal >= 2.0:
        return round((decimal - 1.0) * 100.0)
    return round(-100.0 / (decimal - 1.0))
