"""Leaving out members of messages that a client did not ask for."""

import json
from collections.abc import Iterable
from typing import Any

from schemas.feed import Kind
from schemas.topics import CONTRACTS

IDS = frozenset(
    {
        "game_id",
        *(one.identity for one in CONTRACTS.values() if one.key == "game_id"),
    }
)
"""Always kept: without them nobody knows what a message is about, or whether he has had it."""

EXPLAINED = frozenset({"explanation", "unexplained"})
"""Members that a prediction gets for clients that ask why."""

_MESSAGES = frozenset(kind.value.encode() for kind in Kind)
_PARTS = ("lines", "predictions", "stakes", "signals", "settlements")
_SINGLE = ("schedule", "lock", "result")


def keep(data: dict[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    """
    >>> keep({"game_id": "g", "price": 2.0, "book": "b"}, frozenset({"price"}))
    {'game_id': 'g', 'price': 2.0}
    """
    return {name: value for name, value in data.items() if name in fields or name in IDS}


def keep_in_game(game: dict[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    """The same in each message of a game of a snapshot."""

    def each(parts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        return [keep(part, fields) for part in parts]

    return (
        game
        | {name: each(game[name]) for name in _PARTS}
        | {name: game[name] and keep(game[name], fields) for name in _SINGLE}
    )


def cut(wire: bytes, fields: frozenset[str]) -> bytes:
    """A frame with its data cut to the fields; what is no message stays whole."""
    head, mark, data = wire.partition(b"\ndata: ")
    if head.rpartition(b"event: ")[2] not in _MESSAGES:
        return wire
    kept = json.dumps(keep(json.loads(data), fields), separators=(",", ":"), ensure_ascii=False)
    return head + mark + kept.encode() + b"\n\n"
