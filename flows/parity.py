"""The live path against the offline builder: every vector, bit for bit.

Live is what the score flow does, without servers: bytes, decode, fold, kernel, all games
interleaved by event time. Offline knows no event by event: columns, then the same kernel.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from flows.connectors.feature_store import FeatureStore
from flows.connectors.parquet import ArchiveRecord, read_archive
from flows.offline import groups, read_frames
from flows.score import SCORE_BATCH
from flows.steps.decode import DecodeRules, decode_batch
from flows.steps.game import GameStep, ToScore
from flows.steps.records import Outgoing, Record
from models.features.arrays import Array
from models.features.catalogue import NAMES
from models.features.fold import FoldRules
from models.features.history import History
from models.features.kernel import FeatureSet
from models.features.layout import GAME
from models.features.leakcheck import differ
from models.features.offline import features_at
from schemas.settings import Settings
from schemas.topics import INPUTS
from schemas.wire import SCHEMA_VERSION

_DECODED = 512
"""Records to one decode."""


@dataclass(frozen=True)
class Difference:
    game: str
    position: int
    feature: str
    """`position` where only one of both has a vector there."""
    live: float | None
    """None stands for a missing value."""
    offline: float | None


@dataclass
class Parity:
    """What was compared so far."""

    vectors: int = 0
    mismatches: int = 0
    """Vectors that differ, or that one of both does not have."""
    first: Difference | None = None
    games: int = 0
    events: int = 0
    refused: int = 0
    """Events that went to the dead letters."""

    def report(self) -> dict[str, Any]:
        return asdict(self)

    def compare(self, decisions: pl.DataFrame, live: Array, offline: Array) -> None:
        """decisions: game_id, position of the rows; vectors float32, shape (n, features)."""
        different = differ(live, offline)
        self.vectors += len(live)
        wrong = np.flatnonzero(different.any(axis=1))
        if len(wrong):
            row = int(wrong[0])
            column = int(np.flatnonzero(different[row])[0])
            game_id, position = decisions.select("game_id", "position").row(row)
            values = (_value(live[row, column]), _value(offline[row, column]))
            self._differ(len(wrong), game_id, position, NAMES[column], *values)

    def missing(self, game_id: str, position: int) -> None:
        """A position at which only one of both has a vector."""
        self._differ(1, game_id, position, "position", None, None)

    def _differ(
        self,
        count: int,
        game_id: str,
        position: int,
        feature: str,
        live: float | None,
        offline: float | None,
    ) -> None:
        self.mismatches += count
        self.first = self.first or Difference(game_id, position, feature, live, offline)


def _value(number: np.float32) -> float | None:
    return None if np.isnan(number) else float(number)


@dataclass
class LivePath:
    """The score flow of all games, up to the vectors."""

    rules: FoldRules
    decoding: DecodeRules
    features: FeatureSet
    steps: dict[str, GameStep] = field(default_factory=dict)
    waiting: list[ToScore] = field(default_factory=list)
    made: dict[str, list[tuple[int, bool, Array]]] = field(default_factory=dict)
    """Game -> (position, priced there rather than locked, vector)."""
    refused: int = 0

    def take(self, records: list[Record]) -> None:
        for item in decode_batch(records, self.decoding):
            if isinstance(item, Outgoing):
                self.refused += 1
                continue
            game_id, decoded = item
            step = self.steps.get(game_id)
            if step is None:
                step = self.steps[game_id] = GameStep(self.rules, None)
            for said in step.on_batch([decoded]):
                if isinstance(said, ToScore):
                    self.waiting.append(said)
                else:
                    self.refused += said.topic.value == "dead-letters"
        while len(self.waiting) >= SCORE_BATCH:
            self.score()

    def score(self) -> None:
        tasks, self.waiting = self.waiting[:SCORE_BATCH], self.waiting[SCORE_BATCH:]
        rows = np.frombuffer(b"".join(task.record for task in tasks), GAME)
        vectors = self.features.vectors(rows, self.features.view(rows))
        for task, vector in zip(tasks, vectors, strict=True):
            at = (task.position, task.lock_reason is None, vector)
            self.made.setdefault(task.game_id, []).append(at)

    def leave(self, game_id: str) -> list[tuple[int, bool, Array]]:
        """What the game came to; it is forgotten."""
        self.steps.pop(game_id, None)
        return self.made.pop(game_id, [])


def compare_archive(
    root: Path,
    settings: Settings,
    games: int | None = None,
    watch: Callable[[Iterable[ArchiveRecord]], Iterable[ArchiveRecord]] = iter,
) -> Parity:
    """Every vector of the archive, or of its first games.

    Games are compared and forgotten when the last of their days is through. `watch` sees the
    records go by. Raises DataMissing where there is no archive.
    """
    rules = FoldRules.of(settings)
    live = LivePath(rules, DecodeRules.of(settings), FeatureSet.of(settings))
    waiting = sorted(groups(root, games=games), key=lambda group: group.last_us, reverse=True)
    wanted = None if games is None else {name for group in waiting for name in group.game_ids}
    found = Parity()
    for records in batches(watch(read_archive(root, INPUTS, games=wanted))):
        while waiting and records[0].timestamp_us > waiting[-1].last_us:
            while live.waiting:
                live.score()
            group = waiting.pop()
            _compare_games(found, live, History.of(read_frames(root, group), rules))
        found.events += len(records)
        live.take(records)
    while live.waiting:
        live.score()
    for group in reversed(waiting):
        _compare_games(found, live, History.of(read_frames(root, group), rules))
    found.refused = live.refused
    return found


def batches(records: Iterable[ArchiveRecord]) -> Iterator[list[Record]]:
    """Archived events as the decode step gets them."""
    batch: list[Record] = []
    version = SCHEMA_VERSION
    for number, (topic, game_id, _, time_us, value) in enumerate(records):
        batch.append(Record(topic, 0, number, time_us, game_id.encode(), value, version))
        if len(batch) == _DECODED:
            yield batch
            batch = []
    if batch:
        yield batch


def _compare_games(found: Parity, live: LivePath, history: History) -> None:
    made = {game_id: live.leave(game_id) for game_id in history.game_ids}
    rows = [
        (game_id, position, priced) for game_id, all in made.items() for position, priced, _ in all
    ]
    vectors = [vector for all in made.values() for _, _, vector in all]
    scored = set(history.scored().select("game_id", "position").iter_rows())
    for game_id, position in sorted(scored ^ {row[:2] for row in rows if row[2]}):
        found.missing(game_id, position)
    found.games += len(made)
    if rows:
        schema = {"game_id": pl.String, "position": pl.Int64, "priced": pl.Boolean}
        decisions = pl.DataFrame(rows, schema=schema, orient="row")
        offline = features_at(history, decisions, live.features).vectors
        found.compare(decisions, np.stack(vectors), offline)


def compare_served(root: Path, settings: Settings, games: int | None = None) -> Parity:
    """What the store has of the archive's games against the builder at the same positions.

    The archive must hold what the worker read, in the same order. A vector that the store has and
    these settings cannot read is a mismatch. Raises DependencyDown when Redis does not answer.
    """
    rules, features = FoldRules.of(settings), FeatureSet.of(settings)
    store, found = FeatureStore.of(settings), Parity()
    for group in groups(root, games=games):
        served = store.read(group.game_ids)
        for game_id in served.refused:
            found.missing(game_id, 0)
        if not served.games:
            continue
        history = History.of(read_frames(root, group), rules)
        headers = served.headers
        decisions = pl.DataFrame(
            {"game_id": served.games, "position": [header.position for header in headers]}
        )
        offline = features_at(history, decisions, features).vectors
        found.compare(decisions, served.vectors, offline)
        found.games += len(served.games)
        found.events += history.rows.height
    store.close()
    return found
