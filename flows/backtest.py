"""A backtest: an archive through the very steps of the score and settle flows, in this process.

Events go in by event time. What they lead to goes round as it would on Kafka: stakes to paper bets
some seconds later at the price that then stands, results to settlements, settlements to the
balance that the next stakes are shares of. No clock but the events' own: the same input gives the
same bytes.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from flows.pricing import Prices
from flows.steps.allocate import AllocateRules, AllocateStep, outgoing
from flows.steps.bets import Taken
from flows.steps.clock import ClockStep, Tick
from flows.steps.decode import Decoded, DecodeRules, decode_batch
from flows.steps.records import Outgoing, Record
from flows.steps.settle import SettleRules, SettleStep
from models.evaluation.closing import Missing
from models.staking.ledger import Account, Transaction, bet, deposited, settled
from models.staking.purse import Purse
from schemas.bets import BankrollUpdate, Fill, Settlement
from schemas.decisions import DeadLetter, Refusal, Stake
from schemas.errors import ConfigError
from schemas.events import BettingSplits, GameResult
from schemas.markets import SIDES, Market
from schemas.sections.staking import CONSENSUS, StakingSettings
from schemas.settings import Settings
from schemas.topics import Topic
from schemas.wire import SCHEMA_VERSION

SOURCE = "backtest"
NO_MONEY = "unfilled_no_money"
UNFILLED = "unfilled_"
_OF_BETS = ("ungraded", "never_settled", "unknown_game")
"""Reasons of dead letters that leave a bet open."""


class Booked(NamedTuple):
    """A transaction, and the balance after it."""

    transaction: Transaction
    balance: Decimal


@dataclass
class Bet:
    """One that was made."""

    stake: Stake
    fill: Fill
    other_price: float | None
    """Of the other side, at the same book and moment."""
    market_probability: float | None
    """Of the side that was bet: no-vig consensus at that moment, at the same line."""
    settlement: Settlement | None = None
    open_because: str | None = None


@dataclass
class Counts:
    """What a replay saw."""

    events: int = 0
    games: int = 0
    positions: int = 0
    """At which a game was scored."""
    before_models: int = 0
    """Positions before the first models."""
    stakes: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Reason -> words that stake nothing for it."""
    unfilled: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    """Reason -> events that could not be used."""
    unpaid: int = 0
    """Corrections that took more than there was: not booked."""


def settings_of(settings: Settings, bankroll: str | None) -> Settings:
    """Of one bankroll alone, whose stakes are all filled on paper, also those of models that have
    not passed the gate. Its ledger is in this process, so it is never silent.

    Raises ConfigError where there is no such bankroll.
    """
    known = {one.name: one for one in settings.all_bankrolls}
    name = settings.all_bankrolls[0].name if bankroll is None else bankroll
    if name not in known:
        raise ConfigError("--bankroll", f"there is no {name!r}", f"Use one of {sorted(known)}")
    staking = known[name].model_copy(update={"paper": True, "ledger_minutes": None})
    paper = settings.paper.model_copy(update={"bankrolls": (name,)})
    return settings.model_copy(update={"staking": staking, "bankrolls": (), "paper": paper})


class Backtest:
    """Hand it batches in event-time order, then `end` it."""

    def __init__(self, settings: Settings, prices: Prices) -> None:
        """settings: as `settings_of` makes them. Raises ConfigError."""
        self._settings, self._prices = settings, prices
        self._decoding = DecodeRules.of(settings)
        self._settling = SettleRules.of(settings)
        self._moment_rules = replace(self._settling.closing, reference=CONSENSUS)
        self._allocate = AllocateStep(AllocateRules.of(settings, self.bankroll), None)
        self._clock = ClockStep(self._settling.give_up_us, None)
        self._settles: dict[str, SettleStep] = {}
        self._seen: set[str] = set()
        self.stakes: list[Stake] = []
        """Those that stake something, by the offset of their record."""
        self._staked: dict[str, Stake] = {}
        """The same by id."""
        self._now_us = 0
        self._purse = Purse()
        self.counts = Counts()
        self.bets: dict[str, Bet] = {}
        """Fill id -> bet, in the order in which they were made."""
        self.ledger: list[Booked] = []
        self.said: dict[tuple[str, Market], tuple[Refusal, ...]] = {}
        """Game and market -> last reasons while betting was open; none if it was ever staked."""

    @property
    def bankroll(self) -> StakingSettings:
        return self._settings.staking

    @property
    def balance(self) -> Decimal:
        return self._purse.balance

    def take(self, records: Sequence[Record]) -> None:
        """The next ones by event time: scored together, then decided and settled one after the
        other, as they were read."""
        if not self.ledger and records:
            amount = Decimal(repr(self.bankroll.bankroll))
            self._book(deposited(self.bankroll.name, SOURCE, amount, records[0].timestamp_us))
        self.counts.events += len(records)
        taken: list[Decoded] = []
        for item in decode_batch(records, self._decoding):
            if isinstance(item, Outgoing):
                self._letter(item)
                continue
            game_id, decoded = item
            taken.append(decoded)
            if not isinstance(decoded.event, GameResult):
                self._seen.add(game_id)
        for (event, record, _), priced in zip(taken, self._prices.of(taken), strict=True):
            self._now_us = max(self._now_us, event.occurred_at_us)
            if not isinstance(event, BettingSplits):
                assert not isinstance(event, Stake | Fill)
                self._settle(Taken(event, record, event.occurred_at_us))  # type: ignore[arg-type]
            for one in priced:
                self._decide(self._allocate.hear(one))

    def end(self) -> None:
        """Nothing more comes: orders that are under way are filled, or not."""
        looked, counts = self._prices.looked, self.counts
        counts.games, counts.positions = len(self._seen), looked.positions
        counts.before_models = looked.before_models
        counts.dead_letters += looked.refused
        last = Tick(self._now_us + self._settling.paper.delay_us + 1)
        for game_id, step in list(self._settles.items()):
            self._hear(game_id, step, last)
        for step in self._settles.values():
            for placed in step.bets.values():
                ours = self.bets.get(placed.fill.fill_id)
                if ours is not None and ours.settlement is None and ours.open_because is None:
                    status = step.status.word
                    told = "never heard of" if status is None else status.status.value
                    ours.open_because = f"no result: the game is {told}"

    def _decide(self, stakes: Iterable[Stake]) -> None:
        for stake in stakes:
            self.counts.stakes += 1
            where = (stake.game_id, stake.market)
            if not stake.refusals:
                self.said[where] = ()
            elif self.said.get(where) != () and Refusal.LOCKED not in stake.refusals:
                self.said[where] = tuple(stake.refusals)
            self.counts.refused.update(one.value for one in stake.refusals)
            if stake.amount > 0.0:
                topic, key, _, decided_us, value = outgoing(stake)
                number = len(self.stakes)
                record = Record(topic, 0, number, decided_us, key.encode(), value, SCHEMA_VERSION)
                self.stakes.append(stake)
                self._staked[stake.stake_id] = stake
                self._settle(Taken(stake, record, decided_us))

    def _settle(self, taken: Taken) -> None:
        for game_id, item in self._clock.on_batch([(taken.said.game_id, taken)]):
            step = self._settles.get(game_id)
            if step is None:
                if isinstance(item, Tick):
                    continue
                step = self._settles[game_id] = SettleStep(self._settling)
            self._hear(game_id, step, item)

    def _hear(self, game_id: str, step: SettleStep, item: Taken | Tick) -> None:
        said = step.on_batch([item])
        if step.over:
            self._settles.pop(game_id, None)
        for message in said:
            if message.topic is Topic.FILLS:
                self._filled(step, Fill.model_validate_json(message.value))
            elif message.topic is Topic.SETTLEMENTS:
                self._settled(Settlement.model_validate_json(message.value), item.moment_us)
            else:
                self._letter(message)

    def _filled(self, step: SettleStep, fill: Fill) -> None:
        if not self._book(bet(fill, Decimal(0))):
            self.counts.unfilled[NO_MONEY] += 1
            return
        assert fill.stake_id is not None
        stake = self._staked[fill.stake_id]
        now_us = fill.filled_at_us + 1
        place = SIDES[fill.market].index(fill.side)
        quote = step.board.quote(fill.market, fill.book, now_us)
        other = None if quote is None else (quote.second, quote.first)[place]
        consensus = step.board.close(fill.market, now_us, self._moment_rules)
        chance = None
        if not isinstance(consensus, Missing) and consensus.line == fill.line:
            chance = (consensus.probability, 1.0 - consensus.probability)[place]
        self.bets[fill.fill_id] = Bet(stake, fill, other, chance)

    def _settled(self, settlement: Settlement, moment_us: int) -> None:
        ours = self.bets.get(settlement.fill_id)
        if ours is None:
            return
        booked = settled(settlement, ours.settlement)
        if booked is None or not self._book(booked):
            self.counts.unpaid += booked is not None
            return
        ours.settlement, ours.open_because = settlement, None
        # Told now, whatever the settlement is dated: older news than what is known is none.
        update = BankrollUpdate(
            update_id=settlement.settlement_id,
            bankroll=self.bankroll.name,
            occurred_at_us=max(moment_us, self._now_us),
            balance=self._purse.balance,
            source=SOURCE,
        )
        self._decide(self._allocate.hear(update))

    def _letter(self, message: Outgoing) -> None:
        letter = DeadLetter.model_validate_json(message.value)
        if letter.topic != Topic.STAKES.value:
            self.counts.dead_letters[letter.reason] += 1
            return
        if letter.reason.startswith(UNFILLED):
            self.counts.unfilled[letter.reason] += 1
            return
        assert letter.reason in _OF_BETS, letter
        assert letter.offset is not None
        stake_id = self.stakes[letter.offset].stake_id
        for ours in self.bets.values():
            if ours.stake.stake_id == stake_id:
                ours.open_because = letter.detail

    def _book(self, transaction: Transaction) -> bool:
        booked = self._purse.book(transaction)
        if booked:
            self.ledger.append(Booked(transaction, self._purse.balance))
            assert self._purse[Account.FREE] >= 0
            assert self._purse[Account.OPEN] >= 0
        return booked
