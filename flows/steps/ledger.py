"""What advice, bets and gradings do to bankrolls: pure bookkeeping, no database.

`Books` is the part of the ledger that a batch of facts needs. Facts go in, in the order in which
they were read; what is to be booked and remembered comes out. A fact that comes again changes
nothing. Topics are read side by side, so a grading may come before its bet: it waits.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import NamedTuple

from flows.steps.decode import (
    DecodeRules,
    dead_letter,
    fits,
    is_of_game,
    not_ahead,
    parse,
    plausible,
)
from flows.steps.records import Outgoing, Record
from models.staking.ledger import (
    Account,
    Transaction,
    after,
    balance_of,
    bet,
    reserved,
    settled,
)
from schemas.bets import BankrollUpdate, Bet, Fill, Settlement
from schemas.decisions import PAPER_STAKE, Stake
from schemas.errors import RejectedEvent
from schemas.markets import Market
from schemas.topics import Topic

LEDGER_INPUTS: tuple[Topic, ...] = (Topic.STAKES, Topic.FILLS, Topic.SETTLEMENTS)

SOURCE = "ledger"

NO_MONEY = "no money"
"""How `Fact.why` begins where only money is missing: then the bankroll is stopped."""
LARGEST = 1_000_000_000
"""In money, of one bet or payout."""
LARGEST_POSITION = 2**63 - 1
LONGEST_ID = 500
_CENT = Decimal("0.00000001")
_ZERO = Decimal(0)

Said = Stake | Fill | Settlement


class Spot(NamedTuple):
    """Where advice and bets of one bankroll meet."""

    bankroll: str
    game_id: str
    market: Market

    @classmethod
    def of(cls, said: Said) -> "Spot":
        return cls(said.bankroll, said.game_id, said.market)


@dataclass
class Advice:
    """The newest word on one spot, and what it and the bets there have come to."""

    position: int = 0
    decided_us: int = 0
    stakes: list[str] = field(default_factory=list)
    """Ids of all that are as new as that: one of them that comes again is none newer."""
    wanted: Decimal = _ZERO
    held: Decimal = _ZERO
    bet: Decimal = _ZERO


@dataclass
class Fact:
    """A bet or a grading that was read, booked or not yet."""

    said: Fill | Settlement
    why: str | None
    """Why it is not booked; none once it is."""
    stopped_us: int | None = None
    """Since when its bankroll is stopped for it."""

    @property
    def booked(self) -> bool:
        return self.why is None


@dataclass
class Kept:
    """A bankroll that the ledger keeps."""

    paper: bool
    money: dict[Account, Decimal]

    @property
    def balance(self) -> Decimal:
        return balance_of(self.money)


class Told(NamedTuple):
    """What a bankroll holds, as it is said to everybody."""

    bankroll: str
    number: int
    """Of the newest transaction that changed it; 0 before the first."""
    at_us: int
    """Later in each word than in the one before, or readers would not take it."""
    balance: Decimal

    def message(self) -> Outgoing:
        update = BankrollUpdate(
            update_id=f"ledger:{self.bankroll}:{self.number}:{self.at_us}",
            bankroll=self.bankroll,
            occurred_at_us=self.at_us,
            balance=self.balance,
            source=SOURCE,
        )
        return _outgoing(update)


class Taken(NamedTuple):
    said: Said
    record: Record
    """Kept for the dead letter, should the books refuse it."""


def take(record: Record, rules: DecodeRules) -> Taken:
    """Raises RejectedEvent with a reason code."""
    fits(record, rules)
    said = parse(record)
    assert isinstance(said, Said)
    is_of_game(record, said.game_id)
    _storable(said, record)
    if isinstance(said, Settlement):
        # A game that was postponed is graded whenever its book's time has run out.
        not_ahead(said.settled_at_us, record, rules)
    else:
        plausible(record, said.game_id, _moment(said), rules)
    return Taken(said, record)


def _storable(said: Said, record: Record) -> None:
    """Raises RejectedEvent for what no table of the ledger can hold."""
    if b"\\u0000" in record.value:
        raise RejectedEvent("invalid", "a text holds a NUL, which Postgres cannot keep")
    if len(said.stake_id or "") > LONGEST_ID:
        raise RejectedEvent("invalid", f"stake_id: longer than {LONGEST_ID} characters")
    if isinstance(said, Stake) and said.position > LARGEST_POSITION:
        raise RejectedEvent("invalid", f"position: above {LARGEST_POSITION}")
    if max(said.amount, said.payout if isinstance(said, Settlement) else 0) > LARGEST:
        raise RejectedEvent("invalid", f"amount or payout: above {LARGEST}")


def take_batch(records: Iterable[Record], rules: DecodeRules) -> tuple[list[Taken], list[Outgoing]]:
    """In order, and dead letters."""
    taken, letters = list[Taken](), list[Outgoing]()
    for record in records:
        try:
            taken.append(take(record, rules))
        except RejectedEvent as rejected:
            letters.append(dead_letter(record, rejected))
    return taken, letters


def _moment(said: Stake | Fill) -> int:
    return said.filled_at_us if isinstance(said, Fill) else said.decided_us or said.as_of_us


@dataclass
class Books:
    """The bankrolls, and of the rest what the facts of a batch touch."""

    kept: dict[str, Kept]
    spots: dict[Spot, Advice] = field(default_factory=dict)
    fills: dict[str, Fact] = field(default_factory=dict)
    """In the order in which they were read."""
    settlements: dict[str, Fact] = field(default_factory=dict)
    """All of the fills above, and all that wait; in the order in which they were read."""

    booked: list[Transaction] = field(default_factory=list)
    touched: set[Spot] = field(default_factory=set)
    changed: set[tuple[type[Fill | Settlement], str]] = field(default_factory=set)
    """Facts that are new, or have been booked or refused now."""
    short: Counter[str] = field(default_factory=Counter)
    """Stakes for which too little was free, by bankroll."""
    passed: Counter[str] = field(default_factory=Counter)
    """Of bankrolls that are not kept, by bankroll."""

    def follow(self, taken: Iterable[Taken], now_us: int) -> list[Outgoing]:
        """Dead letters of what cannot be."""
        letters: list[Outgoing] = []
        for said, record in taken:
            try:
                self.tell(said)
            except RejectedEvent as rejected:
                letters.append(dead_letter(record, rejected))
        self.catch_up(now_us)
        return letters

    def tell(self, said: Said) -> None:
        """Raises RejectedEvent with a reason code."""
        ours = self.kept.get(said.bankroll)
        if ours is None:
            if isinstance(said, Fill) and not (said.paper or said.simulated):
                raise RejectedEvent(
                    "unknown_bankroll",
                    f"{said.bankroll!r} has no ledger: `steamline bankroll open`, send it again",
                )
            self.passed[said.bankroll] += 1
        elif isinstance(said, Stake):
            self._advise(said, ours)
        else:
            self._take_fact(said, ours)

    def move(self, transaction: Transaction) -> bool:
        """False, and nothing is moved, where an account of the owner's would fall below zero."""
        money = self.kept[transaction.bankroll].money
        moved = after(money, transaction)
        if moved is None:
            return False
        money.update(moved)
        self.booked.append(transaction)
        return True

    def catch_up(self, now_us: int) -> None:
        """Book what waited and waits no longer; stop bankrolls for what only money is missing."""
        while any([self._try(fact) for fact in self._waiting()]):
            pass
        for fact in self._waiting():
            assert fact.why is not None
            if fact.why.startswith(NO_MONEY) and fact.stopped_us is None:
                fact.stopped_us = now_us
                self._note(fact)

    def stops(self, new: bool = False) -> list[Fact]:
        """Facts that bankrolls are stopped for; or only those of now."""
        return [
            fact
            for fact in self._waiting()
            if fact.stopped_us is not None
            and not (new and (type(fact.said), _id(fact.said)) not in self.changed)
        ]

    def _waiting(self) -> Iterator[Fact]:
        for fact in [*self.fills.values(), *self.settlements.values()]:
            if not fact.booked:
                yield fact

    def _advise(self, stake: Stake, ours: Kept) -> None:
        """Keep what is wanted and not bet yet."""
        spot = Spot.of(stake)
        known = self.spots.setdefault(spot, Advice())
        order = stake.position, stake.decided_us or stake.as_of_us
        newest = known.position, known.decided_us
        if order < newest or (order == newest and stake.stake_id in known.stakes):
            return
        known.stakes = [*known.stakes, stake.stake_id] if order == newest else [stake.stake_id]
        known.position, known.decided_us = order
        real = ours.paper or not (stake.paper or stake.simulated)
        # Advice that is for paper alone says of real money: none.
        known.wanted = Decimal(repr(stake.amount)).quantize(_CENT) if real else _ZERO
        self.touched.add(spot)
        hold = max(known.wanted - known.bet, _ZERO)
        change = reserved(stake.bankroll, stake.stake_id, known.held, hold, order[1])
        if change is None:
            return
        if self.move(change):
            known.held = hold
        else:
            self.short[stake.bankroll] += 1

    def _take_fact(self, said: Fill | Settlement, ours: Kept) -> None:
        if said.paper is not ours.paper:
            one, other = ("paper", "real") if said.paper else ("real", "paper")
            raise RejectedEvent(
                "other_money", f"a {one} bet cannot be of {said.bankroll}, whose money is {other}"
            )
        if said.simulated and not ours.paper:
            raise RejectedEvent("simulated", f"no real money of {said.bankroll} was bet on it")
        known = self.fills if isinstance(said, Fill) else self.settlements
        name = _id(said)
        if name in known:
            if known[name].said != said:
                kind = "fill" if isinstance(said, Fill) else "settlement"
                raise RejectedEvent(f"other_{kind}", f"{name} is the id of another {kind}")
            return
        if isinstance(said, Fill):
            if not ours.paper and (said.stake_id or "").endswith(PAPER_STAKE):
                raise RejectedEvent(
                    "paper_stake", f"{said.stake_id} is of a model that may not bet real money"
                )
        else:
            self._check_chain(said)
        fact = known[name] = Fact(said, "new")
        self._try(fact)
        self._note(fact)

    def _check_chain(self, said: Settlement) -> None:
        """Raises RejectedEvent for a grading of another bet, or a second one in the same place."""
        fill = self.fills.get(said.fill_id)
        if fill is not None:
            _same_bet(fill.said, said)
        for fact in self.settlements.values():
            other = fact.said
            assert isinstance(other, Settlement)
            if other.fill_id == said.fill_id and other.supersedes == said.supersedes:
                raise RejectedEvent(
                    "settled_already",
                    f"{other.settlement_id} stands where {said.settlement_id} would",
                )

    def _try(self, fact: Fact) -> bool:
        """Whether it is booked now; else `why` says why not."""
        before = fact.why
        fact.why = self._bet(fact.said) if isinstance(fact.said, Fill) else self._settle(fact.said)
        if fact.why != before:
            self._note(fact)
        return fact.booked

    def _bet(self, fill: Fill) -> str | None:
        spot = Spot.of(fill)
        known = self.spots.setdefault(spot, Advice())
        if not self.move(bet(fill, known.held)):
            free = self.kept[fill.bankroll].money[Account.FREE]
            return (
                f"{NO_MONEY}: {_short(fill.amount)} was bet, {_short(known.held)} is reserved, "
                f"{_short(free)} free"
            )
        known.held -= min(known.held, fill.amount)
        known.bet += fill.amount
        self.touched.add(spot)
        return None

    def _settle(self, settlement: Settlement) -> str | None:
        fill = self.fills.get(settlement.fill_id)
        if fill is None:
            return "its bet has not been told"
        if not fill.booked:
            return "its bet is not booked"
        try:
            _same_bet(fill.said, settlement)
        except RejectedEvent as other:
            return f"it is of another bet: {other.detail}"
        before: Settlement | None = None
        if settlement.supersedes is not None:
            fact = self.settlements.get(settlement.supersedes)
            if fact is None or not fact.booked:
                return "the grading that it corrects is not booked"
            assert isinstance(fact.said, Settlement)
            before = fact.said
        change = settled(settlement, before)
        if change is not None and not self.move(change):
            free = self.kept[settlement.bankroll].money[Account.FREE]
            back = -change.entries.get(Account.FREE, _ZERO)
            return f"{NO_MONEY}: the correction takes back {_short(back)}, {_short(free)} is free"
        return None

    def _note(self, fact: Fact) -> None:
        self.changed.add((type(fact.said), _id(fact.said)))


def _short(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def stop_of(fact: Fact) -> Outgoing:
    """The word that stops a bankroll which has not the money for a fact."""
    assert fact.stopped_us is not None
    said, name = fact.said, _id(fact.said)
    what = "bet" if isinstance(said, Fill) else "correction"
    update = BankrollUpdate(
        update_id=f"ledger:stop:{sha256(f'{what} {name}'.encode()).hexdigest()[:24]}",
        bankroll=said.bankroll,
        occurred_at_us=fact.stopped_us,
        stopped=True,
        reason=f"{what} {name} is not booked, its money is missing: `steamline bankroll deposit "
        f"{said.bankroll} AMOUNT`, then `steamline resume --bankroll {said.bankroll}`",
        source=SOURCE,
    )
    return _outgoing(update)


def _outgoing(update: BankrollUpdate) -> Outgoing:
    return Outgoing.of(
        Topic.BANKROLLS, update.bankroll, update.update_id, update.occurred_at_us, update
    )


def _id(said: Fill | Settlement) -> str:
    return said.fill_id if isinstance(said, Fill) else said.settlement_id


def _same_bet(fill: Fill | Settlement, settlement: Settlement) -> None:
    """Raises RejectedEvent where they tell of two bets."""
    for name in Bet.model_fields:
        ours, theirs = getattr(fill, name), getattr(settlement, name)
        if ours != theirs:
            raise RejectedEvent("other_bet", f"{name}: {theirs} was graded, {ours} was bet")
