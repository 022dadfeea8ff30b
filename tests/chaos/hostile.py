"""Records that no honest source sends, each with the reason it must be refused for."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count, cycle

from schemas.topics import Topic
from tests.system import Sent


@dataclass(frozen=True)
class Hostile:
    record: Sent
    reason: str


Spoil = Callable[[Sent, int], Hostile]
"""(an honest line, a number) -> something hostile; the number makes no two alike."""

HOUR_US = 3_600_000_000


def _with(line: Sent, /, **fields: object) -> bytes:
    assert line.value is not None
    return json.dumps({**json.loads(line.value), **fields}).encode()


def _as(reason: str, value: Callable[[Sent, int], bytes | None]) -> Spoil:
    return lambda line, n: Hostile(replace(line, value=value(line, n)), reason)


def _fields(reason: str, **fields: object) -> Spoil:
    return _as(reason, lambda line, n: _with(line, **{"event_id": f"hostile-{n}", **fields}))


def _raw(reason: str, text: bytes) -> Spoil:
    """As it is, with the number behind it where that does not mend it."""
    return _as(reason, lambda _, n: text)


def _cut(line: Sent, n: int) -> bytes:
    assert line.value is not None
    return line.value[: 20 + n % (len(line.value) - 21)]


def _late(line: Sent, n: int) -> bytes:
    assert line.value is not None
    at = json.loads(line.value)["occurred_at_us"]
    return _with(line, event_id=f"late-{n}", occurred_at_us=at - 7 * HOUR_US)


def _keyed(line: Sent, n: int, key: bytes | None) -> Hostile:
    return Hostile(replace(line, key=key, value=_with(line, event_id=f"key-{n}")), "wrong_key")


def _impossible_day(line: Sent, n: int) -> Hostile:
    game = "mlb-2026-02-30-BOS-NYY-1"
    value = _with(line, event_id=f"day-{n}", game_id=game)
    return Hostile(replace(line, key=game.encode(), value=value), "invalid")


def _other_year(line: Sent, n: int) -> Hostile:
    game = "mlb-2011-04-10-BOS-NYY-1"
    value = _with(line, event_id=f"year-{n}", game_id=game)
    return Hostile(replace(line, key=game.encode(), value=value), "implausible_time")


def _other_version(line: Sent, n: int) -> Hostile:
    value = _with(line, event_id=f"version-{n}")
    return Hostile(replace(line, value=value, headers=[("version", b"2")]), "wrong_schema")


def _other_topic(line: Sent, n: int) -> Hostile:
    topic = Topic.SPLITS if n % 2 else Topic.GAMES
    return Hostile(replace(line, topic=topic, value=_with(line, event_id=f"t-{n}")), "invalid")


SPOILS: tuple[Spoil, ...] = (
    # no JSON
    _as("malformed_json", _cut),
    _as("malformed_json", lambda line, n: None),  # a tombstone
    _raw("malformed_json", b""),
    _raw("malformed_json", b"\x00\xff\xfe not text"),
    _raw("malformed_json", b"[" * 20_000),
    _raw("malformed_json", b'{"a":' * 8_000 + b"1" + b"}" * 8_000),
    _as("malformed_json", lambda line, n: (line.value or b"").replace(b"mlb-", b"\xc3\x28-")),
    _as("malformed_json", lambda line, n: (line.value or b"").replace(b"sim", b"\\ud800", 1)),
    _raw("malformed_json", b"{'single': 'quotes'}"),
    # JSON of another shape
    _raw("invalid", b"null"),
    _raw("invalid", b"[]"),
    _raw("invalid", b'"text"'),
    _raw("invalid", b"1e400"),
    _raw("invalid", b"{}"),
    _fields("invalid", price_home_over="1.9x"),
    _fields("invalid", price_home_over=[1.9]),
    _fields("invalid", price_away_under={"a": {"b": {"c": [[[[[]]]]]}}}),
    _fields("invalid", settles="perhaps"),
    _fields("invalid", source=7),
    _fields("invalid", source="x" * 65),
    _fields("invalid", event_id=""),
    _fields("invalid", market="corners"),
    _fields("invalid", surprise=1),
    _fields("invalid", game_id="../../etc/passwd"),
    _other_topic,
    # impossible odds
    _fields("invalid", price_home_over=0.5),
    _fields("invalid", price_home_over=-1.9),
    _fields("invalid", price_home_over=1e9),
    _fields("invalid", price_home_over=float("nan")),
    _fields("invalid", price_home_over=float("inf")),
    _fields("invalid", price_home_over=1.01, price_away_under=1.01),
    _fields("invalid", price_home_over=900.0, price_away_under=900.0),
    _fields("invalid", price_home_over=None),
    _fields("invalid", line=1e6),
    # impossible times
    _fields("invalid", occurred_at_us="2026-04-10T12:00:00"),
    _fields("invalid", occurred_at_us="yesterday"),
    _fields("invalid", occurred_at_us=2**62),
    _fields("invalid", occurred_at_us=10**40),
    _fields("invalid", occurred_at_us=1_775_700_000),
    _fields("invalid", occurred_at_us=None),
    _fields("future", occurred_at_us=4_000_000_000_000_000),
    _fields("future", occurred_at_us="2099-01-01T00:00:00Z"),
    _as("too_late", _late),
    _impossible_day,
    _other_year,
    # others
    _fields("unknown_book", book="the corner shop"),
    _fields("unknown_book", book="Pinnacle"),
    _fields("unknown_book", book="\x00"),
    _other_version,
    lambda line, n: _keyed(line, n, None),
    lambda line, n: _keyed(line, n, b""),
    lambda line, n: _keyed(line, n, b"\xff\xfe"),
    lambda line, n: _keyed(line, n, b"mlb-2026-04-10-BOS-NYY-2"),
    lambda line, n: _keyed(line, n, b"k" * 50_000),
    _as("oversized", lambda line, n: _with(line, event_id=f"huge-{n}", source="x" * 70_000)),
)
VERY_HUGE: Spoil = _as("oversized", lambda line, n: b"x" * (1_000_000 + n))
"""Just below what the topic takes."""


def spoil(lines: list[Sent], how_many: int) -> Iterator[Hostile]:
    """One hostile record per honest line, all kinds in turn."""
    kinds = cycle(SPOILS)
    for n, line in zip(count(), lines[:how_many], strict=False):
        yield VERY_HUGE(line, n) if n % 200 == 100 else next(kinds)(line, n)
