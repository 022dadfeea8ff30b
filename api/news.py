"""What is news, decided in each partition's own order, so that it is the same on every replica.

Nothing here looks at another partition or at a clock: whoever reads a partition from its beginning
comes to the same answer about each of its offsets, whatever was read between them.
"""

from dataclasses import dataclass
from enum import Enum, auto

from api.board import Message, event_time, latest_start
from schemas.bets import Settlement
from schemas.decisions import LOCKS, Alert, Prediction, Stake
from schemas.events import GameResult, GameUpdate, LineMovement
from schemas.feed import RETAIN_US
from schemas.topics import CONTRACTS, TOPIC_OF

Key = tuple[str, ...]
"""What a message is about: of two with one key the newer takes the other's place."""

KEYS = 20_000
"""Remembered a partition, the longest untouched forgotten first: weeks of games."""
_TIES = 64
"""Ids remembered of one key and moment."""


def key_of(message: Message) -> Key:
    """What it takes the place of. A signal takes none, and has its own id for a key."""
    match message:
        case LineMovement():
            return ("line", message.game_id, message.book, message.market)
        case Prediction():
            return ("prediction", message.game_id, message.target)
        case Stake():
            return ("stake", message.game_id, message.bankroll, message.market)
        case GameUpdate():
            return ("game", message.game_id)
        case GameResult():
            return ("result", message.game_id)
        case Settlement():
            return ("settlement", message.game_id, message.fill_id)
        case Alert():
            lock = message.kind in LOCKS
            return ("lock", message.game_id) if lock else ("alert", message.alert_id)


def order_of(message: Message) -> tuple[int, int]:
    """Larger is newer, of messages with one key."""
    match message:
        case Stake():
            # Another game, or the bankroll, can move a stake at one and the same position.
            return message.position, message.decided_us or message.as_of_us
        case Prediction() | Alert():
            return message.position, 0
        case _:
            return event_time(message), 0


def identity(message: Message) -> str:
    """The deterministic id that a repeated delivery has too."""
    found: str = getattr(message, CONTRACTS[TOPIC_OF[type(message)]].identity)
    return found


def edge_of(message: Message) -> float | None:
    """The largest edge that it offers; none where it offers none."""
    match message:
        case Stake():
            return message.edge
        case Prediction():
            return max((one.edge for one in message.best if one.edge is not None), default=None)
        case _:
            return None


class Verdict(Enum):
    NEWS = auto()
    REPEAT = auto()
    """This very message came before."""
    OLDER = auto()
    """Something newer is known, or it is history of a game long over, or it is no news at all."""


@dataclass(slots=True)
class _Newest:
    order: tuple[int, int]
    ids: list[str]
    """Of all that came at this moment: a repeat of any of them is no news."""
    edge: float | None


class News:
    """One partition's memory."""

    def __init__(self, keep: int = KEYS) -> None:
        self._keep = keep
        self._newest: dict[Key, _Newest] = {}
        self._clock_us = 0
        self.edge: float | None = None
        """Of the last message that was news, or of the one whose place it took: the larger."""

    def hear(self, message: Message) -> Verdict:
        """Told of every message of the partition, in its order."""
        moment = event_time(message)
        self._clock_us = max(self._clock_us, moment)
        long_ago = self._clock_us - RETAIN_US
        # Old alone says nothing: a partition's games need not be told of in one order of time.
        if moment < long_ago and latest_start(message.game_id) < long_ago:
            return Verdict.OLDER  # history that somebody fills in
        if isinstance(message, Prediction) and message.shadow:
            return Verdict.OLDER  # a follower would take it for the price
        key, order, name = key_of(message), order_of(message), identity(message)
        edge = edge_of(message)
        self.edge = edge
        known = self._newest.pop(key, None)
        if known is None:
            self._newest[key] = _Newest(order, [name], edge)
            if len(self._newest) > self._keep:
                del self._newest[next(iter(self._newest))]
            return Verdict.NEWS
        self._newest[key] = known  # at the end: touched last
        if order < known.order:
            return Verdict.OLDER
        if order > known.order:
            known.order, known.ids = order, [name]
        elif name in known.ids:
            return Verdict.REPEAT
        else:
            # At the same moment the one that arrived last wins: Kafka keeps a game's order.
            known.ids = [*known.ids[1 - _TIES :], name]
        self.edge = max((one for one in (edge, known.edge) if one is not None), default=None)
        known.edge = edge
        return Verdict.NEWS


class Bits:
    """Which offsets of a partition were news: a bit each."""

    def __init__(self, base: int = 0) -> None:
        self._base = base
        self._bits = bytearray()

    def add(self, offset: int) -> None:
        byte, bit = divmod(offset - self._base, 8)
        if byte >= len(self._bits):
            self._bits.extend(bytes(byte + 64 - len(self._bits)))
        self._bits[byte] |= 1 << bit

    def __contains__(self, offset: int) -> bool:
        byte, bit = divmod(offset - self._base, 8)
        return 0 <= byte < len(self._bits) and bool(self._bits[byte] >> bit & 1)
