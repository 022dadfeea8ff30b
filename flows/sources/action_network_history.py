"""A game's odds history at Action Network: the two sides' price changes paired into quotes.

The source keeps each side's changes apart, with a time each. A book that moves a market changes
both sides within milliseconds; what lies between is no quote that anyone was offered.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from flows.sources import facts
from flows.sources.books import (
    ACTION_NETWORK_CONSENSUS,
    ACTION_NETWORK_OPEN,
    book_of_action_network,
)
from flows.sources.payload import Fact, Meeting, Payload, Refusal
from flows.sources.shape import Raw, Shape, as_bytes, changed, read_json, shaped
from schemas.markets import SIDES, Market
from schemas.time import US_PER_SECOND, Micros

MARKETS = {
    "moneyline": Market.MONEYLINE,
    "spread": Market.RUN_LINE,
    "total": Market.TOTAL,
}

OTHER_BETS = "core_bet_type_"
"""How the names of team totals and player bets begin."""

TOGETHER_US = US_PER_SECOND
"""Changes of a market's sides that lie no further apart are one move."""

LineStatus = Literal["normal", "opener", "suspended"]
SHUT = "suspended"


class _Change(Shape):
    updated_at: Micros
    odds: float
    value: float | None = None
    line_status: LineStatus | None = None


class _Outcome(Shape):
    side: str
    is_live: bool = False
    is_alt_market: bool = False
    history: list[_Change]


class _Book(Shape):
    event: dict[str, list[Raw]]


def _moves(changes: Sequence[list[_Change]]) -> Iterator[tuple[int, list[_Change]]]:
    """(when, each side's newest change), once a move, from when both sides are there."""
    ordered = sorted(
        ((one.updated_at, side, one) for side, of_side in enumerate(changes) for one in of_side),
        key=lambda one: one[:2],
    )
    newest: dict[int, _Change] = {}
    for place, (at_us, side, change) in enumerate(ordered):
        newest[side] = change
        following = ordered[place + 1][0] if place + 1 < len(ordered) else None
        goes_on = following is not None and following - at_us <= TOGETHER_US
        if len(newest) == 2 and not goes_on:
            yield at_us, [newest[0], newest[1]]


def _market(
    meeting: Meeting, book: str, market: Market, raw: list[Raw]
) -> Iterator[Fact | Refusal]:
    main: list[_Outcome] = []
    for one in raw:
        outcome = shaped(_Outcome, one, "outcome")
        if isinstance(outcome, Refusal):
            yield outcome
            return
        if not (outcome.is_live or outcome.is_alt_market):
            main.append(outcome)
    if not main:
        return
    wanted = SIDES[market]
    changes = {one.side: one.history for one in main}
    told = [one.side for one in main if one.history]
    if len(main) != 2 or set(changes) != set(wanted) or len(told) == 1:
        detail = f"{book} {market}: changes of {told} where {[*wanted]} are expected"
        yield Refusal("incomplete_market", detail, as_bytes(raw))
        return
    for at_us, sides in _moves([changes[side] for side in wanted]):
        if meeting.start_us is not None and at_us >= meeting.start_us:
            return  # in play
        if any(one.line_status == SHUT for one in sides):
            yield facts.withdrawn(meeting, book, market, raw, said_at_us=at_us)
        else:
            first, second = (facts.Quote(one.odds, one.value) for one in sides)
            yield facts.line(meeting, book, market, first, second, raw, said_at_us=at_us)


def history(payload: Payload) -> list[Fact | Refusal]:
    """Every quote before the start, book by book, each with its own time."""
    document = read_json(payload)
    if isinstance(document, Refusal):
        return [document]
    if not isinstance(document, dict) or not all(
        isinstance(one, dict) for one in document.values()
    ):
        return [changed("no object of books", payload.body)]
    if payload.meeting is None:
        return [Refusal("unknown_game", "a history without the game it is of", payload.body)]
    made: list[Fact | Refusal] = []
    for book_id, raw in document.items():
        if book_id in (ACTION_NETWORK_CONSENSUS, ACTION_NETWORK_OPEN):
            continue
        name = book_of_action_network(book_id)
        if name is None:
            made.append(Refusal("unknown_book", f"{book_id!r} is none we know", as_bytes(raw)))
            continue
        book = shaped(_Book, raw, "markets")
        if isinstance(book, Refusal):
            made.append(book)
            continue
        for key, outcomes in book.event.items():
            market = MARKETS.get(key)
            if market is not None:
                made += _market(payload.meeting, name, market, outcomes)
            elif not key.startswith(OTHER_BETS):
                made.append(Refusal("unknown_market", repr(key), as_bytes(outcomes)))
    return made
