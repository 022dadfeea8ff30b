"""Today's board, in memory: the newest of everything that was said about each game.

Pure: messages in, state out. Order and repeats do not matter, because a message only ever
replaces an older one; what is older, or the same again, changes nothing and says so.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from schemas.bets import Settlement
from schemas.decisions import LOCKS, Alert, AlertKind, Prediction, Stake
from schemas.events import GameResult, GameUpdate, LineMovement, day_of
from schemas.feed import RETAIN_US
from schemas.markets import Market, Target
from schemas.time import US_PER_MINUTE, to_us

Message = GameUpdate | LineMovement | GameResult | Prediction | Stake | Alert | Settlement

HISTORY = 200
"""Predictions kept a game."""

SIGNALS = 50
"""Alerts kept a game that are no locks."""

SETTLEMENTS = 500
"""Graded bets kept a game."""

_SWEEP_US = 5 * US_PER_MINUTE
# The latest a game of a local date can start in UTC, for games whose schedule is not known yet.
_LATEST_START_US = 30 * 60 * US_PER_MINUTE


def event_time(message: Message) -> int:
    """When it became knowable, microseconds UTC."""
    if isinstance(message, (Prediction, Stake, Alert)):
        return message.as_of_us
    if isinstance(message, Settlement):
        return message.settled_at_us
    return message.occurred_at_us


def latest_start(game_id: str) -> int:
    """The latest start that the id's local date allows. Raises ValueError for an impossible date.

    >>> latest_start("mlb-2026-07-20-BOS-NYY-1") == to_us(datetime(2026, 7, 21, 6, tzinfo=UTC))
    True
    """
    day = day_of(game_id)
    return to_us(datetime(day.year, day.month, day.day, tzinfo=UTC)) + _LATEST_START_US


@dataclass
class Game:
    """The newest of each kind of message about one game."""

    game_id: str
    latest_start_us: int
    schedule: GameUpdate | None = None
    lines: dict[tuple[str, Market], LineMovement] = field(default_factory=dict)
    confirmed_us: dict[str, int] = field(default_factory=dict)
    """{source: when it last looked and found its quotes still standing}"""
    predictions: dict[Target, Prediction] = field(default_factory=dict)
    history: deque[Prediction] = field(default_factory=lambda: deque(maxlen=HISTORY))
    shadows: dict[Target, Prediction] = field(default_factory=dict)
    """What challengers say beside them: never the price."""
    stakes: dict[tuple[str, Market], Stake] = field(default_factory=dict)
    """{(bankroll, market): newest}"""
    lock: Alert | None = None
    signals: list[Alert] = field(default_factory=list)
    """The newest alerts that are no locks, oldest first."""
    result: GameResult | None = None
    settlements: dict[str, Settlement] = field(default_factory=dict)
    """{fill: how it was graded last}, the newest `SETTLEMENTS` of them"""

    @property
    def locked(self) -> bool:
        return self.lock is not None and self.lock.kind is AlertKind.LOCKED

    @property
    def start_us(self) -> int:
        return self.schedule.start_time_us if self.schedule else self.latest_start_us

    @property
    def simulated(self) -> bool:
        """Any part of it is simulated."""
        parts: list[Message | None] = [self.schedule, self.lock, self.result]
        parts += [*self.lines.values(), *self.predictions.values(), *self.stakes.values()]
        parts += [*self.signals, *self.settlements.values()]
        return any(part is not None and part.simulated for part in parts)

    def stands_us(self, line: LineMovement) -> int:
        """When the quote was last known to stand: made, or confirmed by its source since."""
        return max(line.occurred_at_us, self.confirmed_us.get(line.source, 0))

    def apply(self, message: Message) -> bool:
        """True when the message is news. What a shadow says is kept, and is none: who follows the
        feed would take it for the price."""
        match message:
            case LineMovement():
                key = (message.book, message.market)
                if not _later(message, self.lines.get(key)):
                    return False
                self.lines[key] = message
            case Prediction() if message.shadow:
                shadow = self.shadows.get(message.target)
                if shadow is None or message.position >= shadow.position:
                    self.shadows[message.target] = message
                return False
            case Prediction():
                # The same position again is news only from another model.
                known = self.predictions.get(message.target)
                if known is not None and (
                    message.position < known.position
                    or message.prediction_id == known.prediction_id
                ):
                    return False
                self.predictions[message.target] = message
                self.history.append(message)
            case Stake():
                place = (message.bankroll, message.market)
                stake = self.stakes.get(place)
                if stake is not None and (
                    _decided(message) < _decided(stake) or message.stake_id == stake.stake_id
                ):
                    return False
                self.stakes[place] = message
            case Alert() if message.kind not in LOCKS:
                return self._signal(message)
            case Alert():
                if self.lock is not None and (
                    message.position < self.lock.position or message.alert_id == self.lock.alert_id
                ):
                    return False
                self.lock = message
            case GameUpdate():
                if message.quotes_stand:
                    seen = self.confirmed_us.get(message.source, 0)
                    self.confirmed_us[message.source] = max(seen, message.occurred_at_us)
                if not _later(message, self.schedule):
                    return False
                self.schedule = message
            case GameResult():
                if not _later(message, self.result):
                    return False
                self.result = message
            case Settlement():
                graded = self.settlements.get(message.fill_id)
                if graded is not None and (
                    message.settled_at_us < graded.settled_at_us
                    or message.settlement_id == graded.settlement_id
                ):
                    return False
                self.settlements.pop(message.fill_id, None)
                self.settlements[message.fill_id] = message
                if len(self.settlements) > SETTLEMENTS:
                    del self.settlements[next(iter(self.settlements))]
        return True

    def _signal(self, alert: Alert) -> bool:
        if any(one.alert_id == alert.alert_id for one in self.signals):
            return False
        kept = sorted([*self.signals, alert], key=lambda one: (one.position, one.alert_id))
        self.signals = kept[-SIGNALS:]
        return len(kept) <= SIGNALS or kept[0] is not alert


def _decided(stake: Stake) -> tuple[int, int]:
    """Another game, or the bankroll, can move a stake at one and the same position."""
    return stake.position, stake.decided_us or stake.as_of_us


def _later(
    message: LineMovement | GameUpdate | GameResult,
    known: LineMovement | GameUpdate | GameResult | None,
) -> bool:
    if known is None:
        return True
    # At the same moment the one that arrived last wins: Kafka keeps a game's order.
    return message.occurred_at_us >= known.occurred_at_us and message.event_id != known.event_id


class Board:
    """Games by id; bounded, because a game leaves `RETAIN_US` after its start."""

    def __init__(self) -> None:
        self.games: dict[str, Game] = {}
        self.newest_us: int | None = None
        """Newest event time of all messages: the board's only clock."""
        self._swept_us = 0

    def apply(self, message: Message) -> bool:
        """Fold one message in; True when it is news. Raises ValueError for an impossible id."""
        moment = event_time(message)
        game = self.games.get(message.game_id)
        if game is None:
            game = Game(message.game_id, latest_start(message.game_id))
            start = message.start_time_us if isinstance(message, GameUpdate) else game.start_us
            if self.newest_us is not None and start + RETAIN_US < self.newest_us:
                return False
            self.games[message.game_id] = game
        news = game.apply(message)
        self.newest_us = moment if self.newest_us is None else max(self.newest_us, moment)
        if self.newest_us >= self._swept_us + _SWEEP_US:
            self._sweep(self.newest_us)
        return news

    def ordered(self, only: Iterable[str] | None = None) -> list[Game]:
        """By start, then id; `only` these ids when given."""
        wanted = self.games.values() if only is None else self._named(only)
        return sorted(wanted, key=lambda game: (game.start_us, game.game_id))

    def _named(self, ids: Iterable[str]) -> list[Game]:
        return [self.games[game_id] for game_id in ids if game_id in self.games]

    def _sweep(self, now_us: int) -> None:
        self._swept_us = now_us
        self.games = {
            game_id: game
            for game_id, game in self.games.items()
            if game.start_us + RETAIN_US >= now_us
        }
