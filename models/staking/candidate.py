"""What can be bet on a game at one position, before any bankroll has had its say."""

from typing import Any, NamedTuple, Self

from models.assignment import ALONE, Part
from models.staking.kelly import kelly_fraction
from schemas.markets import Market, Side


class Candidate(NamedTuple):
    """One market: the side with the larger edge at the best fresh price."""

    market: Market
    side: Side | None
    """None without a price or without a probability; then so are the next five."""
    book: str | None
    line: float | None
    """None of the moneyline too."""
    price: float | None
    probability: float | None
    """Of winning, given no push."""
    edge: float | None
    """Expected return per unit staked, given no push."""
    push: float
    """Chance that the stake comes back."""
    quoted_books: int
    """Books with a price up, stale ones included."""
    fresh_books: int
    model_version: str
    paper: bool
    """The model has not passed the gate on games of this kind."""
    part: Part = ALONE
    """That the model has in an experiment."""

    @property
    def kelly_full(self) -> float | None:
        if self.probability is None or self.price is None:
            return None
        return kelly_fraction(self.probability, self.price)


class Priced(NamedTuple):
    """A game at one position."""

    game_id: str
    position: int
    as_of_us: int
    now_us: int
    """Newest event time of the game; later than `as_of_us` past the cutoff."""
    start_us: int
    cutoff_us: int
    simulated: bool
    locked: bool
    """Betting has just closed."""
    completeness: float
    candidates: tuple[Candidate, ...]
    """One a market."""

    def packed(self) -> list[Any]:
        """For a snapshot."""
        return [*self[:-1], [list(one) for one in self.candidates]]

    @classmethod
    def unpacked(cls, row: list[Any]) -> Self:
        *facts, candidates = row
        made = (
            Candidate._make(
                (Market(market), Side(side) if side else None, *rest, Part.unpacked(part))
            )
            for market, side, *rest, part in candidates
        )
        return cls._make([*facts, tuple(made)])
