"""Stakes of a paper bankroll as bets that nobody makes.

A stake is the whole position that is wanted; what is wanted beyond the bets made and on their way
is ordered, and some seconds of event time later the book either takes it at the price that it
quotes by then, or does not: a `PaperFill`, or a `Unfilled` with a reason code. Bets are never taken
back: a stake that falls changes nothing, and one on the other side of a bet is not bet either,
since it would only pay the margin to undo what stands.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple

from flows.steps.records import Record
from models.evaluation.closing import Board
from models.staking.kelly import edge
from schemas.bets import Fill
from schemas.decisions import Stake
from schemas.errors import ConfigError
from schemas.markets import SIDES, Market, Side
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE, US_PER_SECOND
from schemas.topics import Topic

SOURCE = "paper"

Position = tuple[str, Market]
"""Bankroll and market, of one game."""


@dataclass(frozen=True)
class PaperRules:
    min_edge: Mapping[str, float]
    """Paper bankroll -> expected return below which it does not bet."""
    delay_us: int
    stale_us: int
    cutoff_us: int
    """Length of the cutoff before first pitch."""

    @classmethod
    def of(cls, settings: Settings) -> "PaperRules":
        """Raises ConfigError for a bankroll that there is not: it would never bet."""
        edges = {one.name: one.min_edge for one in settings.all_bankrolls}
        for name in settings.paper.bankrolls:
            if name not in edges:
                raise ConfigError(
                    "STEAMLINE_PAPER_BANKROLLS",
                    f"{name!r} is no bankroll",
                    f"There are {', '.join(edges)}: see STEAMLINE_BANKROLLS",
                )
        return cls(
            min_edge={name: edges[name] for name in settings.paper.bankrolls},
            delay_us=round(settings.paper.delay_seconds * US_PER_SECOND),
            stale_us=int(settings.score.stale_minutes * US_PER_MINUTE),
            cutoff_us=int(settings.score.cutoff_minutes * US_PER_MINUTE),
        )


class Order(NamedTuple):
    stake: Stake
    record: Record
    """The stake's: a dead letter holds it, should nothing come of the order."""
    amount: Decimal
    due_us: int


class PaperFill(NamedTuple):
    fill: Fill
    record: Record
    """Of the stake."""


class Unfilled(NamedTuple):
    """A stake of which no bet was made."""

    record: Record
    reason: str
    detail: str


class Held(NamedTuple):
    side: Side
    book: str
    amount: Decimal


@dataclass
class Paper:
    """The paper bets of one game."""

    rules: PaperRules
    held: dict[Position, list[Held]] = field(default_factory=dict)
    newest: dict[Position, tuple[tuple[int, int], list[str]]] = field(default_factory=dict)
    """(position, time) of the newest stakes and their ids: what is older is a repeat."""
    orders: list[Order] = field(default_factory=list)

    def take(self, stake: Stake, record: Record, moment_us: int) -> Unfilled | None:
        """A stake, when it was decided; says so where it can lead to no bet."""
        if stake.bankroll not in self.rules.min_edge:
            return None
        where = (stake.bankroll, stake.market)
        told = (stake.position, moment_us)
        newest, ids = self.newest.get(where, ((0, 0), []))
        if told < newest or stake.stake_id in ids:
            return None
        self.newest[where] = (told, [*ids, stake.stake_id] if told == newest else [stake.stake_id])
        wanted = _cash(stake.amount)
        if wanted <= 0:
            return None
        if stake.side is None or stake.book is None or stake.probability is None:
            return Unfilled(record, "unfilled_incomplete", "it names no side, book or probability")
        under_way = [one for one in self.orders if _where(one.stake) == where]
        ours = [(one.side, one.amount) for one in self.held.get(where, ())]
        ours += [(one.stake.side, one.amount) for one in under_way if one.stake.side]
        if any(side is not stake.side for side, _ in ours):
            return Unfilled(record, "unfilled_other_side", f"{ours[0][0]} has been bet")
        more = wanted - sum(amount for _, amount in ours)
        if more > 0:
            self.orders.append(Order(stake, record, more, moment_us + self.rules.delay_us))
        return None

    def run(self, now_us: int, board: Board, playable: bool) -> list[PaperFill | Unfilled]:
        """What came of the orders that were due before now; the board knows no later quote.

        playable: the game has not been called off.
        """
        due = [one for one in self.orders if one.due_us < now_us]
        if not due:
            return []
        self.orders = [one for one in self.orders if one.due_us >= now_us]
        out: list[PaperFill | Unfilled] = []
        for order in due:
            tried = self._try(order, board, playable)
            if isinstance(tried, Fill):
                bet = Held(tried.side, tried.book, tried.amount)
                self.held.setdefault((tried.bankroll, tried.market), []).append(bet)
                out.append(PaperFill(tried, order.record))
            else:
                reason, detail = tried
                out.append(Unfilled(order.record, f"unfilled_{reason}", detail))
        return out

    def _try(self, order: Order, board: Board, playable: bool) -> Fill | tuple[str, str]:
        stake, due_us = order.stake, order.due_us
        side, book, chance = stake.side, stake.book, stake.probability
        assert side is not None
        assert book is not None
        assert chance is not None
        start_us = board.first_pitch.us
        if not playable or start_us is None or due_us > start_us - self.rules.cutoff_us:
            return "closed", "betting had closed"
        quote = board.quote(stake.market, book, due_us + 1)
        if quote is None:
            return "no_quote", f"{book} had no quote"
        prices = (quote.first, quote.second)
        price = prices[SIDES[stake.market].index(side)]
        if price is None:
            return "withdrawn", f"{book} had withdrawn its quote"
        age_us = due_us - board.stood_us(quote, due_us + 1)
        if age_us > self.rules.stale_us:
            return "stale", f"the quote of {book} was {age_us / US_PER_MINUTE:.0f} min old"
        if quote.line != stake.line:
            return "line_moved", f"from {stake.line} to {quote.line}"
        value = edge(chance, price)
        least = self.rules.min_edge[stake.bankroll]
        if value < least or value <= 0.0:
            return "price_moved", f"{stake.price} to {price}: {value:.4f} of edge, least {least}"
        return Fill(
            fill_id=f"{SOURCE}-{blake2b(stake.stake_id.encode(), digest_size=16).hexdigest()}",
            game_id=stake.game_id,
            bankroll=stake.bankroll,
            market=stake.market,
            side=side,
            book=book,
            line=quote.line,
            price=price,
            amount=order.amount,
            paper=True,
            simulated=stake.simulated,
            stake_id=stake.stake_id,
            filled_at_us=due_us,
            source=SOURCE,
        )

    def pack(self) -> dict[str, Any]:
        """Plain values, for a snapshot."""
        return {
            "held": [
                [
                    bankroll,
                    market.value,
                    [[one.side.value, one.book, str(one.amount)] for one in own],
                ]
                for (bankroll, market), own in sorted(self.held.items())
            ],
            "newest": [
                [bankroll, market.value, *told, ids]
                for (bankroll, market), (told, ids) in sorted(self.newest.items())
            ],
            "orders": [
                [pack_record(one.record), str(one.amount), one.due_us] for one in self.orders
            ],
        }

    @classmethod
    def unpack(cls, rules: PaperRules, stored: dict[str, Any]) -> "Paper":
        return cls(
            rules,
            held={
                (bankroll, Market(market)): [
                    Held(Side(side), book, Decimal(amount)) for side, book, amount in own
                ]
                for bankroll, market, own in stored["held"]
            },
            newest={
                (bankroll, Market(market)): ((position, moment_us), ids)
                for bankroll, market, position, moment_us, ids in stored["newest"]
            },
            orders=[
                _order(unpack_record(record), Decimal(amount), due_us)
                for record, amount, due_us in stored["orders"]
            ],
        )


def pack_record(record: Record) -> list[Any]:
    return [record.topic.value, *record[1:]]


def unpack_record(stored: Iterable[Any]) -> Record:
    topic, *rest = stored
    return Record(Topic(topic), *rest)


def _order(record: Record, amount: Decimal, due_us: int) -> Order:
    return Order(Stake.model_validate_json(record.value), record, amount, due_us)


def _where(stake: Stake) -> Position:
    return stake.bankroll, stake.market


def _cash(amount: float) -> Decimal:
    """To the cent; what a float adds below it is no money."""
    return Decimal(repr(amount)).quantize(Decimal("0.01"))
