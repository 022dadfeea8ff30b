"""The board keeps the newest of everything, whatever the order of arrival."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.board import SIGNALS, Board, Message
from schemas.decisions import LOCKS, AlertKind, Role
from schemas.events import QuoteStatus
from schemas.feed import RETAIN_US
from schemas.markets import Market, Side, Target
from schemas.time import US_PER_MINUTE
from tests import samples


def board_of(*messages: Message) -> Board:
    board = Board()
    for message in messages:
        board.apply(message)
    return board


def test_a_game_holds_the_newest_of_each_kind() -> None:
    game = board_of(
        samples.game(0),
        samples.line(1, 1.90),
        samples.line(2, 1.95),
        samples.line(2, 1.80, book="circa"),
        samples.prediction(1, 0.50),
        samples.prediction(2, 0.60),
        samples.stake(2, 0.03),
        samples.alert(3),
        samples.result(20_000),
    ).games[samples.GAME]

    assert game.schedule is not None
    assert game.schedule.home == "New York Yankees"
    assert game.lines[("pinnacle", Market.MONEYLINE)].price_home_over == 1.95
    assert game.lines[("circa", Market.MONEYLINE)].price_home_over == 1.80
    assert game.predictions[Target.MONEYLINE].probability == 0.60
    assert [one.probability for one in game.history] == [0.50, 0.60]
    assert game.stakes["main", Market.MONEYLINE].fraction == 0.03
    assert game.locked
    assert game.result is not None
    assert (game.result.home_score, game.result.away_score) == (5, 3)


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        (samples.line(5, 1.95), samples.line(4, 1.80)),
        (samples.prediction(5, 0.6), samples.prediction(4, 0.5)),
        (samples.stake(5, 0.02), samples.stake(4, 0.01)),
        (samples.alert(5, AlertKind.UNLOCKED), samples.alert(4, AlertKind.LOCKED)),
        (samples.game(5, home="New"), samples.game(4, home="Old")),
        (samples.result(5, 9), samples.result(4, 1)),
    ],
    ids=lambda message: type(message).__name__,
)
def test_late_and_repeated_messages_change_nothing(newer: Message, older: Message) -> None:
    board = Board()
    assert board.apply(newer)
    before = repr(board.games)
    assert not board.apply(older)
    assert not board.apply(newer)
    assert repr(board.games) == before


def test_another_model_at_the_same_position_is_news() -> None:
    board = board_of(samples.prediction(4, 0.5))
    assert board.apply(samples.prediction(4, 0.7, model_version="2"))
    assert board.games[samples.GAME].predictions[Target.MONEYLINE].probability == 0.7


def test_unlocking_later_unlocks() -> None:
    board = board_of(samples.alert(1), samples.alert(2, AlertKind.UNLOCKED))
    assert not board.games[samples.GAME].locked


@pytest.mark.parametrize("kind", sorted(set(AlertKind) - LOCKS))
def test_a_signal_neither_locks_nor_unlocks(kind: AlertKind) -> None:
    board = board_of(samples.signal(1, kind))
    assert board.games[samples.GAME].lock is None
    board.apply(samples.alert(2))
    assert board.apply(samples.signal(3, kind))
    game = board.games[samples.GAME]
    assert game.locked
    assert [one.position for one in game.signals] == [1, 3]


def test_signals_are_kept_by_position_once_and_bounded() -> None:
    board = Board()
    for position in (*range(100, 100 + SIGNALS), 7):
        news = board.apply(samples.signal(position))
    assert not news  # older than all that are kept
    assert not board.apply(samples.signal(120))
    assert board.apply(samples.signal(120, market=Market.TOTAL, side=Side.OVER))
    signals = board.games[samples.GAME].signals
    assert len(signals) == SIGNALS
    assert [one.position for one in signals] == sorted([*range(101, 100 + SIGNALS), 120])


def test_a_withdrawn_quote_keeps_its_time_so_that_an_older_price_cannot_return() -> None:
    gone = samples.line(9, None, None, status=QuoteStatus.WITHDRAWN)
    game = board_of(gone, samples.line(8, 1.9)).games[samples.GAME]
    assert game.lines[("pinnacle", Market.MONEYLINE)].status is QuoteStatus.WITHDRAWN


def test_a_source_that_confirms_its_quotes_makes_them_younger() -> None:
    quote = samples.line(10)
    other = samples.line(10, book="circa", source="elsewhere")
    looked = samples.game(600, source="odds", quotes_stand=True)
    game = board_of(quote, other, looked).games[samples.GAME]
    assert game.stands_us(quote) == samples.at(600)
    assert game.stands_us(other) == samples.at(10)


def test_a_game_leaves_some_time_after_its_start_by_event_time() -> None:
    board = board_of(samples.game(0), samples.line(1))
    tomorrow = "mlb-2026-07-21-BOS-NYY-1"
    start = samples.START + RETAIN_US
    board.apply(samples.game(game_id=tomorrow, occurred_at_us=start, start_time_us=start + 1))
    assert samples.GAME in board.games
    after = start + 6 * US_PER_MINUTE
    board.apply(samples.line(game_id=tomorrow, occurred_at_us=after))
    assert list(board.games) == [tomorrow]
    # What still arrives about it does not bring it back.
    assert not board.apply(samples.game(2))
    assert list(board.games) == [tomorrow]


def test_quotes_days_before_their_schedule_wait_for_it() -> None:
    """Topics are read side by side: a quote of days ago may come before the game it is about."""
    later = "mlb-2026-07-24-BOS-NYY-1"
    board = board_of(samples.game(3 * 86_400), samples.line(0, game_id=later))
    assert (("pinnacle", Market.MONEYLINE)) in board.games[later].lines


def test_games_are_ordered_by_start() -> None:
    early = samples.game(game_id=samples.OTHER, start_time_us=samples.START - 1)
    board = board_of(samples.game(), early)
    assert [game.game_id for game in board.ordered()] == [samples.OTHER, samples.GAME]
    assert [game.game_id for game in board.ordered(["nope", samples.GAME])] == [samples.GAME]


def test_an_impossible_date_is_refused() -> None:
    with pytest.raises(ValueError, match="day is out of range"):
        Board().apply(samples.game(game_id="mlb-2026-02-30-BOS-NYY-1"))


def test_history_is_bounded() -> None:
    board = board_of(*(samples.prediction(position) for position in range(1, 501)))
    history = board.games[samples.GAME].history
    assert (len(history), history[0].position, history[-1].position) == (200, 301, 500)


STREAM: list[Any] = [
    *(samples.line(second, 1.80 + second / 100) for second in range(6)),
    *(samples.line(second, 1.70 + second / 100, book="circa") for second in range(3)),
    *(samples.prediction(position, position / 10) for position in range(1, 6)),
    *(samples.stake(position, position / 100) for position in range(1, 4)),
    samples.alert(2),
    samples.alert(3, AlertKind.UNLOCKED),
    samples.alert(4),
    samples.signal(4),
    samples.signal(5),
    samples.signal(5, AlertKind.ARBITRAGE, side=None),
    samples.game(0, home="First"),
    samples.game(7, home="Moved"),
]


@settings(max_examples=50, deadline=None)
@given(st.permutations(STREAM), st.lists(st.sampled_from(STREAM), max_size=20))
def test_any_order_with_repeats_ends_the_same(order: list[Any], repeats: list[Any]) -> None:
    game = board_of(*order, *repeats).games[samples.GAME]
    assert game.lines[("pinnacle", Market.MONEYLINE)].price_home_over == 1.85
    assert game.lines[("circa", Market.MONEYLINE)].price_home_over == 1.72
    assert game.predictions[Target.MONEYLINE].probability == 0.5
    assert game.stakes["main", Market.MONEYLINE].fraction == 0.03
    assert game.locked
    assert [(one.position, one.kind) for one in game.signals] == [
        (4, AlertKind.STEAM),
        (5, AlertKind.ARBITRAGE),
        (5, AlertKind.STEAM),
    ]
    assert game.schedule is not None
    assert game.schedule.home == "Moved"


def test_at_one_position_the_later_decision_stands() -> None:
    """Another game can move a stake, and a stop can take it back, without news of its own game."""
    first = samples.stake(5, 0.03, stake_id="a", decided_us=samples.at(5))
    moved = samples.stake(5, 0.0, stake_id="b", decided_us=samples.at(9))
    for order in ([first, moved], [moved, first]):
        game = board_of(*order).games[samples.GAME]
        assert game.stakes["main", Market.MONEYLINE].stake_id == "b"


def test_bankrolls_do_not_push_each_other_off_the_board() -> None:
    other = samples.stake(6, 0.01, stake_id="c", bankroll="side")
    game = board_of(samples.stake(5, 0.03), other).games[samples.GAME]
    assert {name: one.fraction for (name, _), one in game.stakes.items()} == {
        "main": 0.03,
        "side": 0.01,
    }


def test_a_shadow_is_kept_and_never_the_price() -> None:
    board = Board()
    said = samples.prediction(4, 0.55)
    beside = {"role": Role.CHALLENGER, "experiment": "spring", "model_version": "2"}
    shadow = samples.prediction(5, 0.9, **beside)
    assert board.apply(said)
    assert not board.apply(shadow), "no news: a follower would bet on it"
    assert not board.apply(samples.prediction(3, 0.8, **beside))
    game = board.games[samples.GAME]
    assert game.predictions == {Target.MONEYLINE: said}
    assert list(game.history) == [said]
    assert game.shadows == {Target.MONEYLINE: shadow}
    dealt = samples.prediction(6, 0.7, share=0.5, **beside)
    assert board.apply(dealt), "the game is the challenger's: this is the price"
    assert game.predictions == {Target.MONEYLINE: dealt}
