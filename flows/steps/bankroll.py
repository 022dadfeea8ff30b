"""All that the allocate step remembers of one bankroll, and its snapshot."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgpack

from models.assignment import Part
from models.staking.allocation import Allocation, Judged, Pick, Sized, held_key, judge
from models.staking.candidate import Priced
from models.staking.guards import Account
from schemas.bets import BankrollUpdate
from schemas.decisions import Refusal
from schemas.errors import OtherSnapshot
from schemas.markets import Market, Side
from schemas.sections.staking import StakingSettings
from schemas.time import US_PER_MINUTE

SNAPSHOT_VERSION = 1

COUNTS_US = 12 * 60 * US_PER_MINUTE
"""How long past first pitch a bet counts against caps: the rest of the day that it was made for."""

Kind = tuple[bool, bool]
"""(paper, simulated): stakes of one kind are sized together, and apart from the others."""


class Said(NamedTuple):
    """The last word on one market of one game."""

    fraction: float
    amount: float
    refusals: tuple[Refusal, ...]
    side: Side | None
    book: str | None
    line: float | None
    model_version: str
    paper: bool
    part: Part


@dataclass
class Game:
    """A game whose betting is open."""

    priced: Priced
    judged: Judged
    dropped: Refusal | None = None
    """Why its last word does not count any more, without an event of its own that says so."""
    said: dict[Market, Said] = field(default_factory=dict)

    def picks(self) -> Iterator[tuple[Kind, Pick]]:
        """What may be bet on."""
        if self.dropped is None:
            for paper, one in self.judged.picks.items():
                yield (paper, self.priced.simulated), Pick(self.priced, one)


class Bet(NamedTuple):
    """A stake that stood when betting closed, so it may be on."""

    kind: Kind
    key: str
    """Day and book."""
    fraction: float
    until_us: int


@dataclass
class Slate:
    """What was sized together, on what, and what came of it."""

    picks: dict[str, Pick]
    balance: float
    held: dict[str, float]
    found: Allocation


@dataclass
class Bankroll:
    """Does not grow: games leave when their betting closes, bets when their day is over."""

    settings: StakingSettings
    digest: str
    """Of all settings that stakes depend on."""
    balance: float | None = None
    told_us: int | None = None
    switches: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """Bankroll or `*` -> when it was stopped or let go last, and which of both."""
    now_us: int = 0
    """Newest event time among games."""
    against: tuple[Refusal, ...] = ()
    """Why nothing at all was staked at the last decision."""
    games: dict[str, Game] = field(default_factory=dict)
    bets: dict[str, list[Bet]] = field(default_factory=dict)
    """Of games whose betting is closed."""
    slates: dict[Kind, Slate] = field(default_factory=dict)

    @property
    def account(self) -> Account:
        return Account(
            balance=self.settings.bankroll if self.balance is None else self.balance,
            told_us=self.told_us,
            stopped=any(stopped for _, stopped in self.switches.values()),
        )

    def tell(self, update: BankrollUpdate) -> None:
        """Older news than what is known is none."""
        at_us = update.occurred_at_us
        if update.balance is not None and at_us >= (self.told_us or 0):
            self.balance, self.told_us = float(update.balance), at_us
        if update.stopped is not None:
            known_us, _ = self.switches.get(update.bankroll, (0, False))
            if at_us >= known_us:
                self.switches[update.bankroll] = at_us, update.stopped

    def take(self, priced: Priced) -> Game:
        """A game's newest word."""
        judged = judge(priced, self.settings)
        game = self.games.get(priced.game_id)
        if game is None:
            game = self.games[priced.game_id] = Game(priced, judged)
        else:
            game.priced, game.judged, game.dropped = priced, judged, None
        if not priced.locked and self.now_us <= priced.cutoff_us:
            # Betting is open, perhaps again: what is wanted includes what is on.
            self.bets.pop(priced.game_id, None)
        return game

    def close(self, game: Game) -> None:
        """Betting has closed: what stood may be on."""
        priced = game.priced
        stood = [
            Bet(
                (said.paper, priced.simulated),
                held_key(priced.game_id, said.book),
                said.fraction,
                priced.start_us + COUNTS_US,
            )
            for _, said in sorted(game.said.items())
            if said.fraction > 0.0 and said.book is not None
        ]
        if stood:
            self.bets[priced.game_id] = stood

    def forget(self) -> None:
        """What is over."""
        over = [
            game_id
            for game_id, game in self.games.items()
            if game.priced.start_us + COUNTS_US < self.now_us
        ]
        for game_id in over:
            del self.games[game_id]
        for game_id, bets in list(self.bets.items()):
            if bets[0].until_us < self.now_us:
                del self.bets[game_id]

    def held(self, kind: Kind) -> dict[str, float]:
        """`day book` -> share of the balance on closed games."""
        held: dict[str, float] = {}
        for _, bets in sorted(self.bets.items()):
            for bet in bets:
                if bet.kind == kind:
                    held[bet.key] = held.get(bet.key, 0.0) + bet.fraction
        return held

    def snapshot(self) -> bytes:
        packed: bytes = msgpack.packb(
            {
                "version": SNAPSHOT_VERSION,
                "digest": self.digest,
                "balance": self.balance,
                "told_us": self.told_us,
                "switches": self.switches,
                "now_us": self.now_us,
                "against": self.against,
                "games": [
                    [game.priced.packed(), game.dropped, list(game.said.items())]
                    for game in self.games.values()
                ],
                "bets": self.bets,
                "slates": [[kind, *_packed(slate)] for kind, slate in self.slates.items()],
            }
        )
        return packed

    @classmethod
    def restore(cls, settings: StakingSettings, digest: str, packed: bytes) -> "Bankroll":
        """Raises OtherSnapshot for one of another version."""
        stored = msgpack.unpackb(packed)
        if stored["version"] != SNAPSHOT_VERSION:
            raise OtherSnapshot(stored["version"], SNAPSHOT_VERSION)
        bankroll = cls(
            settings,
            digest,
            balance=stored["balance"],
            told_us=stored["told_us"],
            switches={name: (at, stopped) for name, (at, stopped) in stored["switches"].items()},
            now_us=stored["now_us"],
            against=tuple(map(Refusal, stored["against"])),
            bets={
                game_id: [Bet((kind[0], kind[1]), *rest) for kind, *rest in bets]
                for game_id, bets in stored["bets"].items()
            },
        )
        for row, dropped, said in stored["games"]:
            priced = Priced.unpacked(row)
            bankroll.games[priced.game_id] = Game(
                priced,
                judge(priced, settings),
                Refusal(dropped) if dropped else None,
                {Market(market): _said(one) for market, one in said},
            )
        # Sized by other settings: they are sized again with the next news.
        if stored["digest"] == digest:
            for kind, *slate in stored["slates"]:
                bankroll.slates[kind[0], kind[1]] = _unpacked(*slate)
        return bankroll


def _said(row: list[Any]) -> Said:
    fraction, amount, refusals, side, *rest, part = row
    reasons, of_side = tuple(map(Refusal, refusals)), Side(side) if side else None
    return Said._make((fraction, amount, reasons, of_side, *rest, Part.unpacked(part)))


def _packed(slate: Slate) -> list[Any]:
    picks = [[game.packed(), one.market] for game, one in slate.picks.values()]
    return [picks, slate.balance, slate.held, *slate.found]


def _unpacked(
    picks: list[Any],
    balance: float,
    held: dict[str, float],
    stakes: dict[str, list[Any]],
    growth: float | None,
    residual: float | None,
) -> Slate:
    found: dict[str, Pick] = {}
    for row, market in picks:
        game = Priced.unpacked(row)
        one = next(one for one in game.candidates if one.market == market)
        found[game.game_id] = Pick(game, one)
    sized = {
        game_id: Sized(fraction, amount, Refusal(reason) if reason else None)
        for game_id, (fraction, amount, reason) in stakes.items()
    }
    return Slate(found, balance, held, Allocation(sized, growth, residual))
