"""Data quality on small frames, every number worked out by hand."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import BaseModel

from flows.connectors.parquet import topic_schema
from models.features.catalogue import CATALOGUE, NAMES, Category
from models.quality import (
    Quality,
    QualityRules,
    Topics,
    assess,
    by_category,
    coverage,
    summary,
)
from schemas.events import QuoteStatus
from schemas.markets import Market
from schemas.time import from_us
from schemas.topics import Topic
from tests import samples
from tests.unit.streams import splits

RULES = QualityRules(cutoff=timedelta(minutes=60), stale=timedelta(minutes=30))
HOUR = 3_600.0
START = 6 * HOUR
"""Seconds after `samples.OPEN`; the cutoff is an hour earlier."""
CUTOFF = 5 * HOUR


def frame(topic: Topic, events: Iterable[BaseModel]) -> pl.LazyFrame:
    """As an archive's `scan` gives it; a game's context is text there."""
    schema = topic_schema(topic)
    rows = [
        {
            name: from_us(value)
            if name.endswith("_us") and value is not None
            else (str(value) if name == "context" and value is not None else value)
            for name, value in event.model_dump(mode="json").items()
        }
        for event in events
    ]
    return pl.LazyFrame(rows, schema=schema, orient="row")


def found(*events: Any, far: float = 0.03) -> Quality:
    def of(kind: str) -> list[Any]:
        return [event for event in events if type(event).__name__ == kind]

    topics = Topics(
        lines=frame(Topic.LINES, of("LineMovement")),
        games=frame(Topic.GAMES, of("GameUpdate")),
        splits=frame(Topic.SPLITS, of("BettingSplits")),
        results=frame(Topic.RESULTS, of("GameResult")),
    )
    return assess(topics, QualityRules(RULES.cutoff, RULES.stale, far))


def of_game(quality: Quality, game_id: str = samples.GAME) -> dict[str, Any]:
    [row] = quality.games.filter(pl.col("game_id") == game_id).to_dicts()
    return row


def stands(second: float, **over: Any) -> Any:
    return samples.game(second, source="odds", quotes_stand=True, **over)


def test_each_topic_a_game_lacks_is_named() -> None:
    lone = "mlb-2026-07-20-LAD-SFG-2"
    told = summary(
        found(
            samples.game(0, context={"elo_home": 0.5}, context_as_of_us=samples.at(0)),
            samples.line(1),
            splits(2),
            samples.result(30_000),
            samples.line(1, game_id=samples.OTHER),
            samples.game(0, game_id=lone),
        )
    )
    assert told["games"] == 3
    assert told["without"] == {
        "schedule": [samples.OTHER],
        "quotes": [lone],
        # Without a schedule there is no cutoff to be before.
        "quotes_before_cutoff": [samples.OTHER, lone],
        "splits": [samples.OTHER, lone],
        "context": [samples.OTHER, lone],
        "result": [samples.OTHER, lone],
    }
    assert told["books_per_game"] == {"least": 0.0, "median": 0.0, "mean": 0.3333, "most": 1.0}


def test_only_what_came_before_the_cutoff_counts_as_there() -> None:
    row = of_game(
        found(
            samples.game(0),
            samples.line(CUTOFF - 10),
            samples.line(CUTOFF, book="circa", market=Market.TOTAL),
            samples.line(CUTOFF + 1e-6, book="fanduel"),
        )
    )
    assert (row["quotes"], row["books"], row["markets"], row["all_quotes"]) == (2, 2, 2, 3)
    assert row["cutoff"] == from_us(samples.at(CUTOFF))


def test_the_last_announced_start_sets_the_cutoff_and_sources_may_disagree() -> None:
    later = samples.START + 7_200_000_000
    moved = found(samples.game(0), samples.game(10, start_time_us=later), samples.line(1))
    row = of_game(moved)
    assert row["start"] == from_us(later)
    assert not row["starts_disagree"]
    both = found(
        samples.game(5),
        samples.game(10, start_time_us=later, source="other"),
        samples.game(20, start_time_us=later, source="other"),
    )
    assert of_game(both)["start"] == from_us(later)
    assert summary(both)["starts_disagree"] == [samples.GAME]


@pytest.mark.parametrize(
    ("moments", "share", "unconfirmed"),
    [
        # 4 h to the cutoff; fresh for 30 min once: 0.5 / 4.
        ([], 0.125, 240.0),
        # Confirmed every 30 min: always fresh; the last at the cutoff itself.
        ([HOUR + 1_800 * n for n in range(1, 9)], 1.0, 0.0),
        # 30 min after the quote, nothing for 2 h, then 30 min again, until the last hour.
        ([3.5 * HOUR], 0.25, 90.0),
        # Twenty minutes apart they overlap: 50 min of 4 h.
        ([HOUR + 1_200], 50 / 240, 220.0),
        # After the cutoff it is too late.
        ([CUTOFF + 1], 0.125, 240.0),
        # Before there was a quote there was nothing to confirm.
        ([0.5 * HOUR], 0.125, 240.0),
    ],
)
def test_the_share_of_time_with_a_fresh_price(
    moments: list[float], share: float, unconfirmed: float
) -> None:
    row = of_game(
        found(samples.game(0), samples.line(HOUR), *(stands(moment) for moment in moments))
    )
    assert row["fresh_share"] == pytest.approx(share, abs=1e-12)
    assert row["minutes_unconfirmed"] == pytest.approx(unconfirmed, abs=1e-9)


def test_another_source_another_market_or_a_withdrawal_keeps_nothing_fresh() -> None:
    row = of_game(
        found(
            samples.game(0),
            samples.line(HOUR),
            samples.game(2 * HOUR, source="elsewhere", quotes_stand=True),
            samples.line(3 * HOUR, market=Market.TOTAL),
            samples.line(4 * HOUR, None, None, status=QuoteStatus.WITHDRAWN),
        )
    )
    assert row["fresh_share"] == pytest.approx(0.125)


def test_a_game_first_quoted_at_its_cutoff_has_no_share() -> None:
    row = of_game(found(samples.game(0), samples.line(CUTOFF)))
    assert row["fresh_share"] is None
    assert row["minutes_unconfirmed"] == 0.0
    assert summary(found(samples.game(0), samples.line(CUTOFF)))["fresh_share"] == dict.fromkeys(
        ("least", "median", "mean", "most")
    )


def test_silences_of_a_source_and_who_was_waiting() -> None:
    quality = found(
        samples.game(0),
        samples.line(0),
        samples.line(1_800, book="circa"),  # 30 min: not longer than prices stay fresh
        samples.line(1_800 + 1_801, game_id=samples.OTHER),
        samples.game(1_800 + 1_801, game_id=samples.OTHER, source="odds"),
        stands(CUTOFF + 10),
        stands(CUTOFF + 10 + 2 * HOUR),
    )
    odds = quality.gaps.filter(pl.col("source") == "odds").to_dicts()
    assert [(row["since"], row["until"], row["games"]) for row in odds] == [
        (from_us(samples.at(3_601)), from_us(samples.at(CUTOFF + 10)), 2),
        # Both games are past their cutoff: nobody waits.
        (from_us(samples.at(CUTOFF + 10)), from_us(samples.at(CUTOFF + 10 + 2 * HOUR)), 0),
        (from_us(samples.at(1_800)), from_us(samples.at(3_601)), 1),
    ]
    assert odds[2]["hours"] == pytest.approx(1_801 / 3_600)
    [told] = quality.sources.filter(pl.col("source") == "odds").to_dicts()
    assert (told["events"], told["games"], told["gaps"]) == (6, 2, 3)
    assert told["longest_gap_hours"] == pytest.approx((CUTOFF + 10 - 3_601) / 3_600)
    assert (told["first"], told["last"]) == (
        from_us(samples.at(0)),
        from_us(samples.at(CUTOFF + 10 + 2 * HOUR)),
    )
    [quiet] = quality.sources.filter(pl.col("source") == "schedule").to_dicts()
    assert (quiet["gaps"], quiet["longest_gap_hours"]) == (0, 0.0)


def even(book: str, home: float, away: float, second: float = CUTOFF - 60, **over: Any) -> Any:
    return samples.line(second, home, away, book=book, **over)


def test_a_book_far_from_the_consensus_is_found() -> None:
    """An hour before the start: fair .5, .5 and 1.5/4 = .375 against a median of .5."""
    quality = found(
        samples.game(0),
        even("pinnacle", 1.9, 1.9),
        even("circa", 2.0, 2.0),
        even("betus", 2.5, 1.5),
    )
    [far] = quality.far.to_dicts()
    assert (far["game_id"], far["market"], far["book"], far["hours"]) == (
        samples.GAME,
        "moneyline",
        "betus",
        1,
    )
    assert far["at"] == from_us(samples.at(CUTOFF))
    assert (far["fair"], far["consensus"]) == (pytest.approx(0.375), 0.5)
    assert far["difference"] == pytest.approx(-0.125)
    books = {row["book"]: row for row in quality.books.to_dicts()}
    assert books["betus"] == {
        "market": "moneyline",
        "book": "betus",
        "quotes": 1,
        "mean": pytest.approx(-0.125),
        "mean_absolute": pytest.approx(0.125),
        "far": 1.0,
    }
    assert (books["circa"]["far"], books["circa"]["mean"]) == (0.0, 0.0)
    assert next(iter(books)) == "betus"  # the worst first
    assert found(samples.game(0), even("betus", 2.5, 1.5), far=0.2).far.is_empty()


def test_stale_withdrawn_late_and_other_lines_are_not_compared() -> None:
    total: dict[str, Any] = {"market": Market.TOTAL}
    base = [
        samples.game(0),
        even("pinnacle", 2.0, 2.0, line=8.5, **total),
        even("circa", 2.0, 2.0, line=8.5, **total),
        even("lowvig", 2.0, 2.0, line=8.5, **total),
    ]
    quality = found(
        *base,
        even("betus", 2.5, 1.5, line=9.5, **total),
        even("bovada", 2.5, 1.5, second=CUTOFF - 1_801, line=8.5, source="slow", **total),
        even("fanduel", 2.5, 1.5, second=CUTOFF + 1, line=8.5, **total),
        even("betmgm", 2.5, 1.5, second=CUTOFF - 90, line=8.5, **total),
        samples.line(
            CUTOFF - 80,
            None,
            None,
            book="betmgm",
            line=None,
            status=QuoteStatus.WITHDRAWN,
            event_id="gone",
            **total,
        ),
    )
    assert quality.far.is_empty()
    assert set(quality.books["book"]) == {"pinnacle", "circa", "lowvig"}
    # The slow source looked again: its old quote stands, and is far.
    again = found(
        *base,
        even("bovada", 2.5, 1.5, second=CUTOFF - 1_801, line=8.5, source="slow", **total),
        samples.game(CUTOFF - 60, source="slow", quotes_stand=True),
    )
    assert again.far["book"].to_list() == ["bovada"]


def test_two_books_are_no_consensus() -> None:
    quality = found(samples.game(0), even("pinnacle", 2.0, 2.0), even("betus", 3.0, 1.4))
    assert quality.far.is_empty()
    assert quality.books.is_empty()


def test_coverage_counts_what_is_known() -> None:
    vectors = np.full((4, len(NAMES)), np.nan, np.float32)
    vectors[:, 0] = 1.0
    vectors[1, 1] = 0.0  # zero is known
    covered = coverage(vectors)
    assert covered["feature"].to_list() == list(NAMES)
    assert covered["known"].to_list()[:3] == [1.0, 0.25, 0.0]
    told = {row["category"]: row for row in by_category(covered).to_dicts()}
    temporal = sum(one.category is Category.TEMPORAL for one in CATALOGUE)
    assert told["temporal"]["features"] == temporal
    assert told["temporal"]["known"] == pytest.approx(1.25 / temporal)
    assert told["temporal"]["never"] == temporal - 2
    assert told["team"]["known"] == 0.0
    nothing = coverage(np.empty((0, len(NAMES)), np.float32))
    assert nothing["known"].null_count() == len(NAMES)


def test_an_empty_archive_is_an_empty_report() -> None:
    quality = found()
    assert quality.games.is_empty()
    assert summary(quality)["games"] == 0
