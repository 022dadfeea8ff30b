"""Leaks planted into the real builder: each is found and named, and without one nothing is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features.arrays import Array
from models.features.catalogue import NAMES
from models.features.history import Frames
from models.features.kernel import FeatureSet
from models.features.leakcheck import (
    WARM_UP_HOURS,
    Builder,
    Check,
    Kind,
    Leak,
    offline_builder,
    reopened,
    since_open,
    warm_up,
)
from schemas.events import Event
from schemas.markets import Market
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE
from tests import samples
from tests.unit.frames import frames_of
from tests.unit.streams import CUTOFF, RULES, disorder, splits

FEATURES = FeatureSet.of(Settings())
CLEAN = offline_builder(RULES, FEATURES)
SECOND = samples.GAME[:-1] + "2"
"""The second game of the doubleheader, four hours after the first."""
LATER = 240 * US_PER_MINUTE
HOUR = 3_600
AT = samples.at(3 * HOUR + 30)
"""The decision: an hour and a half before the cutoff."""
GAMES = [samples.GAME, SECOND, samples.OTHER]


def played(game_id: str, shift: float, seed: int) -> list[Event]:
    """A schedule, quotes until an hour into the game, splits, confirmations, a result."""
    rng = np.random.default_rng(seed)
    start = samples.START + round(shift * 1_000_000)
    same: dict[str, Any] = {"game_id": game_id}
    events: list[Event] = [samples.game(0, start_time_us=start, **same)]
    for number, second in enumerate(range(60, 7 * HOUR + round(shift), 600)):
        for book in ("pinnacle", "fanduel", "betmgm"):
            market = list(Market)[(number + len(book)) % 3]
            home = 1.7 + 0.4 * float(rng.random())
            away = round(1 / (1.04 - 1 / home), 2)
            over: dict[str, Any] = {"market": market, "book": book} | same
            if market is Market.TOTAL:
                over["line"] = 7.5 + float(rng.integers(0, 3)) / 2
            events.append(samples.line(second, round(home, 2), away, **over))
        events.append(samples.game(second + 5, source="odds", quotes_stand=True,
                                   start_time_us=start, **same))  # fmt: skip
        if number % 6 == 0:
            events.append(splits(second + 9, tickets=float(rng.integers(20, 80)), **same))
    context = {"home_form": float(rng.random()), "park_factor": 1.1}
    known = {"context": context, "context_as_of_us": samples.at(HOUR)}
    events.append(samples.game(HOUR + 7, start_time_us=start, **known, **same))
    events.append(samples.result(9 * HOUR + shift, home_score=int(rng.integers(6, 9)), **same))
    return events


@pytest.fixture(scope="module")
def frames() -> Frames:
    return frames_of(
        [*played(samples.GAME, 0, 1), *played(SECOND, 4 * HOUR, 2), *played(samples.OTHER, 60, 3)],
        arrival=False,
    )


def check(build: Builder, frames: Frames, at_us: int = AT) -> list[Leak]:
    return list(Check(build, RULES.cutoff_us).at(frames, at_us, GAMES))


Column = Callable[[Frames, str, int], float]
"""(events, game, decision time) -> value of the feature that leaks."""


def planted(feature: str, value: Column) -> Builder:
    """The real builder, one feature computed otherwise."""

    def build(frames: Frames, decisions: pl.DataFrame) -> Array:
        vectors = CLEAN(frames, decisions)
        asked = decisions.select("game_id", "as_of_us").iter_rows()
        vectors[:, NAMES.index(feature)] = [value(frames, game, at) for game, at in asked]
        return vectors

    return build


def price(rows: pl.DataFrame) -> float:
    return float(rows["price_home_over"][-1]) if rows.height else np.nan


def of_game(rows: pl.DataFrame, game_id: str) -> pl.DataFrame:
    return rows.filter(pl.col("game_id") == game_id).sort("occurred_at_us", maintain_order=True)


def until(rows: pl.DataFrame, at_us: int) -> pl.DataFrame:
    return rows.filter(pl.col("occurred_at_us").cast(pl.Int64) <= at_us)


@pytest.mark.parametrize("minutes", [-200, -1, 0, 1, 90, 200, 359, 420, 600])
def test_the_clean_builder_is_silent(frames: Frames, minutes: int) -> None:
    assert check(CLEAN, frames, samples.START + (minutes - 180) * US_PER_MINUTE) == []


@settings(deadline=None, max_examples=25)
@given(disorder(30), st.data())
def test_it_is_silent_on_any_stream(events: list[Event], data: st.DataObject) -> None:
    """Moved starts, repeats and too many sources included, in the order of an archive."""
    frames = frames_of(events, arrival=False)
    at_us = data.draw(st.sampled_from(events)).occurred_at_us + data.draw(st.integers(0, 1))
    games = sorted({event.game_id for event in events})
    assert list(Check(CLEAN, RULES.cutoff_us).at(frames, at_us, games)) == []


def test_a_future_quote(frames: Frames) -> None:
    """An as-of join in the wrong direction: the next quote instead of the last."""

    def next_quote(frames: Frames, game_id: str, at_us: int) -> float:
        later = of_game(frames.lines, game_id).filter(
            pl.col("occurred_at_us").cast(pl.Int64) > at_us
        )
        return price(later.head(1))

    found = check(planted("moneyline_consensus", next_quote), frames)
    assert [leak.game_id for leak in found] == GAMES
    first = of_game(frames.lines, samples.GAME).filter(pl.col("occurred_at_us").cast(pl.Int64) > AT)
    assert found[0] == Leak(
        Kind.FUTURE, "moneyline_consensus", 1, samples.GAME, AT,
        first["event_id"][0], samples.GAME, samples.at(60 + 18 * 600),
    )  # fmt: skip


def test_a_same_day_result(frames: Frames) -> None:
    """Form that counts the game itself."""

    def form(frames: Frames, game_id: str, at_us: int) -> float:
        result = of_game(frames.results, game_id)
        return float((result["home_score"] > result["away_score"]).sum())

    found = check(planted("home_form", form), frames)
    (leak,) = (one for one in found if one.game_id == samples.GAME)
    assert (leak.kind, leak.feature) == (Kind.FUTURE, "home_form")
    assert leak.event_id == f"r:{samples.GAME}:{samples.at(9 * HOUR)}"


def test_a_normalisation_over_the_whole_season(frames: Frames) -> None:
    """Less a mean over all games and times: even the other game's future gets in."""

    def centred(frames: Frames, game_id: str, at_us: int) -> float:
        lines = frames.lines["price_home_over"]
        return price(until(of_game(frames.lines, game_id), at_us)) - float(lines.mean() or 0)  # type: ignore[arg-type]

    found = check(planted("total_overround", centred), frames)
    kinds = {(leak.kind, leak.feature) for leak in found}
    future = next(leak for leak in found if leak.kind is Kind.FUTURE)
    assert kinds >= {(Kind.FUTURE, "total_overround"), (Kind.OTHER_GAME, "total_overround")}
    assert future.event_at_us > AT
    foreign = next(leak for leak in found if leak.kind is Kind.OTHER_GAME)
    assert foreign.event_game_id != foreign.game_id
    assert foreign.event_at_us <= AT


def test_the_closing_line(frames: Frames) -> None:
    """The last quote before first pitch, whenever the decision is."""

    def close(frames: Frames, game_id: str, at_us: int) -> float:
        lines = of_game(frames.lines, game_id).filter(pl.col("market") == "total")
        return price(until(lines, samples.START))

    found = check(planted("total_best_first_value", close), frames)
    (leak,) = (one for one in found if one.game_id == samples.OTHER)
    assert (leak.kind, leak.feature, leak.event_game_id) == (
        Kind.FUTURE, "total_best_first_value", samples.OTHER
    )  # fmt: skip
    assert AT < leak.event_at_us <= samples.START
    assert leak.event_id.startswith(f"l:{samples.OTHER}:")


def test_an_event_past_the_cutoff(frames: Frames) -> None:
    """No cutoff at all: what comes after it is used, though at a decision after it."""
    build = offline_builder(replace(RULES, cutoff_us=-10 * HOUR * 1_000_000), FEATURES)
    assert check(build, frames, CUTOFF) == []
    at_us = CUTOFF + 30 * US_PER_MINUTE
    (leak, *_) = check(build, frames, at_us)
    assert leak.kind is Kind.PAST_CUTOFF
    assert leak.game_id == leak.event_game_id == samples.GAME
    assert CUTOFF < leak.event_at_us <= at_us
    assert leak.features > 20


def test_a_start_moved_later_past_the_cutoff_is_not_judged_but_told() -> None:
    """Found on real games: the quote past both cutoffs displaced the one between them."""
    new = samples.START + 30 * US_PER_MINUTE
    late = CUTOFF + 40 * US_PER_MINUTE
    events: list[Event] = [
        samples.game(0),
        samples.line(60),
        samples.line(occurred_at_us=CUTOFF + 10 * US_PER_MINUTE, home=1.7, away=2.2),
        samples.line(occurred_at_us=late, home=1.5, away=2.7),
        samples.game(occurred_at_us=late + 1, start_time_us=new),
    ]
    moved = frames_of(events, arrival=False)
    assert reopened(moved, RULES.cutoff_us) == [samples.GAME]
    past = Check(CLEAN, RULES.cutoff_us, kinds=(Kind.PAST_CUTOFF,))
    assert list(past.at(moved, late + 2, [samples.GAME])) == []
    in_time = frames_of([samples.game(0), samples.game(60, start_time_us=new)], arrival=False)
    assert reopened(in_time, RULES.cutoff_us) == []


def test_the_other_game_of_the_doubleheader(frames: Frames) -> None:
    """Joined by day and teams, without the number of the game: all before the decision."""

    def any_of_the_day(frames: Frames, game_id: str, at_us: int) -> float:
        same = pl.col("game_id").str.starts_with(game_id[:-1])
        return price(until(frames.lines.filter(same), at_us).sort("occurred_at_us", "event_id"))

    found = check(planted("moneyline_best_first_value", any_of_the_day), frames)
    (leak,) = found
    assert (leak.kind, leak.game_id) == (Kind.OTHER_GAME, samples.GAME)
    assert leak.event_game_id == SECOND
    assert leak.feature == "moneyline_best_first_value"


def test_a_leak_into_the_records_themselves(frames: Frames) -> None:
    """Not planted beside the kernel but before it: events a minute late are let in."""

    def late(frames: Frames, decisions: pl.DataFrame) -> Array:
        return CLEAN(frames, decisions.with_columns(pl.col("as_of_us") + 15 * US_PER_MINUTE))

    found = check(late, frames)
    assert {leak.kind for leak in found} == {Kind.FUTURE}
    assert found[0].event_at_us > AT


def test_only_what_looks_back_to_the_opening_needs_more_history(frames: Frames) -> None:
    at_us = CUTOFF - 60
    for hours in (0.1, 1, 4, *WARM_UP_HOURS):
        differing = warm_up(CLEAN, frames, at_us, GAMES, hours)
        names = [NAMES[at] for at in np.flatnonzero(differing)]
        unexpected = [name for name in names if not since_open(name)]
        # Below 195 minutes the windows themselves reach further back.
        assert (unexpected == []) is (hours >= 4)
        assert any(since_open(name) for name in names) is (hours <= 4)


def test_a_feature_that_counts_all_history_is_seen_in_the_warm_up(frames: Frames) -> None:
    def ever(frames: Frames, game_id: str, at_us: int) -> float:
        return float(until(of_game(frames.lines, game_id), at_us).height)

    differing = warm_up(planted("total_books", ever), frames, CUTOFF - 60, GAMES, 4)
    assert differing[NAMES.index("total_books")] == len(GAMES)
