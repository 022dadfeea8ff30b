"""What could not be used, with the reason and the bytes as they were: as data, never run."""

import base64
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from api.database import Database, query
from api.paging import After, From, Listing, Page, Text, To, span
from api.problems import REFUSED
from api.tags import Tagged
from schemas.time import to_us as micros

BYTES = 2_000
MOST_BYTES = 65_536
DAYS = 7
_EXAMPLE: dict[str, Any] = {
    "items": [
        {
            "letter_id": "steamline.lines-3-1204",
            "reason": "schema",
            "detail": "price_home_over: Input should be a valid number",
            "source": "score",
            "topic": "steamline.lines",
            "partition": 3,
            "offset": 1204,
            "recorded_at_us": 1784580000000000,
            "key": {"size": 24, "text": "mlb-2026-07-20-BOS-NYY-1", "base64": None, "cut": False},
            "value": {"size": 12, "text": '{"price": "x', "base64": None, "cut": False},
        }
    ],
    "next": None,
}


class Original(BaseModel):
    """Bytes as they were: text where they are UTF-8, base64 where not."""

    size: int
    """Of all of it."""
    text: str | None
    base64: str | None
    cut: bool
    """There is more: ask with a larger `max_bytes`."""


class Letter(BaseModel):
    letter_id: str
    reason: str
    detail: str
    source: str
    topic: str | None
    """Where the record stood; with partition and offset none for a part of a polled payload."""
    partition: int | None
    offset: int | None
    recorded_at_us: int
    """The record's own timestamp, or when the payload was fetched."""
    key: Original | None
    value: Original


class DeadLetters(Page[Letter]):
    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})


class ReasonCount(BaseModel):
    reason: str
    topic: str | None
    letters: int
    newest_us: int
    example: str
    """Detail of the newest."""


class Reasons(BaseModel):
    from_us: int | None
    to_us: int | None
    """The span counted, the end not included; none: there are no letters."""
    letters: int
    reasons: list[ReasonCount]
    """Most first."""


LETTERS = (
    'SELECT letter_id, reason, detail, source, topic, partition, "offset", recorded_at,'
    " octet_length(key) AS key_size, substring(key FROM 1 FOR {0}) AS key,"
    " octet_length(value) AS value_size, substring(value FROM 1 FOR {0}) AS value"
    " FROM dead_letters"
)


def build(database: Database) -> APIRouter:
    router = APIRouter(tags=["operations"], route_class=Tagged)

    @router.get("/v1/dead-letters", summary="Dead letters, newest first", responses=REFUSED)
    async def list_dead_letters(
        reason: Annotated[Text | None, Query(description="Of this reason alone")] = None,
        source: Annotated[Text | None, Query(description="Of this source alone")] = None,
        topic: Annotated[Text | None, Query(description="Of this topic, as Kafka names it")] = None,
        max_bytes: Annotated[
            int, Query(ge=0, le=MOST_BYTES, description="Of each key and value, at most")
        ] = BYTES,
        from_us: From = None,
        to_us: To = None,
        limit: Annotated[int, Query(ge=1, le=200, description="Rows a page, at most")] = 50,
        after: After = None,
    ) -> DeadLetters:
        """Records and parts of payloads that were refused, whole as far as asked for."""
        listing = Listing(LETTERS.format(max_bytes), "recorded_at", "letter_id")
        listing.only("reason = $", reason).only("source = $", source).only("topic = $", topic)
        items, more = await listing.within(from_us, to_us).page(database, after, limit, _letter)
        return DeadLetters(items=items, next=more)

    @router.get("/v1/dead-letters/reasons", summary="Dead letters by reason", responses=REFUSED)
    async def count_dead_letters(from_us: From = None, to_us: To = None) -> Reasons:
        """How many of each reason and topic; of the seven days up to the newest unless told
        otherwise."""
        since, until = span(from_us, to_us)
        async with database.reading() as connection:
            newest = await connection.fetchval(
                "SELECT max(recorded_at) FROM dead_letters WHERE recorded_at < $1", until
            )
            if newest is None:
                return Reasons(from_us=from_us, to_us=to_us, letters=0, reasons=[])
            until = min(until, newest + timedelta(microseconds=1))
            since = since if from_us is not None else until - timedelta(days=DAYS)
            rows = await database.asked(connection, query("dead_letters_by_reason"), since, until)
        return Reasons(
            from_us=micros(since),
            to_us=micros(until),
            letters=sum(row["letters"] for row in rows),
            reasons=[ReasonCount.model_validate(row) for row in rows],
        )

    return router


def _letter(row: dict[str, Any]) -> Letter:
    key = None if row["key"] is None else _original(row["key"], row["key_size"])
    return Letter.model_validate(
        row | {"key": key, "value": _original(row["value"], row["value_size"])}
    )


def _original(found: bytes, size: int) -> Original:
    cut = len(found) < size
    text = _text(found, cut)
    coded = base64.b64encode(found).decode() if text is None else None
    return Original(size=size, text=text, base64=coded, cut=cut)


def _text(found: bytes, cut: bool) -> str | None:
    """None where it is no UTF-8; a letter that the cut went through is left out."""
    try:
        return found.decode()
    except UnicodeDecodeError as bad:
        if cut and bad.reason == "unexpected end of data":
            return found[: bad.start].decode()
        return None
