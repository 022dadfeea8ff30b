"""VSiN: the page of betting splits, what share of handle and of bets is on each side at one book.

A table with two rows a game, the away team's first; its total columns are the over's. Column
headers say what stands where, a class of the header row whose numbers they are: asked for a book
that it does not have, the site shows DraftKings.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from flows.sources import facts
from flows.sources.books import book_named
from flows.sources.payload import Fact, Meeting, Payload, Refusal
from flows.sources.shape import changed
from flows.sources.teams import code_of
from schemas.errors import RejectedEvent
from schemas.markets import Market

SOURCE = "vsin"

_MARKETS = {
    "spread": Market.RUN_LINE,
    "run line": Market.RUN_LINE,
    "total": Market.TOTAL,
    "money": Market.MONEYLINE,
    "moneyline": Market.MONEYLINE,
}
_LEAGUE = "MLB"
_OTHER_LEAGUES = frozenset({"NFL", "CFB", "NBA", "CBB", "WNBA", "NHL", "UFC", "UFL"})
_GAME_CODE = re.compile(r"(\d{4})(\d{2})(\d{2})([A-Z]+)\d+")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)%")
_ARROWS = str.maketrans("", "", "▲▼△▽↑↓↺")
_NONE = frozenset({"", "-", "–", "—", "N/A"})  # noqa: RUF001


class _Changed(Exception):
    """The page is not the one we know."""


class _Header(NamedTuple):
    book: str
    columns: int
    places: dict[Market, tuple[int, int]]
    """Column of the handle, column of the bets; counted from the first that is no team."""


def _text(node: LexborNode) -> str:
    return " ".join(node.text(separator=" ").translate(_ARROWS).split())


def _columns(names: list[str]) -> dict[Market, tuple[int, int]]:
    found: dict[Market, dict[str, int]] = {}
    market = None
    for place, name in enumerate(names):
        if name in _MARKETS:
            market = _MARKETS[name]
            if market in found:
                raise _Changed(f"column {name!r} stands twice")
            found[market] = {}
        elif market is None or name not in ("handle", "bets") or name in found[market]:
            raise _Changed(f"column {name!r} is not expected in {names}")
        else:
            found[market][name] = place
    if set(found) != set(Market) or any(len(of_market) != 2 for of_market in found.values()):
        raise _Changed(f"columns {names} lack handle or bets of a market")
    return {market: (one["handle"], one["bets"]) for market, one in found.items()}


def _header(row: LexborNode, asked: str | None) -> _Header | Refusal:
    """Raises _Changed."""
    marks = [
        one.removeprefix("sp-source-")
        for one in (row.attributes.get("class") or "").split()
        if one.startswith("sp-source-")
    ]
    if len(marks) != 1:
        raise _Changed(f"the header does not say whose numbers these are: {marks}")
    if asked is not None and asked.casefold() != marks[0].casefold():
        raise _Changed(f"asked for {asked!r}, but the page is of {marks[0]!r}")
    book = book_named(marks[0])
    if book is None:
        return Refusal("unknown_book", f"{marks[0]!r} is none we know", _bytes(row))
    names = [_text(one).casefold() for one in row.css("th")][1:]
    return _Header(book, len(names), _columns(names))


def _percent(cell: LexborNode) -> float | None:
    """Raises _Changed."""
    text = _text(cell)
    if text in _NONE:
        return None
    match = _PERCENT.fullmatch(text)
    if match is None:
        raise _Changed(f"{text!r} is no percentage")
    return float(match[1])


def _code(away: LexborNode, home: LexborNode) -> tuple[date, str]:
    """Day and league. Raises _Changed."""
    marks = [one.css_first("[data-gamecode]") for one in (away, home)]
    codes = {str(one.attributes.get("data-gamecode")) for one in marks if one is not None}
    match = _GAME_CODE.fullmatch(next(iter(codes), ""))
    if marks[0] is None or len(codes) != 1 or match is None:
        raise _Changed(f"two rows with the game codes {sorted(codes)}")
    try:
        return date(int(match[1]), int(match[2]), int(match[3])), match[4]
    except ValueError as bad:
        raise _Changed(f"game code {match[0]}: {bad}") from None


def _team(row: LexborNode) -> str:
    """Raises _Changed, and RejectedEvent for what is no club."""
    link = row.css_first("a.sp-team-link")
    if link is None:
        raise _Changed("a row without a team")
    return code_of(_text(link))


def _cells(row: LexborNode, header: _Header) -> list[LexborNode]:
    """Raises _Changed."""
    cells = row.css("td")
    if len(cells) != header.columns + 2:
        raise _Changed(f"{len(cells)} cells under {header.columns} columns, action and team")
    return cells[2:]


def _bytes(*nodes: LexborNode) -> bytes:
    return "".join(node.html or "" for node in nodes).encode("utf-8", "replace")


def _game(header: _Header, away: LexborNode, home: LexborNode) -> Iterator[Fact | Refusal]:
    original = _bytes(away, home)
    try:
        day, league = _code(away, home)
        if league != _LEAGUE:
            return
        meeting = Meeting(home=_team(home), away=_team(away), day=day)
        above, below = _cells(away, header), _cells(home, header)
    except _Changed as bad:
        yield changed(str(bad), original)
        return
    except RejectedEvent as bad:
        yield Refusal(bad.reason, bad.detail, original)
        return
    for market, places in header.places.items():
        first, second = (above, below) if market is Market.TOTAL else (below, above)
        try:
            handle, bets = (
                facts.Sides(_percent(first[place]), _percent(second[place])) for place in places
            )
        except _Changed as bad:
            yield changed(f"{market}: {bad}", original)
            continue
        yield from facts.splits(meeting, header.book, market, bets, handle, original)


def _block(
    head: LexborNode, rows: Sequence[LexborNode], asked: str | None
) -> Iterator[Fact | Refusal]:
    """A header and what stands under it."""
    title = head.css_first("th")
    if title is not None and _text(title).split(" ")[0] in _OTHER_LEAGUES:
        return
    try:
        header = _header(head, asked)
    except _Changed as bad:
        header = changed(str(bad), _bytes(head))
    if isinstance(header, Refusal):
        yield header
        return
    games: list[LexborNode] = []
    for row in rows:
        if "sp-row" in (row.attributes.get("class") or "").split():
            games.append(row)
        elif len(row.css("td")) > 2:  # not a mere note
            yield changed("a row that is no sp-row", _bytes(row))
    for away, home in zip(games[::2], games[1::2], strict=False):
        yield from _game(header, away, home)
    if len(games) % 2:
        yield changed("a game of one row", _bytes(games[-1]))


def _table(table: LexborNode, asked: str | None) -> Iterator[Fact | Refusal]:
    """One table may hold several days, each under a header of its own."""
    rows = table.css("tr")
    heads = [place for place, row in enumerate(rows) if row.css_first("th") is not None]
    if not heads or heads[0] > 0:
        yield changed("a table that does not begin with a header", _bytes(table))
    for place, following in pairwise([*heads, len(rows)]):
        yield from _block(rows[place], rows[place + 1 : following], asked)


def parse(payload: Payload) -> Sequence[Fact | Refusal]:
    """Of each game: the splits of its markets at the page's book."""
    asked = parse_qs(urlsplit(payload.url).query).get("source", [None])[0]
    page = LexborHTMLParser(payload.body.decode("utf-8", "replace"))
    made: list[Fact | Refusal] = []
    known = False
    for table in page.css("table"):
        if "sp-table" in (table.attributes.get("class") or "").split():
            known = True
            made += _table(table, asked)
        elif table.css_first("[data-gamecode]") is not None:
            made.append(changed("a table of games that is no sp-table", _bytes(table)))
    if not known:
        made = [changed("no table of splits", payload.body)]
    return list(facts.said_once(made))
