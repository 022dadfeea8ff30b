"""One bankroll's stakes on all games that can be bet: a pure function of what it is given.

At most one market of a game: the one that alone would make the bankroll grow most. Why not all of
them, jointly: docs/decisions/011-allocation.md. The same input gives the same bits, in whatever
order the games are given.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from models.staking.candidate import Candidate, Priced
from models.staking.guards import refusals
from models.staking.portfolio import allocate
from schemas.decisions import Refusal
from schemas.errors import Unproven
from schemas.events import day_of
from schemas.kelly import KellyAnswer, KellyBet, KellyCaps, KellyRequest
from schemas.markets import Market
from schemas.sections.staking import StakingSettings

BY_ALLOCATION = (
    Refusal.LIMIT,
    Refusal.BOOK_LIMIT,
    Refusal.OUTWEIGHED,
    Refusal.BELOW_MINIMUM,
    Refusal.UNPROVEN,
)
"""Reasons that only the sizing of a whole slate can find."""

Held = Mapping[str, float]
"""`day book` -> share of the balance on games that are closed for betting."""


class Sized(NamedTuple):
    """What one bet comes to."""

    fraction: float
    amount: float
    refusal: Refusal | None
    """Why nothing; none where there is something."""


class Allocation(NamedTuple):
    """What a slate comes to."""

    stakes: dict[str, Sized]
    """Of each game's pick."""
    growth: float | None
    kkt_residual: float | None
    """None where there was nothing to size."""


class Pick(NamedTuple):
    """The market of a game that may be bet."""

    game: Priced
    one: Candidate


def held_key(game_id: str, book: str) -> str:
    return f"{day_of(game_id).isoformat()} {book}"


def growth_alone(one: Candidate) -> float:
    """Expected log growth of the bankroll by this bet alone, at full Kelly."""
    stake = one.kelly_full
    if not stake or one.probability is None or one.price is None:
        return 0.0
    stake = min(stake, 1.0 - 1e-12)
    win, lose = one.probability, 1.0 - one.probability
    grown = win * math.log1p(stake * (one.price - 1.0)) + lose * math.log1p(-stake)
    return (1.0 - one.push) * grown


class Judged(NamedTuple):
    """A game as one bankroll's guards see it."""

    refusals: dict[Market, tuple[Refusal, ...]]
    picks: dict[bool, Candidate]
    """Paper or not -> its best market among those that no guard refuses."""


def judge(game: Priced, settings: StakingSettings) -> Judged:
    """Real and paper stakes stand apart: what is never bet takes no room from what is."""
    judged = Judged({}, {})
    for one in game.candidates:
        reasons = judged.refusals[one.market] = refusals(game, one, settings)
        if reasons:
            continue
        best = judged.picks.get(one.paper)
        if best is None or growth_alone(one) > growth_alone(best):
            judged.picks[one.paper] = one
    return judged


def allocation(
    games: Iterable[Priced],
    balance: float,
    held: Held,
    settings: StakingSettings,
    paper: bool = False,
) -> dict[tuple[str, Market], Sized]:
    """What a stake's record leads to: the stakes of all games it names, its own among them.

    games: at the positions that the record gives.
    """
    picks = [
        Pick(game, judged.picks[paper])
        for game in games
        if paper in (judged := judge(game, settings)).picks
    ]
    found = size(picks, balance, held, settings)
    return {(game.game_id, one.market): found.stakes[game.game_id] for game, one in picks}


def size(
    picks: Iterable[Pick], balance: float, held: Held, settings: StakingSettings
) -> Allocation:
    """Stakes that maximise growth together, within all limits; what is not proven is not staked."""
    ordered = sorted(picks, key=lambda pick: pick.game.game_id)
    stakes: dict[str, Sized] = {}
    rooms = _Rooms(held, settings)
    bets: list[KellyBet] = []
    for game, one in ordered:
        assert one.book is not None
        room = rooms.of(game.game_id, one.book)
        taken = settings.book_limits.get(one.book, math.inf)
        if room <= 0.0 or taken <= 0.0:
            reason = Refusal.LIMIT if room <= 0.0 else Refusal.BOOK_LIMIT
            stakes[game.game_id] = Sized(0.0, 0.0, reason)
        else:
            bets.append(_bet(game, one, min(room, taken / balance)))
    if not bets:
        return Allocation(stakes, None, None)
    try:
        answer = allocate(
            KellyRequest(
                bets=bets,
                fraction=settings.fraction,
                by=settings.by,
                caps=rooms.caps(bets),
                drawdown=settings.drawdown,
            )
        )
    except (Unproven, ValueError, ArithmeticError, AssertionError, np.linalg.LinAlgError):
        # Whatever went wrong with it: a stake that nothing proves is none.
        stakes |= {bet.id: Sized(0.0, 0.0, Refusal.UNPROVEN) for bet in bets}
        return Allocation(stakes, None, None)
    stakes |= _rounded(answer, bets, balance, settings)
    return Allocation(stakes, answer.growth, answer.kkt_residual)


def _bet(game: Priced, one: Candidate, cap: float) -> KellyBet:
    assert one.price is not None
    assert one.probability is not None
    return KellyBet(
        id=game.game_id,
        odds=one.price,
        # Kelly counts a push apart, models say what happens when there is none.
        p=one.probability * (1.0 - one.push),
        push=one.push,
        game=game.game_id,
        book=one.book,
        day=day_of(game.game_id).isoformat(),
        cap=cap,
    )


def _rounded(
    answer: KellyAnswer, bets: list[KellyBet], balance: float, settings: StakingSettings
) -> dict[str, Sized]:
    stakes: dict[str, Sized] = {}
    for stake, bet in zip(answer.stakes, bets, strict=True):
        # A hair up, or 0.29 / 0.01 would lose a cent to binary fractions.
        units = math.floor(stake.fraction * balance / settings.round_to + 1e-9)
        amount = round(units * settings.round_to, 8)
        if stake.fraction <= 0.0:
            stakes[bet.id] = Sized(0.0, 0.0, Refusal.OUTWEIGHED)
        elif amount <= 0.0 or amount < settings.min_stake:
            taken = settings.book_limits.get(bet.book or "", math.inf)
            small = taken < max(settings.min_stake, settings.round_to)
            reason = Refusal.BOOK_LIMIT if small else Refusal.BELOW_MINIMUM
            stakes[bet.id] = Sized(0.0, 0.0, reason)
        else:
            stakes[bet.id] = Sized(stake.fraction, amount, None)
    return stakes


class _Rooms:
    """What caps leave beside the games that are closed for betting."""

    def __init__(self, held: Held, settings: StakingSettings) -> None:
        self._settings = settings
        self._books: dict[str, float] = {}
        self._days: dict[str, float] = {}
        for key in sorted(held):
            day, _, book = key.partition(" ")
            self._books[book] = self._books.get(book, 0.0) + held[key]
            self._days[day] = self._days.get(day, 0.0) + held[key]
        self._total = math.fsum(held.values())

    def _book(self, book: str) -> float:
        return max(self._settings.max_book - self._books.get(book, 0.0), 0.0)

    def _day(self, day: str) -> float:
        return max(self._settings.max_day - self._days.get(day, 0.0), 0.0)

    @property
    def _everything(self) -> float:
        return max(self._settings.max_total - self._total, 0.0)

    def of(self, game_id: str, book: str) -> float:
        """Of one bet."""
        settings = self._settings
        day = day_of(game_id).isoformat()
        return min(
            settings.max_fraction,
            settings.max_game,
            self._book(book),
            self._day(day),
            self._everything,
        )

    def caps(self, bets: list[KellyBet]) -> KellyCaps:
        """Of all together. One number serves all books, and all days: the tightest."""
        return KellyCaps(
            game=self._settings.max_game,
            book=min(self._book(bet.book or "") for bet in bets),
            day=min(self._day(bet.day or "") for bet in bets),
            total=self._everything,
        )
