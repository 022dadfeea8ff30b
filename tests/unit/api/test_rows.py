"""Board rows: best price, ages, and the words of the model."""

import pytest

from api.board import Board, Message
from api.rows import GameRow, MarketRow, game_row
from schemas.decisions import Refusal
from schemas.events import QuoteStatus
from schemas.feed import Rules
from schemas.markets import Market, Side, Target
from schemas.time import US_PER_MINUTE
from tests import samples

RULES = Rules(cutoff_us=60 * US_PER_MINUTE, stale_us=30 * US_PER_MINUTE, heartbeat_ms=1_000)


def board_of(*messages: Message) -> Board:
    board = Board()
    for message in messages:
        board.apply(message)
    return board


def row(board: Board) -> GameRow:
    assert board.newest_us is not None
    return game_row(board.games[samples.GAME], board.newest_us, RULES)


def market(board: Board, name: Market) -> MarketRow:
    return row(board).markets[name]


def test_best_price_a_side_over_fresh_open_books_only() -> None:
    found = market(
        board_of(
            samples.line(0, 2.50, 1.65, book="betmgm"),  # the best, but 31 minutes old
            samples.line(1_800, 1.90, 2.00),
            samples.line(1_830, 1.95, 1.92, book="circa"),
            samples.line(1_840, None, None, book="fanduel", status=QuoteStatus.WITHDRAWN),
            samples.line(1_860, 1.85, 2.02, book="draftkings"),
        ),
        Market.MONEYLINE,
    )
    assert [(one.side, one.book, one.price, one.age_ms) for one in found.best] == [
        (Side.HOME, "circa", 1.95, 30_000),
        (Side.AWAY, "draftkings", 2.02, 0),
    ]
    assert found.books == 3
    assert found.odds_age_ms == 0


def test_totals_are_compared_at_the_line_of_the_model_while_it_is_offered() -> None:
    quotes = [
        samples.line(1, 1.95, 1.90, market=Market.TOTAL, line=9.0),
        samples.line(1, 1.96, 1.89, book="circa", market=Market.TOTAL, line=9.0),
        samples.line(1, 1.80, 2.05, book="fanduel", market=Market.TOTAL, line=8.5),
    ]
    priced = samples.prediction(2, 0.5, target=Target.TOTAL, line=8.5)
    gone = samples.prediction(2, 0.5, target=Target.TOTAL, line=7.5)
    assert market(board_of(*quotes), Market.TOTAL).line == 9.0
    assert market(board_of(*quotes, gone), Market.TOTAL).line == 9.0
    at_model = market(board_of(*quotes, priced), Market.TOTAL)
    assert at_model.line == 8.5
    assert {one.book for one in at_model.best} == {"fanduel"}


def test_row_says_what_the_model_and_the_stake_said() -> None:
    board = board_of(
        samples.game(),
        samples.line(1),
        samples.prediction(3, 0.56, model_version="7"),
        samples.prediction(3, 0.5, target=Target.TOTAL, line=8.5),
        samples.prediction(3, 0.5, target=Target.RUNS, line=8.5, mean_runs=8.9),
        samples.prediction(3, 0.45, target=Target.MARGIN, line=-1.5, mean_margin=0.7),
        samples.stake(3, 0.0),
        samples.alert(3),
    )
    answer = row(board)
    assert answer.locked
    assert not answer.simulated
    # 23:05 UTC less the hour of RULES.
    assert answer.cutoff_us == 1_784_585_100_000_000
    moneyline = answer.markets[Market.MONEYLINE]
    assert moneyline.model is not None
    assert moneyline.model.version == "7"
    assert moneyline.model.probability == 0.56
    assert moneyline.model.edge == {Side.HOME: pytest.approx(0.064)}
    assert moneyline.stake is not None
    assert moneyline.stake.refusals == [Refusal.EDGE_TOO_SMALL]
    total = answer.markets[Market.TOTAL].model
    assert total is not None
    assert total.mean_runs == 8.9
    assert total.mean_margin is None
    run_line = answer.markets[Market.RUN_LINE].model
    assert run_line is not None
    assert (run_line.line, run_line.probability, run_line.mean_margin) == (-1.5, 0.45, 0.7)
    assert run_line.mean_runs is None


def test_one_simulated_part_marks_the_game() -> None:
    assert row(board_of(samples.game(), samples.line(1, simulated=True))).simulated


def test_a_game_without_schedule_has_no_names_yet() -> None:
    answer = row(board_of(samples.line(1)))
    assert (answer.home, answer.start_time_us, answer.status) == (None, None, None)
