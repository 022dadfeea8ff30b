"""Training rows: the live fold and the live kernel, stopped at decision times."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from models.features.arrays import Array
from models.features.fold import FoldRules, GameState
from models.features.kernel import FeatureSet
from models.features.layout import GAME
from schemas.errors import DataMissing, RejectedEvent
from schemas.events import BettingSplits, Event, GameResult, LineMovement
from schemas.time import US_PER_MINUTE

DECISION_MINUTES: tuple[int, ...] = (60, 120, 180, 360, 720)
"""Minutes before first pitch; of the positions from one to the next earlier, the last is taken."""

_KERNEL_BATCH = 512


@dataclass(frozen=True)
class TrainingSet:
    """One row a game and decision time, in order of first pitch, then decision time."""

    game: Array
    """(n,) int, index of the game; rows of one game are neighbours."""
    game_ids: list[str]
    as_of_us: Array
    start_us: Array
    vectors: Array
    """(n, features) float32."""
    consensus: Array
    """(n, 3) no-vig probability of home or over; NaN without quotes."""
    line: Array
    """(n, 3)"""
    home_score: Array
    away_score: Array
    weight: Array
    """(n,) so that every game counts once."""

    def __len__(self) -> int:
        return len(self.game)


@dataclass
class _Sampled:
    """Minutes before first pitch -> (as-of, start, record) of the last scorable position."""

    at: dict[int, tuple[int, int, bytes]] = field(default_factory=dict)

    def take(self, state: GameState) -> None:
        start = int(state.record["start_us"][0])
        left = (start - state.as_of_us) / US_PER_MINUTE
        reached = [minutes for minutes in DECISION_MINUTES if left >= minutes]
        if reached:
            self.at[reached[-1]] = (state.as_of_us, start, state.record.tobytes())


def build_training_set(
    events: Iterable[Event], rules: FoldRules, features: FeatureSet
) -> TrainingSet:
    """Rows of every game that has a result. Raises DataMissing without any.

    events: in event-time order, results among them. What the live flow would reject as too
    late or of an unknown book is left out here too.
    """
    states: dict[str, GameState] = {}
    sampled: dict[str, _Sampled] = {}
    results: dict[str, tuple[int, int]] = {}
    for event in events:
        if isinstance(event, GameResult):
            results[event.game_id] = (event.home_score, event.away_score)
            states.pop(event.game_id, None)
            continue
        if isinstance(event, LineMovement | BettingSplits) and event.book not in rules.book_index:
            continue
        state = states.get(event.game_id)
        if state is None:
            state = states[event.game_id] = GameState(rules)
        try:
            state.fold(event)
        except RejectedEvent:
            continue
        if state.wants_scoring(event):
            sampled.setdefault(event.game_id, _Sampled()).take(state)
            state.dirty = False
    rows = sorted(
        (as_of, game_id, start, record)
        for game_id, samples in sampled.items()
        if game_id in results
        for as_of, start, record in samples.at.values()
    )
    if not rows:
        raise DataMissing("no game with both prices before the cutoff and a result")
    return _assemble(rows, results, features)


def _assemble(
    rows: list[tuple[int, str, int, bytes]],  # (as-of, game id, start as known then, record)
    results: dict[str, tuple[int, int]],
    features: FeatureSet,
) -> TrainingSet:
    # A start that moved splits a game's rows: all of them go to its last known start.
    last_start = {game_id: start for _, game_id, start, _ in rows}
    rows = sorted(rows, key=lambda row: (last_start[row[1]], row[1], row[0]))
    game_ids = list(dict.fromkeys(row[1] for row in rows))
    number = {game_id: index for index, game_id in enumerate(game_ids)}
    game = np.array([number[row[1]] for row in rows])
    vectors, consensus, line = [], [], []
    for batch in _batches([row[3] for row in rows]):
        view = features.view(batch)
        vectors.append(features.vectors(batch, view))
        consensus.append(view.consensus)
        line.append(view.line)
    return TrainingSet(
        game=game,
        game_ids=game_ids,
        as_of_us=np.array([row[0] for row in rows]),
        start_us=np.array([last_start[row[1]] for row in rows]),
        vectors=np.concatenate(vectors),
        consensus=np.concatenate(consensus),
        line=np.concatenate(line),
        home_score=np.array([results[row[1]][0] for row in rows], np.float64),
        away_score=np.array([results[row[1]][1] for row in rows], np.float64),
        weight=1.0 / np.bincount(game)[game],
    )


def _batches(records: list[bytes]) -> Iterator[Array]:
    for begin in range(0, len(records), _KERNEL_BATCH):
        yield np.frombuffer(b"".join(records[begin : begin + _KERNEL_BATCH]), GAME)
