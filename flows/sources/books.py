"""What the sources call the books: one key each, that of The Odds API.

A price of a book in New Jersey is taken for the book's price: the states differ little, and
nothing here knows where the user bets.
"""

_NAMES: dict[str, str] = {
    "bet365": "bet365",
    "betmgm": "betmgm",
    "betrivers": "betrivers",
    "bovada": "bovada",
    "caesars": "williamhill_us",
    "circa": "circa",
    "dk": "draftkings",
    "draftkings": "draftkings",
    "fanatics": "fanatics",
    "fanduel": "fanduel",
    "pinnacle": "pinnacle",
}

# Its own id for every licence: New Jersey, Pennsylvania, Illinois.
_ACTION_NETWORK: dict[str, str] = {
    **dict.fromkeys(("68", "1534", "1538"), "draftkings"),
    **dict.fromkeys(("69", "255", "270"), "fanduel"),
    **dict.fromkeys(("71", "122", "262"), "betrivers"),
    **dict.fromkeys(("75", "280", "282"), "betmgm"),
    **dict.fromkeys(("79", "3547", "3915"), "bet365"),
    **dict.fromkeys(("49", "123", "279", "1906"), "williamhill_us"),
    **dict.fromkeys(("2988", "2791", "2990"), "fanatics"),
}

ACTION_NETWORK_CONSENSUS = "15"
ACTION_NETWORK_OPEN = "30"


def book_named(name: str) -> str | None:
    """Of a book that a source calls by name; none where we do not know it.

    >>> book_named("Caesars")
    'williamhill_us'
    """
    return _NAMES.get(name.strip().casefold())


def book_of_action_network(book_id: str) -> str | None:
    """None where we do not know the id."""
    return _ACTION_NETWORK.get(book_id)
