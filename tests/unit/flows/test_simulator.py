"""The simulated market: calibrated where it should be, wrong where it was told to be."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.connectors.manifest import fingerprint
from flows.connectors.parquet import write_events
from flows.sources.simulated_books import Board, board_of
from flows.sources.simulated_truth import (
    Slate,
    expected_runs,
    margin_table,
    normal_cdf,
    runs_table,
    truth_of,
)
from flows.sources.simulator import simulate, simulate_day
from schemas.errors import ConfigError
from schemas.events import BettingSplits, Event, GameResult, GameUpdate, LineMovement, QuoteStatus
from schemas.markets import GameStatus, Market
from schemas.time import US_PER_MINUTE

Array = npt.NDArray[np.float64]


@dataclass
class Season:
    """No-vig chances at T-60 min against what happened; one entry a game."""

    price: Array
    """Median over books."""
    gap: Array
    """Sharp median minus soft median."""
    won: Array
    right: Array
    truth: Array


def chances_at(board: Board, market: Market, cut_us: npt.NDArray[np.int64]) -> tuple[Array, Array]:
    """(books, games) no-vig chance of home or over and the line, as last changed before cut."""
    quotes = board.markets[market]
    seen = quotes.changed & (board.at_us <= cut_us)
    steps = np.arange(seen.shape[1])[None, :, None]
    newest = np.where(seen, steps, -1).max(axis=1)[:, None]
    at = np.maximum(newest, 0)
    first = 1.0 / np.take_along_axis(quotes.first, at, axis=1)
    second = 1.0 / np.take_along_axis(quotes.second, at, axis=1)
    chance = np.where(newest >= 0, first / (first + second), np.nan)[:, 0]
    line = np.zeros_like(first) if quotes.line is None else quotes.line
    return chance, np.take_along_axis(line, at if quotes.line is not None else at * 0, axis=1)[:, 0]


def season(edge: float, days: int = 200) -> Season:
    slate = Slate(seed=11, edge=edge)
    sharp = np.array([book in slate.sharp_books for book in slate.books])
    parts: list[tuple[Array, ...]] = []
    for index in range(days):
        day = truth_of(slate, index)
        cut = day.start_us - 60 * US_PER_MINUTE
        chance, _ = chances_at(board_of(slate, index, day), Market.MONEYLINE, cut)
        parts.append(
            (
                np.nanmedian(chance, axis=0),
                np.nanmedian(chance[sharp], axis=0) - np.nanmedian(chance[~sharp], axis=0),
                (day.home_score > day.away_score).astype(float),
                day.right_side.astype(float),
                day.home_chance(day.side_news_us <= cut[:, None]),
            )
        )
    return Season(*(np.concatenate(column) for column in zip(*parts, strict=True)))


@pytest.fixture(scope="module")
def fair() -> Season:
    return season(edge=0.0)


@pytest.fixture(scope="module")
def planted() -> Season:
    return season(edge=0.06)


def z_score(won: Array, chance: Array) -> float:
    return float((won - chance).sum() / np.sqrt((chance * (1.0 - chance)).sum()))


def test_without_an_edge_the_consensus_is_calibrated(fair: Season) -> None:
    assert abs(z_score(fair.won, fair.price)) < 3.0
    for low, high in ((0.0, 0.47), (0.47, 0.53), (0.53, 0.59), (0.59, 1.0)):
        inside = (fair.price >= low) & (fair.price < high)
        assert inside.sum() > 300
        assert abs(z_score(fair.won[inside], fair.price[inside])) < 3.0
    # Also against the chances themselves, which is far sharper than against results.
    assert abs((fair.price - fair.truth).mean()) < 0.0005
    assert np.abs(fair.price - fair.truth).mean() < 0.004


def test_results_follow_the_truth(planted: Season) -> None:
    assert abs(z_score(planted.won, planted.truth)) < 3.0


def test_the_planted_edge_is_as_large_as_asked(planted: Season) -> None:
    error = planted.price - planted.truth
    for right in (-1.0, 1.0):
        assert (-right * error[planted.right == right]).mean() == pytest.approx(0.06, abs=0.012)
    assert np.abs(error[planted.right == 0.0]).mean() < 0.004
    assert 0.45 < (planted.right != 0.0).mean() < 0.55


def test_the_sharp_gap_shows_the_right_side(planted: Season) -> None:
    """Half of the mispricing separates sharp from soft books."""
    for right in (-1.0, 0.0, 1.0):
        gap = planted.gap[planted.right == right]
        assert gap.mean() == pytest.approx(0.03 * right, abs=0.004)


def test_totals_and_run_lines_are_calibrated_without_an_edge() -> None:
    slate = Slate(seed=4, edge=0.0)
    over: list[tuple[Array, Array]] = []
    cover: list[tuple[Array, Array]] = []
    for index in range(120):
        day = truth_of(slate, index)
        board, cut = board_of(slate, index, day), day.start_us - 60 * US_PER_MINUTE
        (total, total_line), (run, run_line) = (
            chances_at(board, market, cut) for market in (Market.TOTAL, Market.RUN_LINE)
        )
        runs = day.home_score + day.away_score
        no_push = runs != total_line[0]
        over.append(((runs > total_line[0]).astype(float)[no_push], total[0][no_push]))
        margin = day.home_score - day.away_score
        cover.append(((margin + run_line[0] > 0).astype(float), run[0]))
    for happened in (over, cover):
        won, chance = (np.concatenate(column) for column in zip(*happened, strict=True))
        assert abs(z_score(won, chance)) < 3.0


def test_tables_against_known_values() -> None:
    """Phi from printed tables; negative binomial mean 9, size 8, from its closed form."""
    assert normal_cdf(np.array([-1.96, 0.0, 1.0])) == pytest.approx([0.0249979, 0.5, 0.8413447])
    row = runs_table()[round((9.0 - 4.0) / 0.01)]
    zero = (8 / 17) ** 8
    assert row[0] == pytest.approx(8 * (9 / 17) * zero / (1 - zero), rel=1e-5)  # P(1 | 1..40)
    assert row.sum() == pytest.approx(1.0)
    assert expected_runs(np.array([9.0]))[0] == pytest.approx(9.0 / (1 - zero), rel=1e-4)
    margins = margin_table()
    assert margins[0, 0] == 1.0  # a game of one run is won by one
    assert margins[1, 1] == 1.0  # 2-0: the only score of two runs without a tie
    assert margins[8, 1] == 0.0  # nine runs never split evenly


@pytest.fixture(scope="module")
def days() -> list[Event]:
    slate = Slate(seed=3, days=4)
    return list(simulate(slate))


def test_every_payload_settles_once_at_its_end(days: list[Event]) -> None:
    payloads: dict[tuple[str, int], list[Event]] = defaultdict(list)
    for event in days:
        payloads[event.game_id, event.occurred_at_us].append(event)
    for payload in payloads.values():
        assert [event.settles for event in payload] == [False] * (len(payload) - 1) + [True]
        kinds = [type(event) for event in payload]
        assert GameUpdate not in kinds[1:]
    assert any(len(payload) > 1 for payload in payloads.values())


def test_a_game_has_the_life_that_it_should(days: list[Event]) -> None:
    by_game: dict[str, list[Event]] = defaultdict(list)
    for event in days:
        by_game[event.game_id].append(event)
    assert len(by_game) == 4 * 15
    for events in by_game.values():
        assert all(e.simulated and e.source == "simulator" for e in events)
        assert [e.occurred_at_us for e in events] == sorted(e.occurred_at_us for e in events)
        updates = [e for e in events if isinstance(e, GameUpdate)]
        lines = [e for e in events if isinstance(e, LineMovement)]
        results = [e for e in events if isinstance(e, GameResult)]
        start = updates[-1].start_time_us
        assert events[0] is updates[0]
        assert len(results) == 1
        assert results[0] is events[-1]
        assert results[0].home_score != results[0].away_score
        assert updates[-1].status is GameStatus.LIVE
        assert all(u.status is GameStatus.SCHEDULED for u in updates[:-1])
        stands = [u.occurred_at_us for u in updates if u.quotes_stand]
        assert {b - a for a, b in pairwise(stands)} == {15 * US_PER_MINUTE}
        assert stands[-1] < start
        assert 17 <= (start - events[0].occurred_at_us) / (60 * US_PER_MINUTE) <= 28
        open_quotes = [e for e in lines if e.status is QuoteStatus.OPEN]
        assert max(e.occurred_at_us for e in open_quotes) < start
        assert {(e.book, e.market) for e in open_quotes} == {
            (e.book, e.market) for e in lines if e.status is QuoteStatus.WITHDRAWN
        }
        assert 300 <= len(lines) <= 650
        assert {e.market for e in events if isinstance(e, BettingSplits)} == set(Market)


def test_no_quote_is_repeated(days: list[Event]) -> None:
    last: dict[tuple[str, str, Market], tuple[object, ...]] = {}
    for event in days:
        if isinstance(event, LineMovement):
            key = (event.game_id, event.book, event.market)
            quote = (event.status, event.price_home_over, event.price_away_under, event.line)
            assert last.get(key) != quote
            last[key] = quote


def test_event_ids_are_unique(days: list[Event]) -> None:
    assert len({event.event_id for event in days}) == len(days)


def test_a_delay_is_not_known_before_it_is_announced() -> None:
    moved = 0
    for event_day in (simulate_day(Slate(seed=1, days=8), index) for index in range(8)):
        updates: dict[str, list[GameUpdate]] = defaultdict(list)
        for event in event_day.events:
            if isinstance(event, GameUpdate):
                updates[event.game_id].append(event)
        for game in updates.values():
            starts = [update.start_time_us for update in game]
            if len(set(starts)) > 1:
                moved += 1
                announced = next(u for u in game if u.start_time_us == starts[-1])
                assert announced.occurred_at_us < starts[0] < starts[-1]
                assert set(starts) == {starts[0], starts[-1]}
    assert moved > 0


def test_public_tickets_lean_to_overs_and_money_to_the_right_side() -> None:
    slate = Slate(seed=9, edge=0.05)
    tickets: list[float] = []
    lean: dict[int, list[float]] = defaultdict(list)
    for index in range(6):
        right = dict(
            zip(
                (game_id for game_id, _, _ in truth_of(slate, index).games),
                truth_of(slate, index).right_total.tolist(),
                strict=True,
            )
        )
        for event in simulate_day(slate, index).events:
            if isinstance(event, BettingSplits) and event.market is Market.TOTAL:
                assert event.tickets_home_over_pct is not None
                assert event.handle_home_over_pct is not None
                tickets.append(event.tickets_home_over_pct)
                difference = event.handle_home_over_pct - event.tickets_home_over_pct
                lean[right[event.game_id]].append(difference)
    assert np.mean(tickets) > 55.0
    assert np.mean(lean[-1]) < -8.0
    assert abs(np.mean(lean[0])) < 1.0
    assert np.mean(lean[1]) > 8.0


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), games=st.integers(1, 15), activity=st.floats(0.0, 2.0))
def test_any_slate_is_valid_and_nobody_ties(seed: int, games: int, activity: float) -> None:
    slate = Slate(seed=seed, days=1, games=games, activity=activity, edge=0.2)
    scores = [e for e in simulate_day(slate, 0).events if isinstance(e, GameResult)]
    assert len(scores) == games
    assert all(score.home_score != score.away_score for score in scores)


def test_equal_seeds_give_equal_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        write_events(tmp_path / name, simulate(Slate(seed=seed, days=2)))
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "c")


def test_a_day_does_not_depend_on_how_many_there_are() -> None:
    short, long = Slate(seed=5, days=2), Slate(seed=5, days=90)
    assert simulate_day(short, 1).events == simulate_day(long, 1).events


def test_the_truth_ends_where_the_result_was_drawn() -> None:
    slate = Slate(seed=8)
    day, truth = truth_of(slate, 0), simulate_day(slate, 0).truth
    final = truth.group_by("game_id", maintain_order=True).last()
    everything = np.ones_like(day.side_news, dtype=bool)
    assert final["p_home"].to_list() == pytest.approx(day.home_chance(everything).tolist())
    assert truth["as_of_us"].is_null().sum() == 0


@pytest.mark.parametrize("wrong", [{"games": 16}, {"days": 0}, {"edge": -0.01}, {"mispriced": 2.0}])
def test_impossible_slates_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Slate(**wrong)  # type: ignore[arg-type]
