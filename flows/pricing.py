"""The half of a backtest in which no bankroll has a say: events folded into games, games scored."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from flows.score import SCORE_BATCH
from flows.steps.decode import DAYS_AFTER_GAME, Decoded
from flows.steps.game import GameStep, ToScore
from flows.steps.records import Outgoing
from flows.steps.score import Scorer
from models.boosters.scoring import TargetModel
from models.features.fold import FoldRules
from models.staking.candidate import Priced
from schemas.decisions import DeadLetter
from schemas.events import GameResult, day_of
from schemas.settings import Settings
from schemas.time import US_PER_DAY, from_us
from schemas.topics import Topic


class Period(NamedTuple):
    """Models, and the event time from which on they score."""

    from_us: int
    models: Sequence[TargetModel]


@dataclass
class Looked:
    """What was scored, and what could not be."""

    positions: int = 0
    before_models: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Reason -> events that the fold did not take."""

    def add(self, other: "Looked") -> None:
        self.positions += other.positions
        self.before_models += other.before_models
        self.refused += other.refused


class Prices(Protocol):
    """Says what can be bet on after each event."""

    looked: Looked

    def of(self, events: Sequence[Decoded]) -> list[Sequence[Priced]]:
        """Of each of the next events by event time, the positions that it led to."""


class Pricing:
    """The fold and score steps of the live flow, in this process."""

    def __init__(self, settings: Settings, periods: Sequence[Period]) -> None:
        """Raises ModelRefused."""
        self._settings, self._folding = settings, FoldRules.of(settings)
        self._periods = sorted(periods, key=lambda one: one.from_us)
        for period in periods:
            Scorer(settings, period.models)  # refuses what it would refuse in the middle
        self._scorer: Scorer | None = None
        self._folds: dict[str, GameStep] = {}
        self._day = 0
        self.looked = Looked()

    def of(self, events: Sequence[Decoded]) -> list[Sequence[Priced]]:
        found: list[list[Priced]] = [[] for _ in events]
        tasks: list[ToScore] = []
        places: list[int] = []
        for place, decoded in enumerate(events):
            now_us = decoded.record.timestamp_us
            while self._periods and now_us >= self._periods[0].from_us:
                self._score(tasks, places, found)
                tasks, places = [], []
                self._swap(self._periods.pop(0).models)
            self._forget(now_us)
            if not isinstance(decoded.event, GameResult):
                made = self._fold(decoded)
                tasks += made
                places += [place] * len(made)
        self._score(tasks, places, found)
        return list(found)

    def _swap(self, models: Sequence[TargetModel]) -> None:
        if self._scorer is None:
            self._scorer = Scorer(self._settings, models)
        else:
            self._scorer.swap(models)

    def _forget(self, now_us: int) -> None:
        """Once a day: games of which the decode step takes no more."""
        if now_us // US_PER_DAY <= self._day:
            return
        self._day = now_us // US_PER_DAY
        last = from_us(now_us - (DAYS_AFTER_GAME + 1) * US_PER_DAY).date()
        for game_id in [one for one in self._folds if day_of(one) < last]:
            del self._folds[game_id]

    def _fold(self, decoded: Decoded) -> list[ToScore]:
        game_id = decoded.event.game_id
        step = self._folds.get(game_id)
        if step is None:
            step = self._folds[game_id] = GameStep(self._folding, None)
        tasks = []
        for said in step.on_batch([decoded]):
            if isinstance(said, ToScore):
                tasks.append(said)
            elif said.topic is Topic.DEAD_LETTERS:
                self.looked.refused[_reason(said)] += 1
        return tasks

    def _score(
        self, tasks: Sequence[ToScore], places: Sequence[int], found: list[list[Priced]]
    ) -> None:
        if self._scorer is None:
            self.looked.before_models += len(tasks)
            return
        self.looked.positions += len(tasks)
        for begin in range(0, len(tasks), SCORE_BATCH):
            end = begin + SCORE_BATCH
            for place, priced in zip(
                places[begin:end], self._scorer.price(tasks[begin:end]), strict=True
            ):
                found[place].append(priced)


def _reason(letter: Outgoing) -> str:
    return DeadLetter.model_validate_json(letter.value).reason
