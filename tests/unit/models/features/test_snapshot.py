"""A state written and read again: the same, and what both know where the layout has changed."""

from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features.catalogue import CONTEXT
from models.features.fold import FoldRules, GameState
from models.features.layout import GAME, MAX_BOOKS, RINGS
from schemas.errors import ConfigError
from schemas.events import Event
from schemas.markets import Market
from schemas.settings import Settings
from tests import samples
from tests.unit.models.features.facts import facts, value
from tests.unit.streams import BOOKS, CUTOFF, RULES, fold_all, seconds, splits, streams

CUT = seconds(CUTOFF)


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_a_restored_state_goes_on_as_if_it_had_never_stopped(data: st.DataObject) -> None:
    events = data.draw(streams(last=CUTOFF + 3_600_000_000))
    stop = data.draw(st.integers(0, len(events)))
    straight = fold_all(events)
    resumed = GameState.restore(RULES, fold_all(events[:stop]).snapshot())
    for event in events[stop:]:
        resumed.fold(event)
    same = resumed.snapshot() == straight.snapshot()
    assert same
    assert facts(resumed) == facts(straight)
    assert resumed.held == straight.held


def _unpacked(state: GameState) -> dict[str, Any]:
    stored: dict[str, Any] = msgpack.unpackb(state.snapshot(), strict_map_key=False)
    return stored


EVENTS: list[Event] = [
    samples.game(0, context={CONTEXT[3]: 1.5, CONTEXT[0]: 2.5}, context_as_of_us=samples.at(0)),
    samples.line(60),
    splits(90, source="vsin"),
    samples.line(150, 1.8, 2.1, book="circa"),
    samples.line(CUT + 60, 1.5, 2.7),
    splits(CUT + 70, tickets=11.0),
    samples.game(CUT + 80, context={CONTEXT[3]: 9.0}, context_as_of_us=samples.at(CUT)),
]
"""The last three past the cutoff: held."""


def test_a_restored_state_knows_what_it_has_seen() -> None:
    resumed = GameState.restore(RULES, fold_all(EVENTS).snapshot())
    assert not any(resumed.fold(event) for event in EVENTS)


@pytest.mark.parametrize("version", [1, 999])
def test_a_snapshot_written_in_another_way_is_refused(version: int) -> None:
    """The first version, which had no fields in it, too."""
    stored = _unpacked(GameState(RULES)) | {"version": version}
    del stored["fields"]
    with pytest.raises(ConfigError, match=rf"another version \({version}, not 2\)") as refused:
        GameState.restore(RULES, msgpack.packb(stored))
    assert "empty recovery folder" in str(refused.value)


def older(
    state: GameState, drop: set[str], reshape: dict[str, tuple[str, list[int]]], names: list[str]
) -> bytes:
    """The state's snapshot as an older layout would have written it.

    drop: fields that it had not. reshape: field -> numpy type and shape that it had instead.
    names: its names of context; one that is known no more is worth 7.
    """
    stored = _unpacked(state)
    fields: list[list[Any]] = [["gone", "<f8", [2]]]
    for name, kind, shape in stored["fields"]:
        if name == "context":
            shape = [len(names)]
        if name not in drop:
            fields.append([name, *reshape.get(name, (kind, shape))])
    layout = np.dtype([(name, kind, tuple(shape)) for name, kind, shape in fields], align=True)
    old = np.ones(1, layout)
    for name in set(layout.names or ()) - {"gone", "context", *reshape}:
        old[name] = state.record[name]
    worth = dict(zip(CONTEXT, state.record["context"][0], strict=True))
    if "context" not in drop:
        old["context"] = [[worth.get(name, 7.0) for name in names]]
    packed: bytes = msgpack.packb(
        stored | {"fields": fields, "record": old.tobytes(), "context": names}
    )
    return packed


def test_a_record_of_another_layout_keeps_what_both_know() -> None:
    state = fold_all(EVENTS)
    names = ["forgotten", *CONTEXT[5:1:-1]]
    reshape = {"moves": ("<i8", [3]), "coarse_line": ("<f4", [9, 3, MAX_BOOKS])}
    packed = older(state, {"tickets", "fine_price_first", "context_order"}, reshape, names)
    restored = GameState.restore(RULES, packed)
    assert restored.record.dtype == GAME
    for name in GAME.names or ():
        kept, was = restored.record[name], state.record[name]
        if name in {"tickets", "fine_price_first", "coarse_line"}:
            assert np.isfinite(was).any(), name
            assert np.isnan(kept).all(), name
        elif name in {"moves", "context_order"}:
            assert was.any(), name
            assert not kept.any(), name
        elif name == "context":
            at = CONTEXT.index(CONTEXT[3])
            assert kept[0, at] == 1.5
            assert np.isnan(np.delete(kept[0], at)).all()
        else:
            np.testing.assert_array_equal(kept, was, err_msg=name)
    assert (restored.position, restored.newest_us) == (state.position, state.newest_us)
    assert restored.held == state.held
    assert not any(restored.fold(event) for event in EVENTS)


def test_a_record_without_context_has_none() -> None:
    state = fold_all(EVENTS)
    restored = GameState.restore(RULES, older(state, {"context"}, {}, []))
    assert np.isnan(restored.record["context"]).all()
    assert restored.record["context_order"] == state.record["context_order"]


def test_a_state_of_another_layout_goes_on() -> None:
    packed = older(fold_all(EVENTS), {"probability", "context_order"}, {}, list(CONTEXT[:4]))
    restored = GameState.restore(RULES, packed)
    assert np.isnan(value(restored, "moneyline_consensus"))
    restored.fold(samples.line(200, 2.0, 2.0))
    restored.fold(samples.game(210, context={CONTEXT[9]: 3.0}, context_as_of_us=samples.at(9)))
    assert value(restored, "moneyline_consensus") == 0.5
    assert [value(restored, CONTEXT[at]) for at in (3, 9)] == pytest.approx(
        [np.nan, 3.0], nan_ok=True
    )
    again = GameState.restore(RULES, restored.snapshot())
    assert facts(again) == facts(restored)


def test_books_named_in_another_order_keep_their_quotes() -> None:
    """Columns follow the settings: a restart with other settings must not mix the books up."""
    events = [
        samples.game(0),
        *(
            one
            for number, book in enumerate(BOOKS)
            for one in (
                samples.line(60 + number, 1.5 + number / 10, 2.5, book=book),
                samples.line(70 + number, book=book, market=Market.TOTAL),
                splits(80 + number, tickets=40.0 + number, book=book),
                samples.line(CUT + number + 1, 1.5, 2.7, book=book),
            )
        ),
    ]
    # One is gone, one is new.
    other = FoldRules.of(Settings(books=(*BOOKS[:0:-1], "caesars")))
    restored = GameState.restore(other, fold_all(events).snapshot())
    left = [one for one in events if getattr(one, "book", None) != BOOKS[0]]
    straight = fold_all(left, other)
    straight.record["moves"] = restored.record["moves"]
    for ring in RINGS:
        straight.record[ring.moves] = restored.record[ring.moves]
    assert restored.record.tobytes() == straight.record.tobytes()
    assert restored.held == straight.held
    again = GameState.restore(other, restored.snapshot())
    assert facts(again) == facts(restored)
