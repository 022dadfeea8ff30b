"""Tiles: a window begins where its words say, to the microsecond; memory is bounded."""

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features.fold import GameState
from models.features.layout import GAME, RINGS
from schemas.events import Event
from schemas.markets import Market
from schemas.time import US_PER_MINUTE, US_PER_SECOND
from tests import samples
from tests.unit.models.features.facts import value
from tests.unit.streams import BOOKS, CUTOFF, RULES, fold_all, moments, quotes, splits

NEWEST = (CUTOFF // (15 * US_PER_MINUTE) - 1) * 15 * US_PER_MINUTE
"""Start of the newest tile, of both widths."""
US_PER_HOUR = 60 * US_PER_MINUTE
DAY = samples.OPEN + 24 * US_PER_HOUR
WINDOWS = [(5, 1), (15, 1), (60, 15), (180, 15)]
"""Minutes of a window and width of its tiles."""


def quote(at_us: int, fair: float, **over: Any) -> Event:
    """Without margin, so that the fair probability is what it says."""
    return samples.line(occurred_at_us=at_us, home=1 / fair, away=1 / (1 - fair), **over)


@pytest.mark.parametrize(("minutes", "width"), WINDOWS)
@pytest.mark.parametrize("last_of_the_tile", [False, True])
@pytest.mark.parametrize("beside", [-1, 0, 1])
def test_a_window_begins_at_a_tile_bound(
    minutes: int, width: int, last_of_the_tile: bool, beside: int
) -> None:
    """A quote a microsecond before the bound is what was then; one at it is a move since."""
    as_of = NEWEST + (width * US_PER_MINUTE - 1 if last_of_the_tile else 0)
    bound = NEWEST - (minutes - width) * US_PER_MINUTE
    events: list[Event] = [
        samples.game(0),
        *(
            one
            for market in (Market.MONEYLINE, Market.TOTAL)
            for one in (
                quote(bound - 10 * US_PER_MINUTE, 0.5, market=market),
                quote(bound + beside, 0.625, market=market),
                quote(as_of, 0.25, market=market),
            )
        ),
    ]
    change = 0.25 - (0.625 if beside < 0 else 0.5)
    for ordered in (events, events[::-1]):
        state = fold_all(ordered)
        for market in ("moneyline", "total"):
            assert value(state, f"{market}_change_{minutes}m") == pytest.approx(change, abs=1e-7)
            if minutes in (15, 180):
                moves = 1 if beside < 0 else 2
                assert value(state, f"{market}_moves_{minutes}m") == moves
            if minutes in (5, 15):
                assert value(state, f"{market}_steam_{minutes}m") == -1.0


@pytest.mark.parametrize("tiles_ago", [0, 1, 3, 4, 11, 12])
def test_a_steam_move_is_in_its_own_tile(tiles_ago: int) -> None:
    """Three books of four rise; twelve tiles count, the newest among them."""
    began, as_of = NEWEST - tiles_ago * 15 * US_PER_MINUTE, NEWEST + 5 * US_PER_MINUTE
    events: list[Event] = [samples.game(0)]
    for number, (book, rise) in enumerate(zip(BOOKS, (0.04, 0.04, 0.02, 0.0), strict=False)):
        # The last microseconds of the tile before, the first of its own.
        events.append(quote(began - 100 * US_PER_MINUTE - number, 0.5, book=book))
        events.append(quote(began - 1 - number, 0.5, book=book))
        if rise:
            events.append(quote(began + number, 0.5 + rise, book=book))
    events.append(samples.game(occurred_at_us=as_of, source="odds", quotes_stand=True))
    state = fold_all(events)
    counts = tiles_ago < 12
    assert value(state, "moneyline_steam_moves_180m") == counts
    # Consensus of four: .5 before, (.52 + .54) / 2 since.
    largest = 0.03 if counts else 0.0
    assert value(state, "moneyline_steam_largest_180m") == pytest.approx(largest, abs=1e-7)
    age = (as_of - began) / US_PER_MINUTE if counts else math.nan
    assert value(state, "moneyline_steam_age") == pytest.approx(age, rel=1e-6, nan_ok=True)
    # Sharp books only, in the last hour only.
    intensity = 0.04 if tiles_ago < 4 else 0.0
    assert value(state, "moneyline_sharp_intensity") == pytest.approx(intensity, abs=1e-7)


@pytest.mark.parametrize("count", [100, 1_000, 10_000])
def test_memory_does_not_grow_with_what_is_past_the_horizon(count: int) -> None:
    """However many came before: the same events of the last hours leave the same size."""
    rng = random.Random(1)
    recent = [_any(rng, DAY + number * US_PER_MINUTE) for number in range(200)]
    busy = GameState(RULES)
    for number in range(count):
        busy.fold(_any(rng, DAY - RULES.late_us - US_PER_HOUR - (count - number) * US_PER_SECOND))
    quiet = GameState(RULES)
    for event in recent:
        busy.fold(event)
        quiet.fold(event)
    assert busy.record.nbytes == quiet.record.nbytes == GAME.itemsize
    assert sum(map(len, busy.seen.values())) == sum(map(len, quiet.seen.values())) == 200
    # Numbers of msgpack take a few bytes more where they are larger.
    assert len(busy.snapshot()) - len(quiet.snapshot()) < 32
    assert GAME.itemsize < len(busy.snapshot()) < GAME.itemsize + 8_000


def _any(rng: random.Random, at_us: int) -> Event:
    book, market = rng.choice(BOOKS), rng.choice(list(Market))
    kind = rng.random()
    if kind < 0.8:
        return samples.line(occurred_at_us=at_us, book=book, market=market)
    if kind < 0.9:
        return splits(occurred_at_us=at_us, book=book, market=market)
    return samples.game(
        occurred_at_us=at_us,
        start_time_us=2 * DAY,
        context={"home_form": kind},
        context_as_of_us=at_us,
    )


def test_memory_is_bounded() -> None:
    """Five days of quotes every 20 s: the snapshot after five is no larger than after one."""
    start = samples.at(0) + 6 * 86_400_000_000
    state = fold_all([samples.game(0, start_time_us=start)])
    rng = random.Random(1)
    sizes = []
    for number in range(1, 21_600):
        state.fold(
            samples.line(
                number * 20,
                book=rng.choice(BOOKS),
                market=rng.choice(list(Market)),
                event_id=str(number),
            )
        )
        if number % 4_320 == 0:
            sizes.append(len(state.snapshot()))
            # Six hours at three a minute, and the half hour that the oldest is in.
            assert sum(len(bucket) for bucket in state.seen.values()) <= 6.5 * 180
    assert max(sizes) < 1.01 * sizes[0]


def merged(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Tiles of both sets of events: each quote the newer of two, moves the sum."""
    both = one.copy()
    for ring in RINGS:
        later = other[ring.order] > one[ring.order]
        for name in (ring.order, *ring.quotes):
            both[name] = np.where(later, other[name], one[name])
        both[ring.moves] = one[ring.moves] + other[ring.moves]
    return both


@settings(deadline=None, max_examples=80)
@given(st.lists(moments(samples.OPEN + 1, CUTOFF - 1), max_size=40, unique=True), st.data())
def test_tiles_of_parts_merge_to_the_tiles_of_the_whole(
    times: list[int], data: st.DataObject
) -> None:
    """In any grouping: so merging is associative, and which part an event is in does not matter."""
    moves = [data.draw(quotes(at_us)) for at_us in times]
    parts: list[list[Event]] = [[], [], []]
    for move in moves:
        parts[data.draw(st.integers(0, 2))].append(move)
    # The same newest event in each: rings end where their as-of is.
    ends: list[Event] = [samples.game(0), samples.game(occurred_at_us=CUTOFF)]
    a, b, c = (fold_all([*ends, *part]).record for part in parts)
    whole = fold_all([*ends, *moves]).record
    for found in (merged(merged(a, b), c), merged(a, merged(b, c)), merged(c, merged(a, b))):
        for ring in RINGS:
            for name in (ring.order, ring.moves, *ring.quotes):
                assert np.array_equal(found[name], whole[name], equal_nan=ring.order != name), name
