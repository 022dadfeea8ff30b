"""What one feed client asked for: which games, markets and kinds, how often, how much."""

from dataclasses import dataclass

from api.board import Message
from schemas.bets import Settlement
from schemas.decisions import LOCKS, Alert, AlertKind, Prediction, Stake
from schemas.events import GameResult, GameUpdate, LineMovement
from schemas.feed import Kind
from schemas.markets import MARKET_OF, Market

_KINDS: dict[type[Message], Kind] = {
    GameUpdate: Kind.GAME,
    LineMovement: Kind.LINE,
    GameResult: Kind.RESULT,
    Prediction: Kind.PREDICTION,
    Stake: Kind.STAKE,
    Alert: Kind.ALERT,
    Settlement: Kind.SETTLEMENT,
}
_LOCKS = {AlertKind.LOCKED: Kind.LOCKED, AlertKind.UNLOCKED: Kind.UNLOCKED}
_WITH_EDGE = frozenset({Kind.PREDICTION, Kind.STAKE})

MEMBERS = frozenset(name for model in _KINDS for name in model.model_fields)
"""Every name that the data of some message has."""


def kind_of(message: Message) -> Kind:
    if isinstance(message, Alert) and message.kind in LOCKS:
        return _LOCKS[message.kind]
    return _KINDS[type(message)]


def market_of(message: Message) -> Market | None:
    """None for messages about the whole game."""
    match message:
        case LineMovement() | Stake() | Alert() | Settlement():
            return message.market
        case Prediction():
            return MARKET_OF[message.target]
        case _:
            return None


@dataclass(frozen=True)
class Filter:
    """Empty means everything."""

    games: frozenset[str] = frozenset()
    markets: frozenset[Market] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    min_edge: float | None = None
    """Predictions and stakes below it are left out; other kinds have none, and pass."""

    def takes(
        self, kind: Kind, game_id: str, market: Market | None, edge: float | None = None
    ) -> bool:
        """A message about the whole game passes every market filter."""
        return (
            (not self.kinds or kind in self.kinds)
            and (not self.games or game_id in self.games)
            and (not self.markets or market is None or market in self.markets)
            and (
                self.min_edge is None
                or kind not in _WITH_EDGE
                or (edge is not None and edge >= self.min_edge)
            )
        )


@dataclass(frozen=True)
class Options:
    """All that a client can ask for; clients that ask for the same share their bytes."""

    filter: Filter = Filter()
    conflate_ms: int = 0
    """At most one value a key in a window this long; 0: every value, at once."""
    heartbeat_ms: int | None = None
    """None: as the server has it."""
    fields: frozenset[str] = frozenset()
    """Members kept of each message's data; empty: all. Ids always are."""
    explain: bool = False
