"""A grade as the message that the ledger books."""

from hashlib import blake2b

from models.settlement.case import Grade
from schemas.bets import ClosingValue, Fill, Outcome, Settlement
from schemas.events import GameResult, GameUpdate


def settlement(
    bet: Fill,
    grade: Grade,
    rests_on: GameResult | GameUpdate,
    settled_at_us: int,
    *,
    closing: ClosingValue | None = None,
    closing_missing: str | None = None,
    previous: Settlement | None = None,
) -> Settlement | None:
    """None where the previous one says the same of the money: a correction that changes nothing.

    rests_on: the result, or the status of a game that has none.
    settled_at_us: event time.
    Raises ValueError for a previous settlement of another bet.
    """
    if previous is not None:
        if previous.fill_id != bet.fill_id:
            raise ValueError(f"{previous.settlement_id} is of {previous.fill_id}")
        if (previous.outcome, previous.payout) == (grade.outcome, grade.payout):
            return None
    told_score = isinstance(rests_on, GameResult) or grade.outcome is not Outcome.VOID
    supersedes = None if previous is None else previous.settlement_id
    return Settlement(
        settlement_id=_identity(bet, grade, rests_on, supersedes),
        supersedes=supersedes,
        fill_id=bet.fill_id,
        stake_id=bet.stake_id,
        game_id=bet.game_id,
        bankroll=bet.bankroll,
        market=bet.market,
        side=bet.side,
        book=bet.book,
        line=bet.line,
        price=bet.price,
        amount=bet.amount,
        paper=bet.paper,
        simulated=bet.simulated,
        outcome=grade.outcome,
        payout=grade.payout,
        rule=grade.rule,
        detail=grade.detail,
        # A suspended game can decide a moneyline: then its status is the result.
        result_id=rests_on.event_id if told_score else None,
        settled_at_us=settled_at_us,
        closing=closing,
        closing_missing=closing_missing,
    )


def _identity(
    bet: Fill, grade: Grade, rests_on: GameResult | GameUpdate, supersedes: str | None
) -> str:
    """The grade too: a rule table that was mended grades the same result another way."""
    parts = (bet.fill_id, rests_on.event_id, grade.outcome, str(grade.payout), supersedes or "")
    digest = blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()
    return f"settled-{digest}"
