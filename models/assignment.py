"""Which model of an experiment a game belongs to."""

from hashlib import blake2b

from schemas.decisions import Role


def assigned(game_id: str, experiment: str, share: float) -> Role:
    """The challenger for about that share of all games; for ever the same for a game.

    A larger share keeps the games that the challenger has. Another experiment draws anew.
    """
    digest = blake2b(f"{experiment}\0{game_id}".encode(), digest_size=8).digest()
    if int.from_bytes(digest, "big") < share * 2**64:
        return Role.CHALLENGER
    return Role.CHAMPION
