"""Columns against the fold: the same records, at the same positions, from any stream."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import polars as pl
from hypothesis import given, settings

from models.features.fold import GameState
from models.features.history import History
from models.features.kernel import FeatureSet
from models.features.layout import GAME
from models.features.offline import records
from schemas.errors import RejectedEvent
from schemas.events import BettingSplits, Event, LineMovement
from schemas.settings import Settings
from tests.unit.frames import frames_of
from tests.unit.streams import RULES, disorder

FEATURES = FeatureSet.of(Settings())
Folded = dict[tuple[str, int], bytes]
"""(game, position) -> record."""


def fold(events: Sequence[Event]) -> tuple[Folded, list[tuple[str, int, int, int]]]:
    """Record at each position; (game, position, as-of, start) at those that are scored."""
    states: defaultdict[str, GameState] = defaultdict(lambda: GameState(RULES))
    found: Folded = {}
    scored = []
    for event in events:
        if isinstance(event, LineMovement | BettingSplits) and event.book not in RULES.book_index:
            continue
        state = states[event.game_id]
        try:
            is_news = state.fold(event)
        except RejectedEvent:
            continue
        if is_news:
            found[event.game_id, state.position] = state.record.tobytes()
        if is_news and state.wants_scoring(event):
            state.dirty = False
            start = int(state.record["start_us"][0])
            scored.append((event.game_id, state.position, state.as_of_us, start))
    return found, sorted(scored)


def assert_equal(events: Sequence[Event]) -> None:
    folded, scored = fold(events)
    history = History.of(frames_of(events), RULES)
    assert history.scored().sort("game_id", "position").rows() == scored
    decisions = pl.DataFrame(
        list(folded), schema={"game_id": pl.String, "position": pl.Int64}, orient="row"
    )
    built = [row for batch in records(history, decisions) for row in batch]
    for row, ((game_id, position), stored) in zip(built, folded.items(), strict=True):
        live = np.frombuffer(stored, GAME)[0]
        for name in GAME.names or ():
            same = row[name].tobytes() == live[name].tobytes()
            assert same, (game_id, position, name, row[name], live[name])
        whole = row.tobytes() == stored
        assert whole
    kept = history.rows.filter("kept")
    assert kept.height == len(folded)


@settings(deadline=None, max_examples=150)
@given(disorder())
def test_any_stream_gives_the_records_of_the_fold(events: list[Event]) -> None:
    assert_equal(events)
