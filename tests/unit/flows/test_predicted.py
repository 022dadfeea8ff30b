"""Predictions of an archive beside results, worked out by hand."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.connectors.parquet import write_archive
from flows.predicted import predicted
from models.evaluation.said import SAID
from schemas.decisions import Prediction, Role
from schemas.errors import DataMissing
from schemas.events import GameResult
from schemas.markets import Target
from schemas.time import US_PER_MINUTE
from schemas.topics import Topic
from tests import samples

HOUR = 60 * US_PER_MINUTE


def said(position: int, hours: float, target: Target = Target.MONEYLINE, **over: Any) -> Prediction:
    """So many hours before first pitch."""
    as_of = samples.START - round(hours * HOUR)
    return samples.prediction(position, target=target, as_of_us=as_of, **over)


def archive(root: Path, *made: Prediction, results: tuple[GameResult, ...] = ()) -> Path:
    in_order: list[Prediction] = sorted(made, key=lambda one: one.as_of_us)
    write_archive(root, Topic.PREDICTIONS, in_order)
    write_archive(root, Topic.RESULTS, results)
    return root


def test_the_last_prediction_before_each_decision_time_counts(tmp_path: Path) -> None:
    """Decisions are 12, 6, 3, 2 and 1 hours before; so 13 h counts for the first of them, of 2.9
    and 2.1 h the later for that at 2 h, and what is repeated counts once."""
    root = archive(
        tmp_path,
        said(1, 13.0, probability=0.51),
        said(2, 2.9, probability=0.52),
        said(3, 2.1, probability=0.53),
        said(3, 2.1, probability=0.53),
        said(4, 1.0, probability=0.54),
        said(4, 1.0, probability=0.44, model_version="2"),
        results=(samples.result(home_score=5, away_score=3),),
    )
    rows = predicted([root])
    assert rows.schema == SAID
    first = rows.filter(model_version="1").sort("position")
    assert first["position"].to_list() == [1, 3, 4]
    assert first["model"].to_list() == [0.51, 0.53, 0.54]
    assert first["consensus"].to_list() == [0.52] * 3
    assert rows.filter(model_version="2")["model"].to_list() == [0.44]
    assert set(rows["outcome"]) == {1.0}
    assert set(rows["day"]) == {date(2026, 7, 20)}
    assert rows["as_of_us"].is_sorted()


def test_what_a_shadow_said_is_left_out_unless_asked_for(tmp_path: Path) -> None:
    dealt: dict[str, Any] = {"experiment": "spring", "model_version": "2"}
    root = archive(
        tmp_path,
        said(1, 2.0),
        said(1, 2.0, role=Role.CHALLENGER, **dealt),
        said(1, 2.0, game_id=samples.OTHER, role=Role.CHALLENGER, share=0.5, **dealt),
    )

    def who(shadows: bool) -> list[tuple[str, str, float | None]]:
        found = predicted([root], shadows=shadows).sort("game_id", "role")
        return list(found.select("game_id", "role", "share").iter_rows())

    live = [(samples.GAME, "champion", None), (samples.OTHER, "challenger", 0.5)]
    assert who(False) == live
    assert who(True) == sorted([*live, (samples.GAME, "challenger", None)], reverse=False)


@pytest.mark.parametrize(
    ("target", "line", "outcome"),
    [
        (Target.MONEYLINE, None, 0.0),  # 3:4 at home
        (Target.TOTAL, 6.5, 1.0),  # seven runs
        (Target.RUNS, 7.0, None),
        (Target.TOTAL, 8.0, 0.0),
        (Target.MARGIN, -1.5, 0.0),
        (Target.MARGIN, 1.5, 1.0),
        (Target.MARGIN, 1.0, None),
    ],
)
def test_who_won_at_the_line(
    tmp_path: Path, target: Target, line: float | None, outcome: float | None
) -> None:
    root = archive(
        tmp_path,
        said(1, 2.0, target, line=line),
        results=(samples.result(home_score=3, away_score=4),),
    )
    assert predicted([root])["outcome"].to_list() == [outcome]


def test_a_corrected_result_holds_and_a_game_under_way_is_open(tmp_path: Path) -> None:
    over = samples.START + 3 * HOUR
    results = (
        samples.result(home_score=5, away_score=3, occurred_at_us=over),
        samples.result(home_score=3, away_score=5, occurred_at_us=over + HOUR),
    )
    root = archive(tmp_path, said(1, 2.0), said(1, 2.0, game_id=samples.OTHER), results=results)

    def outcomes(until_us: int | None = None) -> dict[str, float | None]:
        found = predicted([root], until_us)
        return dict(zip(found["game_id"], found["outcome"], strict=True))

    assert outcomes() == {samples.GAME: 0.0, samples.OTHER: None}
    assert outcomes(over + HOUR) == {samples.GAME: 1.0, samples.OTHER: None}
    assert outcomes(over) == {samples.GAME: None, samples.OTHER: None}
    with pytest.raises(DataMissing, match="no predictions"):
        predicted([root], samples.START - 3 * HOUR)


def test_what_came_after_the_last_decision_is_left_out(tmp_path: Path) -> None:
    late = said(9, 0.9, cutoff_us=samples.START)
    root = archive(tmp_path, said(1, 2.0), late)
    assert predicted([root])["position"].to_list() == [1]
    assert predicted([root]).select(pl.col("simulated").any()).item() is False
