"""Reasons not to bet. One rule, one reason code; any single one refuses the stake."""

from collections.abc import Callable
from dataclasses import dataclass

from schemas.decisions import Refusal, SideQuote
from schemas.settings import StakingSettings


@dataclass(frozen=True)
class Candidate:
    """One market of one game, as the guards see it."""

    locked: bool
    quoted_books: int
    """Books with a price up, stale ones included."""
    fresh_books: int
    best: SideQuote | None
    """Side with the larger edge at the best fresh price; none without price or probability."""
    probability: float | None
    """Of winning on the home or over side, given no push."""
    completeness: float
    paper: bool
    """The model has not passed the gate on games of this kind."""


def locked(candidate: Candidate, _: StakingSettings) -> bool:
    """Betting has closed: past the cutoff, or the game is off."""
    return candidate.locked


def no_price(candidate: Candidate, _: StakingSettings) -> bool:
    """No book offers the market."""
    return candidate.quoted_books == 0


def stale_odds(candidate: Candidate, _: StakingSettings) -> bool:
    """There are prices, and none is fresh."""
    return candidate.quoted_books > 0 and candidate.fresh_books == 0


def no_prediction(candidate: Candidate, _: StakingSettings) -> bool:
    """There is a fresh price and no model output for it."""
    return candidate.fresh_books > 0 and candidate.probability is None


def incomplete(candidate: Candidate, settings: StakingSettings) -> bool:
    """Too many features are missing to trust the model."""
    return candidate.completeness < settings.min_completeness


def edge_too_small(candidate: Candidate, settings: StakingSettings) -> bool:
    """The better side's edge is below the minimum, or nothing where the minimum is nothing."""
    edge = candidate.best.edge if candidate.best is not None else None
    return edge is not None and (edge < settings.min_edge or edge <= 0.0)


def unpromoted_model(candidate: Candidate, settings: StakingSettings) -> bool:
    """The model has not shown that it beats the price, and paper stakes were not asked for."""
    return candidate.paper and not settings.paper


GUARDS: dict[Refusal, Callable[[Candidate, StakingSettings], bool]] = {
    Refusal.LOCKED: locked,
    Refusal.NO_PRICE: no_price,
    Refusal.STALE_ODDS: stale_odds,
    Refusal.NO_PREDICTION: no_prediction,
    Refusal.INCOMPLETE: incomplete,
    Refusal.EDGE_TOO_SMALL: edge_too_small,
    Refusal.UNPROMOTED_MODEL: unpromoted_model,
}


def refusals(candidate: Candidate, settings: StakingSettings) -> list[Refusal]:
    """Every reason that applies, in the order of the table."""
    return [reason for reason, guard in GUARDS.items() if guard(candidate, settings)]
