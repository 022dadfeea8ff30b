"""What one feed client asked for: which games, markets and kinds of event."""

from dataclasses import dataclass
from enum import StrEnum

from api.board import Message
from schemas.decisions import Alert, Prediction, Stake
from schemas.events import GameResult, GameUpdate, LineMovement
from schemas.markets import MARKET_OF, Market


class Kind(StrEnum):
    """Names of the feed events that carry a message, each as the topic's contract has it."""

    GAME = "game"
    LINE = "line"
    RESULT = "result"
    PREDICTION = "prediction"
    STAKE = "stake"
    ALERT = "alert"


_KINDS: dict[type[Message], Kind] = {
    GameUpdate: Kind.GAME,
    LineMovement: Kind.LINE,
    GameResult: Kind.RESULT,
    Prediction: Kind.PREDICTION,
    Stake: Kind.STAKE,
    Alert: Kind.ALERT,
}


def kind_of(message: Message) -> Kind:
    return _KINDS[type(message)]


def market_of(message: Message) -> Market | None:
    """None for messages about the whole game."""
    match message:
        case LineMovement() | Stake() | Alert():
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

    def takes(self, kind: Kind, game_id: str, market: Market | None) -> bool:
        """A message about the whole game passes every market filter."""
        return (
            (not self.kinds or kind in self.kinds)
            and (not self.games or game_id in self.games)
            and (not self.markets or market is None or market in self.markets)
        )
