"""The gate on seasons whose truth is known: with an edge it opens, without one it does not."""

import polars as pl
import pytest

from models.evaluation.gate import GateRules, gate
from schemas.errors import DataMissing
from tests.unit.models.evaluation.seasons import season

RULES = GateRules()
SEEDS = range(20)


def test_a_planted_edge_is_promoted() -> None:
    # Worth p (1 - p) edge**2 / 2, so .03 a game, with a deviation of .25: 4.6 standard errors.
    verdicts = [gate(season(seed, edge=0.5), None, RULES) for seed in SEEDS]
    assert sum(verdict.promote for verdict in verdicts) == 20


def test_none_is_refused() -> None:
    verdicts = [gate(season(seed, edge=0.0), None, RULES) for seed in range(100, 120)]
    assert sum(verdict.promote for verdict in verdicts) <= 1


def test_a_model_that_repeats_the_price_is_refused() -> None:
    rows = season(1, edge=0.0, noise=0.0)
    verdict = gate(rows, None, RULES)
    assert not verdict.promote
    assert verdict.numbers["market"]["difference"] == 0.0


def _half_as_good(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(model=(pl.col("model") + pl.col("consensus")) / 2.0)


def test_the_champion_must_be_beaten_too() -> None:
    rows = season(1, edge=0.4)
    better = gate(rows, _half_as_good(rows), RULES)
    assert better.promote
    assert set(better.numbers) >= {"market", "champion"}
    worse = gate(_half_as_good(rows), rows, RULES)
    assert not worse.promote
    (reason,) = worse.reasons
    assert "not shown to be below" in reason
    assert "champion" in reason
    same = gate(rows, rows, RULES)
    assert not same.promote
    assert same.numbers["champion"]["interval"] == [0.0, 0.0]


def test_few_games_are_refused_however_good() -> None:
    verdict = gate(season(1, edge=2.0, noise=0.0, days=10), None, RULES)
    assert verdict.numbers["market"]["interval"][1] < 0.0
    assert verdict.reasons == ["120 games out of sample, at least 200 needed"]


def test_a_champion_with_other_games_is_no_comparison() -> None:
    rows = season(1, edge=0.4)
    half = rows.filter(pl.col("day").dt.month() <= 5)
    verdict = gate(rows, _half_as_good(half), RULES)
    assert not verdict.promote
    assert "51%" in verdict.reasons[0]  # 61 of 120 days
    other = rows.with_columns(pl.col("game_id") + "x")
    assert not gate(rows, other, RULES).promote


def test_equal_rows_give_equal_verdicts_whatever_their_order() -> None:
    rows = season(2, edge=0.1)
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=3)
    found, again = gate(rows, None, RULES), gate(shuffled, None, RULES)
    assert found.numbers["market"]["interval"] == pytest.approx(
        again.numbers["market"]["interval"], abs=1e-12
    )


def test_one_target_at_a_time() -> None:
    rows, other = season(1, edge=0.1), season(1, edge=0.1, target="total")
    with pytest.raises(DataMissing, match="one target"):
        gate(pl.concat([rows, other]), None, RULES)
    with pytest.raises(DataMissing, match="candidate predicts moneyline, champion total"):
        gate(rows, other, RULES)
    with pytest.raises(DataMissing, match="no row"):
        gate(rows.with_columns(outcome=pl.lit(None, pl.Float64)), None, RULES)
