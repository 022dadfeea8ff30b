"""Pages of long lists: where the next one goes on is told by the last row, not by a count.

A cursor names a moment and an id, so rows that come meanwhile shift nothing: going on from a page
never shows a row twice, and leaves none out that was there when the first page was asked for.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from fastapi import Depends, HTTPException, Query
from pydantic import BaseModel, Field

from api.database import Database
from schemas.time import EARLIEST_US, LATEST_US, from_us

Row = TypeVar("Row", bound=BaseModel)
MAX_LIMIT = 1_000
_MAX_CURSOR = 512
_MAX_ID = 256


class Cursor(NamedTuple):
    """The last row of a page."""

    at_us: int
    name: str

    def packed(self) -> str:
        text = json.dumps([self.at_us, self.name], ensure_ascii=False, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def unpacked(cls, packed: str) -> "Cursor":
        """Raises ValueError for what `packed` has not written, to the letter."""
        refusal = ValueError("is no cursor of this API: take it from `next`, as it is")
        try:
            padded = packed.encode("ascii") + b"=" * (-len(packed) % 4)
            found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (UnicodeError, binascii.Error, ValueError, RecursionError):
            raise refusal from None
        match found:
            case [int(at_us), str(name)] if (
                not isinstance(at_us, bool)
                and EARLIEST_US <= at_us <= LATEST_US
                and 0 < len(name) <= _MAX_ID
                and "\x00" not in name
            ):
                cursor = cls(at_us, name)
            case _:
                raise refusal
        try:
            same = cursor.packed() == packed
        except UnicodeError:  # half of a surrogate pair
            raise refusal from None
        if not same:
            raise refusal
        return cursor


def _after(
    cursor: Annotated[
        str | None,
        Query(
            max_length=_MAX_CURSOR,
            pattern=r"^[A-Za-z0-9_-]+$",
            description="`next` of the page before, as it is",
        ),
    ] = None,
) -> Cursor | None:
    try:
        return None if cursor is None else Cursor.unpacked(cursor)
    except ValueError as bad:
        raise HTTPException(422, f"query.cursor: {bad}") from None


After = Annotated[Cursor | None, Depends(_after)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows a page, at most")]
From = Annotated[
    int | None,
    Query(ge=EARLIEST_US, le=LATEST_US, description="Microseconds UTC, included"),
]
To = Annotated[
    int | None,
    Query(ge=EARLIEST_US, le=LATEST_US, description="Microseconds UTC, not included"),
]
Text = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]+$")]
"""A name to look for: Postgres knows no NUL."""


class Page(BaseModel, Generic[Row]):
    """Part of a list."""

    items: list[Row]
    next: str | None = Field(
        description="Ask again with it as `cursor` and the same filters; null: that was all",
        examples=[Cursor(1784580000000000, "mlb-2026-07-20-BOS-NYY-1:812").packed()],
    )


@dataclass
class Listing:
    """One list of a table: what is asked for, in which order."""

    select: str
    """Without WHERE."""
    time: str
    """Column that orders it; with `id` it tells rows apart."""
    id: str
    newest_first: bool = True
    _conditions: list[str] = field(default_factory=list)
    _values: list[object] = field(default_factory=list)

    def only(self, condition: str, value: object) -> "Listing":
        """With `$` in the condition for the value; nothing where that is none. A condition is
        there or not, so that every plan can use its index."""
        if value is not None:
            self._values.append(value)
            self._conditions.append(condition.replace("$", f"${len(self._values)}"))
        return self

    def within(self, since_us: int | None, until_us: int | None) -> "Listing":
        """Raises HTTPException 422 for a span that holds nothing."""
        since, until = span(since_us, until_us)
        self.only(f"{self.time} >= $", None if since_us is None else since)
        return self.only(f"{self.time} < $", None if until_us is None else until)

    def text(self, after: Cursor | None, limit: int) -> tuple[str, list[object]]:
        """One row more than a page: it says whether there is a next one."""
        conditions, values = list(self._conditions), list(self._values)
        if after is not None:
            values += [from_us(after.at_us), after.name]
            sign = "<" if self.newest_first else ">"
            conditions.append(
                f"({self.time}, {self.id}) {sign} (${len(values) - 1}, ${len(values)})"
            )
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        way = "DESC" if self.newest_first else "ASC"
        return (
            f"{self.select}{where} ORDER BY {self.time} {way}, {self.id} {way} LIMIT {limit + 1}",
            values,
        )

    async def page(
        self,
        database: Database,
        after: Cursor | None,
        limit: int,
        made: Callable[[dict[str, Any]], Row],
    ) -> tuple[list[Row], str | None]:
        """The rows, and the next cursor. Raises HTTPException as `Database.reading`."""
        text, values = self.text(after, limit)
        found = await database.rows(text, *values)
        return cut(found, limit, made, lambda row: Cursor(row[f"{self.time}_us"], row[self.id]))


def cut(
    found: Sequence[dict[str, Any]],
    limit: int,
    made: Callable[[dict[str, Any]], Row],
    place: Callable[[dict[str, Any]], Cursor],
) -> tuple[list[Row], str | None]:
    """`found` may hold one row more than the page."""
    rows = found[:limit]
    more = len(found) > limit
    return [made(row) for row in rows], place(rows[-1]).packed() if more else None


def span(since_us: int | None, until_us: int | None) -> tuple[datetime, datetime]:
    """All times where an end is open. Raises HTTPException 422 for one that holds nothing."""
    if since_us is not None and until_us is not None and since_us >= until_us:
        raise HTTPException(422, f"query.to_us: {until_us} is not after from_us {since_us}")
    return (
        from_us(EARLIEST_US if since_us is None else since_us),
        from_us(LATEST_US if until_us is None else until_us),
    )
