"""Reasons not to bet. One rule, one reason code; any single one refuses the stake."""

from collections.abc import Callable
from typing import NamedTuple

from models.staking.candidate import Candidate, Priced
from schemas.decisions import Refusal
from schemas.sections.staking import StakingSettings
from schemas.time import US_PER_MINUTE


def locked(game: Priced, _: Candidate, __: StakingSettings) -> bool:
    """Betting has closed: past the cutoff, or the game is off."""
    return game.locked


def no_price(_: Priced, one: Candidate, __: StakingSettings) -> bool:
    """No book offers the market."""
    return one.quoted_books == 0


def stale_odds(_: Priced, one: Candidate, __: StakingSettings) -> bool:
    """There are prices, and none is fresh."""
    return one.quoted_books > 0 and one.fresh_books == 0


def no_prediction(_: Priced, one: Candidate, __: StakingSettings) -> bool:
    """There is a fresh price and no model output for it."""
    return one.fresh_books > 0 and one.probability is None


def incomplete(game: Priced, _: Candidate, settings: StakingSettings) -> bool:
    """Too many features are missing to trust the model."""
    return game.completeness < settings.min_completeness


def edge_too_small(_: Priced, one: Candidate, settings: StakingSettings) -> bool:
    """The better side's edge is below the minimum, or nothing where the minimum is nothing."""
    return one.edge is not None and (one.edge < settings.min_edge or one.edge <= 0.0)


def unpromoted_model(_: Priced, one: Candidate, settings: StakingSettings) -> bool:
    """The model has not shown that it beats the price, and paper stakes were not asked for."""
    return one.paper and not settings.paper


GUARDS: dict[Refusal, Callable[[Priced, Candidate, StakingSettings], bool]] = {
    Refusal.LOCKED: locked,
    Refusal.NO_PRICE: no_price,
    Refusal.STALE_ODDS: stale_odds,
    Refusal.NO_PREDICTION: no_prediction,
    Refusal.INCOMPLETE: incomplete,
    Refusal.EDGE_TOO_SMALL: edge_too_small,
    Refusal.UNPROMOTED_MODEL: unpromoted_model,
}
"""Of one market of one game."""


def refusals(game: Priced, one: Candidate, settings: StakingSettings) -> tuple[Refusal, ...]:
    """Every reason that applies, in the order of the table."""
    return tuple(reason for reason, guard in GUARDS.items() if guard(game, one, settings))


class Account(NamedTuple):
    """A bankroll, as far as the topic of bankrolls has told."""

    balance: float
    """Told, or the configured one while nothing was."""
    told_us: int | None
    """When the balance was told; none while it was not."""
    stopped: bool


def stopped(account: Account, _: int, __: StakingSettings) -> bool:
    """Somebody has said stop, of this bankroll or of all."""
    return account.stopped


def no_balance(account: Account, _: int, __: StakingSettings) -> bool:
    """There is nothing to bet with."""
    return account.balance <= 0.0


def ledger_silent(account: Account, now_us: int, settings: StakingSettings) -> bool:
    """The ledger must speak and has not for too long, so nobody knows what there is to bet with."""
    if settings.ledger_minutes is None:
        return False
    limit_us = int(settings.ledger_minutes * US_PER_MINUTE)
    return account.told_us is None or now_us - account.told_us > limit_us


ACCOUNT_GUARDS: dict[Refusal, Callable[[Account, int, StakingSettings], bool]] = {
    Refusal.STOPPED: stopped,
    Refusal.NO_BALANCE: no_balance,
    Refusal.LEDGER_SILENT: ledger_silent,
}
"""Of a whole bankroll, at a moment of event time."""


def account_refusals(
    account: Account, now_us: int, settings: StakingSettings
) -> tuple[Refusal, ...]:
    """Every reason that applies, in the order of the table."""
    return tuple(r for r, guard in ACCOUNT_GUARDS.items() if guard(account, now_us, settings))
