"""One price in every notation, exactly: decimal odds as a fraction hold what was written.

-110 is 21/11 decimal, 10/11 fractional and a probability of 11/21; floats appear only where a
price is printed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from schemas.odds import Notation, american_to_decimal, decimal_to_exact_american


def from_american(american: Fraction) -> Fraction:
    """Raises ValueError between -100 and 100."""
    return american_to_decimal(american)


def from_decimal(decimal: Fraction) -> Fraction:
    """Raises ValueError for odds of 1 or less: they pay nothing."""
    if decimal <= 1:
        raise ValueError(f"decimal odds {float(decimal):g} are not above 1")
    return decimal


def from_fractional(profit: Fraction) -> Fraction:
    """10/11 pays 10 on a stake of 11. Raises ValueError for nothing or less."""
    if profit <= 0:
        raise ValueError(f"fractional odds {profit} are not above 0")
    return 1 + profit


def from_probability(probability: Fraction) -> Fraction:
    """Raises ValueError outside (0, 1)."""
    if not 0 < probability < 1:
        raise ValueError(f"probability {float(probability):g} is not between 0 and 1")
    return 1 / probability


READ: dict[Notation, Callable[[Fraction], Fraction]] = {
    Notation.AMERICAN: from_american,
    Notation.DECIMAL: from_decimal,
    Notation.FRACTIONAL: from_fractional,
    Notation.PROBABILITY: from_probability,
}


@dataclass(frozen=True)
class Price:
    """Decimal odds above 1."""

    decimal: Fraction

    @property
    def american(self) -> Fraction:
        """Even money is +100."""
        return decimal_to_exact_american(self.decimal)

    @property
    def fractional(self) -> Fraction:
        """Profit per unit staked."""
        return self.decimal - 1

    @property
    def probability(self) -> Fraction:
        """Implied, the bookmaker's margin included."""
        return 1 / self.decimal

    def report(self) -> dict[str, float | str]:
        return {
            "american": float(self.american),
            "decimal": float(self.decimal),
            "fractional": f"{self.fractional.numerator}/{self.fractional.denominator}",
            "probability": float(self.probability),
        }


def notation_of(text: str) -> Notation:
    """What a written price most likely is: a slash makes it fractional, a sign or 100 and more
    American, all else decimal. Probabilities must be asked for."""
    text = text.strip()
    if "/" in text:
        return Notation.FRACTIONAL
    american = text[:1] in ("+", "-") or Fraction(text) >= 100
    return Notation.AMERICAN if american else Notation.DECIMAL


def read(text: str, notation: Notation | None = None) -> Price:
    """A written price, in the notation given or the one that it looks like.

    Raises ValueError for what is no price.

    >>> read("-110").report()["fractional"], float(read("10/11").american)
    ('10/11', -110.0)
    """
    try:
        notation = notation or notation_of(text)
        number = Fraction(text.strip())
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{text!r} is no price") from None
    return Price(READ[notation](number))
