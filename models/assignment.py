"""Which model of an experiment a game belongs to, and which part a model has."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, NamedTuple, Self

from schemas.decisions import Role


def assigned(game_id: str, experiment: str, share: float) -> Role:
    """The challenger for about that share of all games; for ever the same for a game.

    A larger share keeps the games that the challenger has. Another experiment draws anew.
    """
    digest = blake2b(f"{experiment}\0{game_id}".encode(), digest_size=8).digest()
    if int.from_bytes(digest, "big") < share * 2**64:
        return Role.CHALLENGER
    return Role.CHAMPION


class Part(NamedTuple):
    """That a model has when it speaks: on its messages, and in their ids."""

    role: Role = Role.CHAMPION
    experiment: str | None = None
    share: float | None = None

    @classmethod
    def unpacked(cls, row: Iterable[Any]) -> Self:
        """Out of a snapshot."""
        role, *rest = row
        return cls(Role(role), *rest)

    @property
    def suffix(self) -> str:
        """One id must not stand for two messages: between two runs over the same events a
        challenger may be promoted, or the experiment be changed."""
        if self.experiment is None:
            return ""
        dealt = "" if self.share is None else f":{self.share:g}"
        return f":{self.experiment}:{self.role.value}{dealt}"


ALONE = Part()
