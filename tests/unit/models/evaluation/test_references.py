"""Opening and closing prices of games made by hand: which quotes count, and how old they are."""

from dataclasses import replace

import polars as pl
import pytest

from models.evaluation.references import (
    CLOSE,
    OPEN,
    before_first_pitch,
    first_pitch,
    market_prices,
    ratings,
)
from models.features.fold import FoldRules
from models.features.history import History
from models.features.kernel import FeatureSet
from schemas.events import Event
from schemas.markets import GameStatus, Market
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE, US_PER_SECOND
from tests import samples
from tests.unit.frames import frames_of

SETTINGS = Settings()
RULES = replace(FoldRules.of(SETTINGS), devig="multiplicative")
FEATURES = replace(FeatureSet.of(SETTINGS), devig="multiplicative")
PITCH = 6 * 3_600.0
"""First pitch in the samples' seconds."""


def prices(*events: Event) -> dict[str, pl.DataFrame]:
    """Rows of each moment, by market."""
    found = market_prices(frames_of(events), RULES, FEATURES)
    return {moment: found.filter(moment=moment) for moment in (OPEN, CLOSE)}


def moneyline(found: pl.DataFrame) -> dict[str, float]:
    (row,) = found.filter(market="moneyline").to_dicts()
    return row


def test_first_and_last_before_first_pitch() -> None:
    found = prices(
        samples.game(),
        samples.line(0, 2.0, 2.0),
        samples.line(100, 1.6, 2.4),
        samples.line(PITCH - 60, 1.5, 3.0),
        samples.line(PITCH - 10, 4.0, 4.0 / 3, book="circa"),
        samples.line(PITCH, 1.1, 9.0),  # at first pitch: too late
        samples.line(PITCH + 60, 1.1, 9.0),
    )
    opening, closing = moneyline(found[OPEN]), moneyline(found[CLOSE])
    # 1/2.0 of two equal; the median of 1/1.5 and 1/4 of fair books.
    assert opening["probability"] == pytest.approx(0.5)
    assert (opening["books"], opening["seconds_before_start"]) == (1, PITCH)
    assert closing["probability"] == pytest.approx((2 / 3 + 1 / 4) / 2)
    assert (closing["books"], closing["seconds_before_start"]) == (2, 10.0)
    assert opening["line"] is None


def test_the_cutoff_of_the_features_is_not_the_close() -> None:
    found = prices(samples.game(), samples.line(0, 2.0, 2.0), samples.line(PITCH - 1, 1.5, 3.0))
    assert moneyline(found[CLOSE])["probability"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(("moved_to", "expected"), [(PITCH - 1_800, 0.5), (PITCH + 1_800, 0.25)])
def test_first_pitch_is_the_one_announced_last(moved_to: float, expected: float) -> None:
    start = samples.START + round((moved_to - PITCH) * US_PER_SECOND)
    found = prices(
        samples.game(),
        samples.line(PITCH - 2_000, 2.0, 2.0),
        samples.line(PITCH - 1_000, 1.5, 3.0),
        samples.line(PITCH + 900, 4.0, 4.0 / 3),
        samples.game(PITCH + 1_000, start_time_us=start),
    )
    assert moneyline(found[CLOSE])["probability"] == pytest.approx(expected)


def test_a_suspended_game_that_goes_on_tomorrow_has_had_its_first_pitch() -> None:
    tomorrow = samples.START + 24 * 60 * US_PER_MINUTE
    frames = frames_of(
        [
            samples.game(),
            samples.game(PITCH + 9_000, status=GameStatus.SUSPENDED, start_time_us=tomorrow),
        ]
    )
    assert first_pitch(frames.games)["start_us"].to_list() == [samples.START]


def test_where_all_books_are_gone_the_last_consensus_before_counts() -> None:
    found = prices(
        samples.game(),
        samples.line(0, 2.0, 2.0),
        samples.line(PITCH - 600, 1.5, 3.0),
        samples.line(PITCH - 590, 4.0, 4.0 / 3, book="circa"),
        samples.line(PITCH - 30, None, None, status="withdrawn"),
        samples.line(PITCH - 20, None, None, status="withdrawn", book="circa"),
    )
    # As of circa's quote; pinnacle's was still up then.
    close = moneyline(found[CLOSE])
    assert close["probability"] == pytest.approx((2 / 3 + 1 / 4) / 2)
    assert close["seconds_before_start"] == 590.0


def test_a_book_that_has_withdrawn_is_no_part_of_the_close() -> None:
    found = prices(
        samples.game(),
        samples.line(PITCH - 600, 1.5, 3.0),
        samples.line(PITCH - 590, 4.0, 4.0 / 3, book="circa"),
        samples.line(PITCH - 30, None, None, status="withdrawn", book="circa"),
    )
    close = moneyline(found[CLOSE])
    assert close["probability"] == pytest.approx(2 / 3)
    assert (close["books"], close["seconds_before_start"]) == (1, 600.0)


def test_a_stale_quote_closes_only_as_of_when_it_was_fresh() -> None:
    late = PITCH - 60
    found = prices(
        samples.game(), samples.line(0, 1.5, 3.0), samples.line(late, market=Market.TOTAL)
    )
    assert moneyline(found[CLOSE])["seconds_before_start"] == PITCH
    confirmed = samples.game(late, quotes_stand=True, source="odds")
    found = prices(samples.game(), samples.line(0, 1.5, 3.0), confirmed)
    assert moneyline(found[CLOSE])["seconds_before_start"] == 60.0


def test_opening_waits_for_the_whole_payload() -> None:
    found = prices(
        samples.game(),
        samples.line(5, 1.5, 3.0, settles=False),
        samples.line(5, 4.0, 4.0 / 3, book="circa"),
    )
    assert moneyline(found[OPEN])["books"] == 2


def test_each_market_has_its_own_line() -> None:
    found = prices(
        samples.game(),
        samples.line(1, market=Market.TOTAL, line=8.5),
        samples.line(2, market=Market.TOTAL, line=9.0),
        samples.line(3, market=Market.RUN_LINE, line=-1.5),
    )
    assert found[OPEN].select("market", "line").rows() == [("run_line", -1.5), ("total", 8.5)]
    assert found[CLOSE].select("market", "line").rows() == [("run_line", -1.5), ("total", 9.0)]


def test_no_schedule_no_prices() -> None:
    frames = frames_of([samples.line(1)])
    assert before_first_pitch(frames).lines.is_empty()
    assert market_prices(frames, RULES, FEATURES).is_empty()


def test_rating_at_the_decision() -> None:
    told = {"context": {"elo_home": 0.61}, "context_as_of_us": samples.at(50), "source": "context"}
    history = History.of(frames_of([samples.game(), samples.game(100, **told)]), RULES)
    decisions = pl.DataFrame(
        {"game_id": [samples.GAME] * 2, "as_of_us": [samples.at(99), samples.at(100)]}
    )
    assert ratings(history, decisions).rows() == [(samples.GAME, samples.at(100), 0.61)]
