"""A score against a bet, and what it pays. Exact: lines in quarter runs, money in decimals."""

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

from schemas.bets import Fill, Outcome
from schemas.markets import Market, Side

CENT = Decimal("0.01")

_BY_QUARTERS = {
    1: Outcome.HALF_WIN,
    0: Outcome.PUSH,
    -1: Outcome.HALF_LOSS,
}


def quarters(bet: Fill, home: int, away: int) -> int | None:
    """By how many quarter runs the bet is ahead; none for a line that is no quarter of a run.

    A moneyline is ahead or behind by whole runs; level is no win and no loss.
    """
    line = 4 * Fraction(bet.line or 0.0)
    if line.denominator != 1:
        return None
    if bet.market is Market.TOTAL:
        over = 4 * (home + away) - int(line)
        return over if bet.side is Side.OVER else -over
    ahead = 4 * (home - away) + int(line)
    return ahead if bet.side is Side.HOME else -ahead


def outcome(ahead: int) -> Outcome:
    """Of a bet that is ahead by so many quarter runs.

    >>> outcome(1).value
    'half_win'
    """
    return _BY_QUARTERS.get(ahead, Outcome.WIN if ahead > 0 else Outcome.LOSS)


def decided(bet: Fill, home: int, away: int) -> Outcome | None:
    """Of a total that no further run can change, though the game is not over."""
    if bet.market is not Market.TOTAL:
        return None
    ahead = quarters(bet, home, away)
    if ahead is None:
        return None
    over = ahead if bet.side is Side.OVER else -ahead
    return outcome(ahead) if over >= 2 else None


def payout(amount: Decimal, price: float, result: Outcome) -> Decimal:
    """What comes back, the stake included.

    Rounded half up to the cent, or to the stake's own last digit where that is finer. A stake that
    comes back whole is not rounded, nor is a half that rounding would make all or nothing.
    """
    if result is Outcome.LOSS:
        return Decimal(0)
    if result in (Outcome.PUSH, Outcome.VOID):
        return amount
    with localcontext(prec=60):
        # The shortest decimal that reads as this float: what the book's price was written as.
        won = amount * Decimal(repr(price))
        exact = {
            Outcome.WIN: won,
            Outcome.HALF_WIN: (won + amount) / 2,
            Outcome.HALF_LOSS: amount / 2,
        }[result]
        rounded = exact.quantize(_unit(amount), ROUND_HALF_UP)
    if result is Outcome.HALF_LOSS:
        return rounded if 0 < rounded < amount else exact
    return max(rounded, amount)


def _unit(amount: Decimal) -> Decimal:
    exponent = amount.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return min(CENT, Decimal(1).scaleb(exponent))
