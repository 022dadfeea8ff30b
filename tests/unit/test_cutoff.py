"""The cutoff, layer by layer: an event one microsecond too late gets through none of them.

Neither where the start has been moved, either way, before it came.
"""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from flows.steps.decode import Decoded
from flows.steps.game import GameStep, ToScore
from flows.steps.records import Record
from models.boosters.dataset import Sample, sample
from models.features.history import History
from models.features.kernel import FeatureSet
from models.features.offline import features_at
from schemas.decisions import FeatureHeader, Prediction
from schemas.events import Event, GameUpdate
from schemas.markets import Market
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE
from schemas.topics import Topic
from tests import samples
from tests.unit.frames import frames_of
from tests.unit.streams import CUTOFF, RULES, splits

FEATURES = FeatureSet.of(Settings())
MOVES = pytest.mark.parametrize("moved", [0, 45, -45], ids=["as announced", "later", "earlier"])
"""By how many minutes the start is moved before the event comes."""


def context(at_us: int) -> GameUpdate:
    return update(at_us, context={"home_form": 0.9}, context_as_of_us=at_us - 1)


def update(at_us: int, **over: Any) -> GameUpdate:
    return samples.game(occurred_at_us=at_us, source="odds", **over)


LATE: dict[str, Callable[[int], Event]] = {
    "quote": lambda at: samples.line(occurred_at_us=at, home=1.5, away=2.8),
    "total": lambda at: samples.line(occurred_at_us=at, market=Market.TOTAL, book="circa"),
    "splits": lambda at: splits(occurred_at_us=at, tickets=10.0),
    "context": context,
    "quotes stand": lambda at: update(at, quotes_stand=True),
}
EVENTS = pytest.mark.parametrize("late", LATE.values(), ids=LATE.keys())


def before(moved: int) -> tuple[list[Event], int, int]:
    """A game up to the event, its start, its cutoff."""
    start = samples.START + moved * US_PER_MINUTE
    events: list[Event] = [
        samples.game(0),
        samples.line(60),
        samples.line(70, book="circa"),
        splits(80),
        samples.game(90, source="odds", quotes_stand=True),
        samples.line(3600, 1.95, 1.95),
    ]
    if moved:
        events.append(samples.game(3700, start_time_us=start))
    return events, start, CUTOFF + moved * US_PER_MINUTE


def moved_with(event: Event, start: int) -> Event:
    """An update says the start that is known, whatever else it says."""
    if not isinstance(event, GameUpdate):
        return event
    return event.model_copy(update={"start_time_us": start})


def fold(events: list[Event]) -> list[ToScore]:
    """What the step asks to score; which topic an event came over does not matter here."""
    out = GameStep(RULES, None).on_batch(
        Decoded(event, Record(Topic.LINES, 0, number, 0, b"", b"", b""))
        for number, event in enumerate(events)
    )
    return [item for item in out if isinstance(item, ToScore)]


@MOVES
@EVENTS
def test_the_fold_step(late: Callable[[int], Event], moved: int) -> None:
    events, start, cutoff = before(moved)
    last = fold(events)[-1]
    *_, inside = fold([*events, moved_with(late(cutoff), start)])
    assert (inside.lock_reason, inside.as_of_us) == (None, cutoff)
    assert inside.record != last.record
    *_, outside = fold([*events, moved_with(late(cutoff + 1), start)])
    assert outside.lock_reason == "past cutoff"
    assert outside.as_of_us == last.as_of_us < cutoff
    assert outside.cutoff_us == cutoff


@MOVES
@EVENTS
def test_the_vector(late: Callable[[int], Event], moved: int) -> None:
    """Of the offline builder, which has a cutoff of its own; the fold's is the same by parity."""
    events, start, cutoff = before(moved)

    def vector(event: Event) -> bytes:
        history = History.of(frames_of([*events, moved_with(event, start)]), RULES)
        at = pl.DataFrame({"game_id": [samples.GAME], "position": [len(events) + 1]})
        return features_at(history, at, FEATURES).vectors.tobytes()

    plain = History.of(frames_of(events), RULES)
    at = pl.DataFrame({"game_id": [samples.GAME], "position": [len(events)]})
    without = features_at(plain, at, FEATURES).vectors.tobytes()
    assert (vector(late(cutoff)) == without) is False
    assert (vector(late(cutoff + 1)) == without) is True


@MOVES
@EVENTS
def test_the_training_set(late: Callable[[int], Event], moved: int) -> None:
    events, start, cutoff = before(moved)
    result = samples.result(9 * 3600)

    def rows(*more: Event) -> Sample:
        told = [moved_with(event, start) for event in more]
        return sample(History.of(frames_of([*events, *told, result]), RULES), FEATURES)

    plain, inside, outside = rows(), rows(late(cutoff)), rows(late(cutoff + 1))
    assert outside.rows.equals(plain.rows)
    assert outside.features.vectors.tobytes() == plain.features.vectors.tobytes()
    assert (inside.rows["as_of_us"] <= cutoff).all()
    # Word that quotes stand is scored where it makes stale ones good again, as here.
    assert inside.rows["as_of_us"].max() == cutoff


def header(as_of_us: int) -> FeatureHeader:
    return FeatureHeader(
        game_id=samples.GAME,
        position=1,
        as_of_us=as_of_us,
        cutoff_us=CUTOFF,
        feature_set="f00d",
        count=1,
        completeness=1.0,
        completeness_by={},
        source_age_ms={},
    )


def prediction(as_of_us: int) -> Prediction:
    return samples.prediction(as_of_us=as_of_us, cutoff_us=CUTOFF)


@pytest.mark.parametrize("made", [header, prediction])
def test_the_schema(made: Callable[[int], FeatureHeader | Prediction]) -> None:
    assert made(CUTOFF).as_of_us == CUTOFF
    with pytest.raises(ValidationError, match="event that they must not see"):
        made(CUTOFF + 1)
