"""Signal rules: each by hand, at its thresholds and beside them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.features.catalogue import NAMES
from models.features.kernel import FeatureSet
from models.features.market import MarketView
from models.features.signals import Signal, Signals
from schemas.decisions import AlertKind
from schemas.errors import ConfigError
from schemas.markets import Market, Side
from schemas.sections.scoring import KNOWN_BOOKS, AlertSettings
from schemas.settings import Settings
from tests import samples
from tests.unit.streams import fold_all

FEATURES = FeatureSet.of(Settings())


def view_of_two_books() -> MarketView:
    """Home 2.2 at pinnacle, away 2.1 at circa; over 2.1 at pinnacle, under 2.05 at circa, 8.5."""
    total = {"market": Market.TOTAL}
    record = fold_all(
        [
            samples.game(0),
            samples.line(1, 2.2, 1.7),
            samples.line(2, 1.8, 2.1, book="circa"),
            samples.line(3, 2.1, 1.8, **total),
            samples.line(4, 1.8, 2.05, book="circa", **total),
        ]
    ).record
    return FEATURES.view(record)


VIEW = view_of_two_books()


def holding(values: dict[str, float], **settings: Any) -> list[Signal]:
    """Signals of one row in which only these features are known."""
    vector = np.full((1, len(NAMES)), np.nan, np.float32)
    for name, value in values.items():
        vector[0, NAMES.index(name)] = value
    [signals] = Signals(AlertSettings(**settings), KNOWN_BOOKS).holding(vector, VIEW)
    return signals


def only(values: dict[str, float], **settings: Any) -> Signal:
    [signal] = holding(values, **settings)
    return signal


STEAM = {"moneyline_steam_15m": 3.0, "moneyline_change_15m": 0.01}
REVERSE = {"total_tickets": 70.0, "total_reverse_movement": -0.01, "total_handle": 55.0}
FREEZE = {"moneyline_line_freeze": -25.0, "moneyline_tickets": 25.0, "moneyline_change_180m": 0.0}
ARBITRAGE = {"total_arbitrage_margin": -0.04, "total_arbitrage_minutes": 2.0}
LEADER = {
    "moneyline_sharp_lead_15m": -0.01,
    "moneyline_change_15m": 0.0,
    "moneyline_sharp_less_soft": -0.002,
}


def test_steam_at_three_books_and_one_point() -> None:
    signal = only(STEAM)
    assert signal.condition == (AlertKind.STEAM, Market.MONEYLINE, Side.HOME)
    assert signal.values == STEAM
    assert signal.detail == "net 3 books to home in 15 min, consensus by 1.0%"
    down = only({"total_steam_15m": -4.0, "total_change_15m": -0.03})
    assert down.condition == (AlertKind.STEAM, Market.TOTAL, Side.UNDER)


@pytest.mark.parametrize(
    "beside",
    [
        {"moneyline_steam_15m": 2.0},
        {"moneyline_change_15m": 0.0099},
        {"moneyline_change_15m": -0.05},
        {"moneyline_change_15m": np.nan},
        {"moneyline_steam_15m": np.nan},
    ],
)
def test_no_steam_from_fewer_books_smaller_or_opposite_moves(beside: dict[str, float]) -> None:
    assert holding(STEAM | beside) == []


def test_steam_looks_at_the_window_that_is_set() -> None:
    short = {"moneyline_steam_5m": 3.0, "moneyline_change_5m": 0.01}
    assert holding(short) == []
    assert only(short, steam_minutes=5).values == short
    assert holding(STEAM, steam_minutes=5) == []
    assert only(STEAM | {"moneyline_steam_15m": 5.0}, steam_books=5).kind is AlertKind.STEAM
    assert holding(STEAM, steam_books=4) == []


def test_reverse_line_is_the_price_against_seventy_percent_of_tickets() -> None:
    signal = only(REVERSE)
    assert signal.condition == (AlertKind.REVERSE_LINE, Market.TOTAL, Side.UNDER)
    assert signal.detail == "70% of tickets on over, price by 1.0% to under in 3 h"
    assert signal.values == REVERSE
    other = only({"moneyline_tickets": 22.0, "moneyline_reverse_movement": 0.02})
    assert other.condition == (AlertKind.REVERSE_LINE, Market.MONEYLINE, Side.HOME)
    assert other.detail.startswith("78% of tickets on away")


@pytest.mark.parametrize(
    "beside",
    [
        {"total_tickets": 69.9},
        {"total_reverse_movement": -0.0099},
        {"total_reverse_movement": 0.0},  # it goes with the tickets
        {"total_tickets": np.nan},
        {"total_reverse_movement": np.nan},
    ],
)
def test_no_reverse_line_beside_the_thresholds(beside: dict[str, float]) -> None:
    assert holding(REVERSE | beside) == []


def test_a_line_frozen_against_three_quarters_of_the_tickets() -> None:
    signal = only(FREEZE)
    assert signal.condition == (AlertKind.LINE_FREEZE, Market.MONEYLINE, Side.HOME)
    assert signal.detail == "75% of tickets on away, and the price has not moved in 3 h"
    assert holding(FREEZE | {"moneyline_line_freeze": -24.9}) == []
    assert holding(FREEZE | {"moneyline_line_freeze": 0.0}) == []
    assert holding(FREEZE | {"moneyline_line_freeze": np.nan}) == []


def test_an_arbitrage_names_both_prices_and_what_they_pay() -> None:
    """1/2.1 + 1/2.05 = 0.9640: 3.7 % more than staked."""
    signal = only({"total_arbitrage_margin": 1 / 2.1 + 1 / 2.05 - 1})
    assert signal.condition == (AlertKind.ARBITRAGE, Market.TOTAL, None)
    assert signal.detail == (
        "over 2.10 at pinnacle and under 2.05 at circa on 8.5 pay 3.7% whoever wins"
    )
    home = only({"moneyline_arbitrage_margin": 1 / 2.2 + 1 / 2.1 - 1})
    assert home.detail.startswith("home 2.20 at pinnacle and away 2.10 at circa pay 7.4%")


def test_an_arbitrage_must_pay_more_than_is_set() -> None:
    assert holding({"run_line_arbitrage_margin": 0.0}) == []
    # Two prices without any margin come out a rounding below it.
    assert holding({"run_line_arbitrage_margin": -6e-8}) == []
    assert holding({"run_line_arbitrage_margin": np.nan}) == []
    # A margin of -1/21 pays 5 %.
    margin = {"moneyline_arbitrage_margin": -1 / 21}
    assert holding(margin, arbitrage_profit=0.0501) == []
    assert only(margin, arbitrage_profit=0.0499).kind is AlertKind.ARBITRAGE


def test_a_leader_has_moved_and_the_others_have_not() -> None:
    signal = only(LEADER)
    assert signal.condition == (AlertKind.LEADER_MOVE, Market.MONEYLINE, Side.AWAY)
    assert "1.0% ahead to away" in signal.detail


@pytest.mark.parametrize(
    "beside",
    [
        {"moneyline_sharp_lead_15m": -0.0099},
        {"moneyline_change_15m": -0.005},  # they have followed
        {"moneyline_change_15m": 0.01},  # they moved, the sharp stood still
        {"moneyline_sharp_less_soft": 0.001},  # the sharp only caught up
        {"moneyline_sharp_less_soft": 0.0},
        {"moneyline_sharp_less_soft": np.nan},
        {"moneyline_change_15m": np.nan},
    ],
)
def test_no_leader_where_the_others_moved_or_the_sharp_caught_up(
    beside: dict[str, float],
) -> None:
    assert holding(LEADER | beside) == []


def test_all_at_once_come_in_a_fixed_order() -> None:
    kinds = [one.kind for one in holding(LEADER | ARBITRAGE | FREEZE | REVERSE)]
    assert kinds == [
        AlertKind.REVERSE_LINE,
        AlertKind.LINE_FREEZE,
        AlertKind.ARBITRAGE,
        AlertKind.LEADER_MOVE,
    ]


def test_nothing_known_is_no_signal() -> None:
    assert holding({}) == []
    empty = np.empty((0, len(NAMES)), np.float32)
    assert Signals(AlertSettings(), KNOWN_BOOKS).holding(empty, VIEW) == []


@given(st.lists(st.sampled_from([STEAM, REVERSE, FREEZE, ARBITRAGE, LEADER, {}]), max_size=8))
def test_a_row_says_the_same_alone_and_among_others(rows: list[dict[str, float]]) -> None:
    vectors = np.full((len(rows), len(NAMES)), np.nan, np.float32)
    for vector, values in zip(vectors, rows, strict=True):
        for name, value in values.items():
            vector[NAMES.index(name)] = value
    view = MarketView(
        **{name: np.repeat(value, max(len(rows), 1), axis=0) for name, value in vars(VIEW).items()}
    )
    together = Signals(AlertSettings(), KNOWN_BOOKS).holding(vectors, view)
    assert repr(together) == repr([holding(values) for values in rows])  # NaN too


def test_thresholds_that_make_no_sense_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEAMLINE_ALERTS_STEAM_MINUTES", "7")
    with pytest.raises(ConfigError, match="STEAMLINE_ALERTS_STEAM_MINUTES"):
        Settings.read()
