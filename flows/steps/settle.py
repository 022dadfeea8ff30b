"""The stateful step of one game's bets: fills in, settlements out, with the value of the close.

A bet is graded when there is something to grade it by: a result, or a status that voids it or runs
out its time. A result that is corrected grades anew, and where that changes the money the new
settlement names the one it takes the place of. A repeat changes nothing. What a person has decided
(`steamline settlement grade`) stands, whatever is told of the game later.

What cannot be used, and a bet that only a person can grade, becomes a dead letter with the record
that it came from. Stakes of paper bankrolls become fills here (`steps/paper`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgpack

from flows.steps.bets import Taken
from flows.steps.clock import Tick, about_us
from flows.steps.decode import dead_letter
from flows.steps.paper import Paper, PaperFill, PaperRules, pack_record, unpack_record
from flows.steps.records import Outgoing, Record
from models.evaluation.closing import Board, ClosingRules, Missing
from models.evaluation.clv import Bet, closing_value
from models.features.fold import PLAYABLE
from models.features.layout import digest_of, order_at
from models.settlement.case import Grade, Ungraded
from models.settlement.grading import grade, grade_without_result
from models.settlement.record import settlement
from models.settlement.rules import Rules
from models.settlement.tables import Tables
from schemas.bets import BY_HAND, ClosingValue, Fill, Settlement
from schemas.decisions import PAPER_STAKE, Stake
from schemas.errors import OtherSnapshot, RejectedEvent
from schemas.events import Event, GameResult, GameUpdate, LineMovement
from schemas.markets import GameStatus
from schemas.settings import Settings
from schemas.time import US_PER_DAY
from schemas.topics import Topic

SNAPSHOT_VERSION = 1

E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class SettleRules:
    closing: ClosingRules
    paper: PaperRules
    rules_of: Callable[[str], Rules]
    """Of a book."""
    correction_us: int
    give_up_us: int

    @classmethod
    def of(cls, settings: Settings) -> "SettleRules":
        """Raises ConfigError for rule tables that are none."""
        ours = settings.settlement
        return cls(
            closing=ClosingRules.of(settings),
            paper=PaperRules.of(settings),
            rules_of=Tables(ours.tables, ours.default).of,
            correction_us=round(ours.correction_days * US_PER_DAY),
            give_up_us=round(ours.give_up_days * US_PER_DAY),
        )


class Newest(Generic[E]):
    """The last word, by event time, of several."""

    def __init__(self) -> None:
        self.word: E | None = None
        self._order = 0

    def hear(self, event: E) -> bool:
        """Whether it is the last word now; False for a repeat."""
        order = order_at(event.occurred_at_us, digest_of(event.event_id))
        if order <= self._order:
            return False
        self.word, self._order = event, order
        return True

    def pack(self) -> str | None:
        return None if self.word is None else self.word.model_dump_json()

    @classmethod
    def of(cls, model: type[E], packed: str | None) -> "Newest[E]":
        """Inverse of `pack`."""
        newest: Newest[E] = Newest()
        if packed is not None:
            newest.hear(model.model_validate_json(packed))
        return newest


@dataclass
class Placed:
    """A bet, as it is kept."""

    fill: Fill
    record: Record
    """That told of it; of a paper bet, its stake's."""
    settled: Settlement | None = None
    """By the newest one; it is open without."""
    complained: bool = False
    """A person has been asked to grade it."""


@dataclass
class SettleStep:
    """One game; everything it knows is in `snapshot()`."""

    rules: SettleRules
    board: Board = field(default_factory=Board)
    status: Newest[GameUpdate] = field(default_factory=Newest)
    stopped: Newest[GameUpdate] = field(default_factory=Newest)
    """As it stood when it was suspended."""
    result: Newest[GameResult] = field(default_factory=Newest)
    bets: dict[str, Placed] = field(default_factory=dict)
    newest_us: int = 0
    """Event time of the last word on this game, or its day."""
    now_us: int = 0
    over: bool = False
    """Nothing is left to be known: the state may go."""
    paper: Paper = field(init=False)

    def __post_init__(self) -> None:
        self.paper = Paper(self.rules.paper)

    def on_batch(self, batch: Iterable[Taken | Tick]) -> list[Outgoing]:
        """Fills, settlements and dead letters, in order."""
        out: list[Outgoing] = []
        for item in batch:
            self.now_us = max(self.now_us, item.moment_us)
            out.extend(self._paper_bets())
            if isinstance(item, Tick):
                out.extend(self._tick())
                continue
            self.over = False
            self.newest_us = max(self.newest_us, about_us(item.said.game_id, item.moment_us))
            try:
                out.extend(self._take(item))
            except RejectedEvent as rejected:
                out.append(dead_letter(item.record, rejected))
        return out

    def _take(self, item: Taken) -> Iterator[Outgoing]:
        """Raises RejectedEvent."""
        said = item.said
        if isinstance(said, LineMovement):
            self.board.fold(said)
        elif isinstance(said, GameUpdate):
            self.board.fold(said)
            if said.status is GameStatus.SUSPENDED:
                self.stopped.hear(said)
            # Nothing is graded by a status that says that the game is to come or under way.
            if self.status.hear(_lean(said)) and said.status not in PLAYABLE:
                yield from self._settle_all()
        elif isinstance(said, GameResult):
            if self.result.hear(said):
                yield from self._settle_all()
        elif isinstance(said, Stake):
            unfilled = self.paper.take(said, item.record, item.moment_us)
            if unfilled is not None:
                raise RejectedEvent(unfilled.reason, unfilled.detail)
        elif isinstance(said, Settlement):
            self._decided(said)
        else:
            yield from self._book(said, item.record)

    def _paper_bets(self) -> Iterator[Outgoing]:
        status = self.status.word
        playable = status is not None and status.status in PLAYABLE
        for made in self.paper.run(self.now_us, self.board, playable):
            if not isinstance(made, PaperFill):
                yield dead_letter(made.record, RejectedEvent(made.reason, made.detail))
            elif (known := self.bets.get(made.fill.fill_id)) is not None:
                # It has been read from the topic already, and what was booked stands.
                known.record = made.record
            else:
                fill = made.fill
                yield Outgoing.of(Topic.FILLS, fill.game_id, fill.fill_id, fill.filled_at_us, fill)
                yield from self._book(fill, made.record)

    def _book(self, fill: Fill, record: Record) -> Iterator[Outgoing]:
        """Raises RejectedEvent."""
        known = self.bets.get(fill.fill_id)
        if known is not None:
            if known.fill != fill:
                raise RejectedEvent("other_fill", f"{fill.fill_id} is the id of another bet")
            return
        if not fill.paper and fill.stake_id is not None and fill.stake_id.endswith(PAPER_STAKE):
            raise RejectedEvent(
                "paper_stake", f"{fill.stake_id} is of a model that may not bet real money"
            )
        self.bets[fill.fill_id] = Placed(fill, record)
        yield from self._settle(self.bets[fill.fill_id])

    def _decided(self, said: Settlement) -> None:
        """A person's word. Raises RejectedEvent where another stands than the one it supersedes."""
        bet = self.bets.get(said.fill_id)
        # One that is not known here has been forgotten with its game: the ledger books it alone.
        if bet is None or bet.settled == said:
            return
        last = None if bet.settled is None else bet.settled.settlement_id
        if said.supersedes != last:
            raise RejectedEvent(
                "settled_already",
                f"{last or 'nothing'} stands where {said.supersedes} was expected",
            )
        bet.settled = said

    def _settle_all(self) -> Iterator[Outgoing]:
        for bet in self.bets.values():
            yield from self._settle(bet)

    def _settle(self, bet: Placed) -> Iterator[Outgoing]:
        """By what is known now."""
        fill = bet.fill
        if bet.settled is not None and bet.settled.rule == BY_HAND:
            return
        rests_on: GameResult | GameUpdate | None = self.result.word or self.status.word
        if rests_on is None:
            return
        rules = self.rules.rules_of(fill.book)
        listed_us = self.board.first_pitch.listed_us(fill.filled_at_us)
        stopped = self.stopped.word
        if isinstance(rests_on, GameResult):
            settled_at_us = max(rests_on.occurred_at_us, fill.filled_at_us)
            found = grade(fill, rests_on, rules, listed_start_us=listed_us, stopped=stopped)
        else:
            settled_at_us = self.now_us
            found = grade_without_result(
                fill, rests_on, rules, self.now_us, listed_start_us=listed_us, stopped=stopped
            )
        if isinstance(found, Ungraded):
            if found.reason.startswith("cannot be graded") and not bet.complained:
                bet.complained = True
                yield _letter(bet, "ungraded", found.reason)
            return
        new = self._settlement(bet, found, rests_on, settled_at_us)
        if new is not None:
            bet.settled = new
            yield Outgoing.of(
                Topic.SETTLEMENTS, fill.game_id, new.settlement_id, new.settled_at_us, new
            )

    def _settlement(
        self, bet: Placed, found: Grade, rests_on: GameResult | GameUpdate, settled_at_us: int
    ) -> Settlement | None:
        closing = self._closing(bet.fill)
        missing = closing.reason if isinstance(closing, Missing) else None
        return settlement(
            bet.fill,
            found,
            rests_on,
            settled_at_us,
            closing=None if isinstance(closing, Missing) else closing,
            closing_missing=missing,
            previous=bet.settled,
        )

    def _closing(self, fill: Fill) -> ClosingValue | Missing:
        """What the close says of the bet; first pitch as it is known by now."""
        start_us, result = self.board.first_pitch.us, self.result.word
        if start_us is not None and result is not None and result.started_at_us is not None:
            start_us = min(start_us, result.started_at_us)
        if result is None and not self.board.first_pitch.begun_us:
            return Missing("not_played")
        if start_us is not None and fill.filled_at_us >= start_us:
            return Missing("bet_after_start")
        close = self.board.close(fill.market, start_us, self.rules.closing)
        if isinstance(close, Missing):
            return close
        return closing_value(Bet(fill.market, fill.side, fill.line, fill.price), close)

    def _tick(self) -> Iterator[Outgoing]:
        """Deadlines of bets, and the end of it all."""
        for bet in self._open():
            yield from self._settle(bet)
        quiet_us = self.now_us - self.newest_us
        known = self.status.word is not None or self.result.word is not None
        if quiet_us >= (self.rules.give_up_us if known else self.rules.correction_us):
            reason = "never_settled" if known else "unknown_game"
            days = f"{quiet_us / US_PER_DAY:.0f} days without news of the game"
            for bet in self._open():
                yield _letter(bet, reason, f"{days}, and nothing to grade the bet by")
            self._forget()
        elif quiet_us >= self.rules.correction_us and not self._open():
            self._forget()

    def _forget(self) -> None:
        """Be as if new: what comes next in a batch must find what it would find in the next."""
        vars(self).update(vars(SettleStep(self.rules)), over=True)

    def _open(self) -> list[Placed]:
        return [bet for bet in self.bets.values() if bet.settled is None]

    def snapshot(self) -> bytes:
        packed: bytes = msgpack.packb(
            {
                "version": SNAPSHOT_VERSION,
                "board": self.board.pack(),
                "status": self.status.pack(),
                "stopped": self.stopped.pack(),
                "result": self.result.pack(),
                "bets": [_pack(bet) for bet in self.bets.values()],
                "paper": self.paper.pack(),
                "newest_us": self.newest_us,
                "now_us": self.now_us,
            }
        )
        return packed

    @classmethod
    def restore(cls, rules: SettleRules, packed: bytes) -> "SettleStep":
        """Raises OtherSnapshot where another version wrote it."""
        stored = msgpack.unpackb(packed)
        if stored["version"] != SNAPSHOT_VERSION:
            raise OtherSnapshot(stored["version"], SNAPSHOT_VERSION)
        bets = [_unpack(bet) for bet in stored["bets"]]
        step = cls(
            rules,
            board=Board.unpack(stored["board"]),
            status=Newest.of(GameUpdate, stored["status"]),
            stopped=Newest.of(GameUpdate, stored["stopped"]),
            result=Newest.of(GameResult, stored["result"]),
            bets={bet.fill.fill_id: bet for bet in bets},
            newest_us=stored["newest_us"],
            now_us=stored["now_us"],
        )
        step.paper = Paper.unpack(rules.paper, stored["paper"])
        return step


def _lean(update: GameUpdate) -> GameUpdate:
    """Without the team features, which no bet is graded by."""
    return update.model_copy(update={"context": None, "context_as_of_us": None})


def _letter(bet: Placed, reason: str, detail: str) -> Outgoing:
    return dead_letter(bet.record, RejectedEvent(reason, detail))


def _pack(bet: Placed) -> list[Any]:
    settled = None if bet.settled is None else bet.settled.model_dump_json()
    record = pack_record(bet.record)
    return [bet.fill.model_dump_json(), record, settled, bet.complained]


def _unpack(stored: list[Any]) -> Placed:
    fill, record, settled, complained = stored
    return Placed(
        Fill.model_validate_json(fill),
        unpack_record(record),
        None if settled is None else Settlement.model_validate_json(settled),
        complained,
    )
