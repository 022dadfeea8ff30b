"""The close of each market: what the books said last before first pitch.

One game's quotes, in any order, in bounded memory: of each book and market the newest few before
first pitch and the newest one after it. The first tell the close also where first pitch turns out
to have been earlier; the other enters only if first pitch moves later. What the books say together
is the features' own consensus (`models/features/market`), as of first pitch.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from models.features.layout import MARKET_INDEX, ORDER_BITS, digest_of, empty_game, order_at
from models.features.market import view_market
from models.odds import DEVIG
from schemas.events import GameUpdate, LineMovement
from schemas.markets import GameStatus, Market
from schemas.sections.scoring import DevigMethod
from schemas.sections.staking import CONSENSUS
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE, US_PER_SECOND

MOVES = 16
"""Of first pitch, that are remembered."""
KEPT = 8
"""Of one book and market, or one source, before first pitch."""
_BEGUN = (GameStatus.LIVE, GameStatus.SUSPENDED, GameStatus.FINAL)

_Dated = TypeVar("_Dated", bound=tuple[Any, ...])


@dataclass(frozen=True)
class ClosingRules:
    books: tuple[str, ...]
    """In the order that breaks ties between lines."""
    devig: DevigMethod
    stale_us: int
    reference: str
    """A book, or the consensus of all."""

    @classmethod
    def of(cls, settings: Settings) -> "ClosingRules":
        return cls(
            books=settings.books,
            devig=settings.score.devig,
            stale_us=int(settings.score.stale_minutes * US_PER_MINUTE),
            reference=settings.settlement.close,
        )


class Quote(NamedTuple):
    order: int
    """As the fold's: event time and a hash, so equal times break the same way in any order."""
    source: str
    line: float | None
    first: float | None
    """Home or over, decimal; none where the quote was withdrawn."""
    second: float | None

    @property
    def moment_us(self) -> int:
        return self.order >> ORDER_BITS


class Close(NamedTuple):
    reference: str
    line: float | None
    probability: float
    """No-vig, of the home or over side, given no push."""
    quoted_at_us: int
    """When the newest quote in it was given, or last known to stand."""
    start_us: int

    @property
    def seconds_before_start(self) -> float:
        return (self.start_us - self.quoted_at_us) / US_PER_SECOND


class Missing(NamedTuple):
    """Why there is no close."""

    reason: str


@dataclass
class FirstPitch:
    """When it is, or was, as far as known: as last announced, and never after the game had begun.

    When a suspended game goes on is no first pitch.
    """

    announced: list[tuple[int, int]] = field(default_factory=list)
    """(order, start) of each word that moved it, ascending."""
    waiting: int = 0
    """Order of the newest word that the game has not begun."""
    begun_us: int = 0
    """First word since then that it has; 0 without one."""

    @property
    def us(self) -> int | None:
        if not self.announced:
            return None
        announced = self.announced[-1][1]
        return min(announced, self.begun_us) if self.begun_us else announced

    def listed_us(self, moment_us: int) -> int | None:
        """As it was announced then; as first announced, where that was later."""
        early = _before(self.announced, moment_us + 1)
        return self.announced[max(early - 1, 0)][1] if self.announced else None

    def fold(self, update: GameUpdate, order: int) -> None:
        if update.status is not GameStatus.SUSPENDED:
            said = sorted({*self.announced, (order, update.start_time_us)})
            moved = [one for one, last in pairwise(said[::-1]) if one[1] != last[1]]
            self.announced = [said[0], *moved[::-1]][-MOVES:]
        if update.status not in _BEGUN:
            if order > self.waiting:
                self.waiting = order
                if self.begun_us <= update.occurred_at_us:
                    self.begun_us = 0
        elif order > self.waiting and (not self.begun_us or update.occurred_at_us < self.begun_us):
            self.begun_us = update.occurred_at_us


@dataclass
class Board:
    """The quotes of one game."""

    first_pitch: FirstPitch = field(default_factory=FirstPitch)
    quotes: dict[tuple[Market, str], list[Quote]] = field(default_factory=dict)
    """(market, book) -> ascending."""
    confirmed: dict[str, list[tuple[int]]] = field(default_factory=dict)
    """Source -> orders of its words that its quotes stand, ascending."""

    def fold(self, event: LineMovement | GameUpdate) -> None:
        """Take one event in; a repeat changes nothing."""
        order = order_at(event.occurred_at_us, digest_of(event.event_id))
        if isinstance(event, LineMovement):
            quote = Quote(
                order, event.source, event.line, event.price_home_over, event.price_away_under
            )
            self._keep(self.quotes.setdefault((event.market, event.book), []), quote)
            return
        before = self.first_pitch.us
        self.first_pitch.fold(event, order)
        if event.quotes_stand:
            self._keep(self.confirmed.setdefault(event.source, []), (order,))
        if self.first_pitch.us != before:
            for quotes in self.quotes.values():
                self._trim(quotes)
            for told in self.confirmed.values():
                self._trim(told)

    def _keep(self, kept: list[_Dated], new: _Dated) -> None:
        at = bisect_left(kept, new[0], key=itemgetter(0))
        if at < len(kept) and kept[at][0] == new[0]:
            return
        kept.insert(at, new)
        self._trim(kept)

    def _trim(self, kept: list[_Dated]) -> None:
        start = self.first_pitch.us
        early = len(kept) if start is None else _before(kept, start)
        del kept[early:-1]
        del kept[: max(early - KEPT, 0)]

    def quote(self, market: Market, book: str, before_us: int) -> Quote | None:
        """The last one of the book before then, withdrawn ones too."""
        kept = self.quotes.get((market, book), [])
        early = _before(kept, before_us)
        return kept[early - 1] if early else None

    def stood_us(self, quote: Quote, before_us: int) -> int:
        """When it was last known to stand, before then."""
        kept = self.confirmed.get(quote.source, [])
        early = _before(kept, before_us)
        return max(quote.moment_us, kept[early - 1][0] >> ORDER_BITS if early else 0)

    def close(self, market: Market, start_us: int | None, rules: ClosingRules) -> Close | Missing:
        """Of the market, as of first pitch: quotes from then on are of another bet."""
        if start_us is None:
            return Missing("no_schedule")
        asked = rules.books if rules.reference == CONSENSUS else (rules.reference,)
        last = {book: self.quote(market, book, start_us) for book in asked}
        quoted = {book: quote for book, quote in last.items() if quote is not None}
        if not quoted:
            return Missing("no_quote")
        row = empty_game()
        row["as_of_us"] = start_us
        cells = {name: row[name][0, MARKET_INDEX[market]] for name in _CELLS}
        for place, book in enumerate(asked):
            quote = quoted.get(book)
            if quote is None or quote.first is None or quote.second is None:
                continue
            cells["probability"][place] = DEVIG[rules.devig](quote.first, quote.second)
            cells["line"][place] = quote.line or 0.0
            cells["price_first"][place] = quote.first
            cells["price_second"][place] = quote.second
            cells["quote_order"][place] = self.stood_us(quote, start_us) << ORDER_BITS
        view = view_market(row, rules.stale_us)
        at = (0, MARKET_INDEX[market])
        if not view.books[at]:
            return Missing("stale" if view.quoted[at].any() else "withdrawn")
        return Close(
            reference=rules.reference,
            line=None if market is Market.MONEYLINE else float(view.line[at]),
            probability=float(view.consensus[at]),
            quoted_at_us=start_us - int(view.newest_age_us[at]),
            start_us=start_us,
        )

    def pack(self) -> dict[str, Any]:
        """Plain values, for a snapshot."""
        return {
            "first_pitch": [
                [list(one) for one in self.first_pitch.announced],
                self.first_pitch.waiting,
                self.first_pitch.begun_us,
            ],
            "quotes": [
                [market.value, book, [list(quote) for quote in kept]]
                for (market, book), kept in sorted(self.quotes.items())
            ],
            "confirmed": [
                [source, [order for (order,) in kept]]
                for source, kept in sorted(self.confirmed.items())
            ],
        }

    @classmethod
    def unpack(cls, stored: dict[str, Any]) -> "Board":
        announced, waiting, begun_us = stored["first_pitch"]
        return cls(
            FirstPitch([(order, us) for order, us in announced], waiting, begun_us),
            {
                (Market(market), book): [Quote(*quote) for quote in kept]
                for market, book, kept in stored["quotes"]
            },
            {source: [(order,) for order in orders] for source, orders in stored["confirmed"]},
        )


_CELLS = ("probability", "line", "price_first", "price_second", "quote_order")


def _before(kept: list[_Dated], moment_us: int) -> int:
    """How many of them are strictly before that time."""
    return bisect_left(kept, moment_us << ORDER_BITS, key=itemgetter(0))
