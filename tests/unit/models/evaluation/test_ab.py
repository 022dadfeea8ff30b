"""Whether the statistics of A/B keep what they promise, on simulated seasons."""

import math

import numpy as np
import polars as pl
import pytest
from scipy import integrate, stats  # type: ignore[import-untyped]

from models.assignment import assigned
from models.evaluation import ab
from models.evaluation.intervals import DaySums
from models.evaluation.rows import decided
from schemas.decisions import Role
from tests.unit.models.evaluation.seasons import season


def arm(game: str, experiment: str, share: float) -> str:
    return "b" if assigned(game, experiment, share) is Role.CHALLENGER else "a"


def shadowed(seed: int, edge: float, days: int = 120) -> pl.DataFrame:
    """A repeats the market with noise, B sees what it misses."""
    noise = np.random.default_rng(seed + 1_000)
    rows = decided(season(seed, edge, noise=0.0, days=days), "moneyline")
    games = rows.unique("game_id", keep="last", maintain_order=True).with_columns(weight=1.0)
    odds = games["consensus"] / (1.0 - games["consensus"])
    moved = odds.log().to_numpy() + noise.normal(0.0, 0.1, games.height)
    return games.with_columns(a=1.0 / (1.0 + np.exp(-moved)), b=pl.col("model"))


def test_shadow_difference_by_hand() -> None:
    rows = pl.DataFrame(
        {
            "day": [1, 2],
            "game_id": ["x", "y"],
            "weight": [1.0, 1.0],
            "outcome": [1.0, 0.0],
            "a": [0.5, 0.5],
            "b": [0.6, 0.7],
        }
    )
    found = ab.shadow(rows)
    assert found.difference == pytest.approx((-math.log(0.6) - math.log(0.3)) / 2 + math.log(0.5))
    assert (found.games, found.days, found.settled) == (2, 2, None)


def test_shadow_finds_the_better_model() -> None:
    rows = shadowed(1, edge=0.5)
    assert ab.shadow(rows).settled == "b"
    assert ab.shadow(rows.rename({"a": "b", "b": "a"})).settled == "a"
    found = ab.shadow(rows)
    assert found.always.low < found.interval.low < found.interval.high < found.always.high


def test_split_means_what_shadow_means() -> None:
    differences, truths, deviations = [], [], []
    for seed in range(60):
        rows = shadowed(seed, edge=0.5, days=60)
        truths.append(ab.shadow(rows).difference)
        arms = [arm(game, f"exp{seed}", 0.3) for game in rows["game_id"]]
        drawn = rows.with_columns(pl.Series("arm", arms), share=pl.lit(0.3)).with_columns(
            model=pl.when(pl.col("arm") == "b").then("b").otherwise("a")
        )
        found = ab.split(drawn)
        differences.append(found.difference)
        deviations.append(found.deviation)
    # Unbiased: the mean of 60 splits, within four of its standard errors, is the mean of truths.
    apart = np.array(differences) - np.array(truths)
    assert abs(apart.mean()) < 4 * apart.std() / math.sqrt(60)
    # And as noisy as it says: 720 games each.
    assert np.std(differences) == pytest.approx(np.mean(deviations) / math.sqrt(720), rel=0.35)


def test_deviation_of_a_split() -> None:
    # Half and half, equal deviations: four times the variance of one game.
    assert ab.split_deviation(1.0, 1.0, 0.5) == pytest.approx(2.0)


def test_boundary_is_the_mixture_of_robbins() -> None:
    # At the boundary the mixed likelihood ratio is exactly 1 / risk, by quadrature.
    days, tight, risk = 50.0, 90.0, 0.05
    reach = float(ab.multiplier(np.array([days]), 1.0 - risk, tight)[0])
    total = reach * math.sqrt(days)  # of standard normal days
    loose = -2.0 * math.log(risk)
    width = tight / (loose + math.log1p(loose))
    prior = stats.norm(0.0, 1.0 / math.sqrt(width))
    mixed, _ = integrate.quad(
        lambda slope: math.exp(slope * total - slope**2 * days / 2.0) * prior.pdf(slope), -5, 5
    )
    assert mixed == pytest.approx(1.0 / risk, rel=1e-6)


def test_tight_where_asked_for() -> None:
    choices = np.linspace(20, 400, 191)
    reach = [float(ab.multiplier(np.array([90.0]), 0.95, choice)[0]) for choice in choices]
    assert choices[int(np.argmin(reach))] == pytest.approx(90, abs=15)


def _season_of(rng: np.random.Generator, days: int) -> DaySums:
    """Skewed losses, games of a day tied together, true mean 0."""
    counts = rng.integers(3, 16, days)
    day = np.repeat(np.arange(days), counts)
    values = rng.normal(0.0, 0.02, days)[day] + rng.exponential(0.05, len(day)) - 0.05
    return DaySums.of(day, values, np.ones(len(day)))


def test_looked_at_every_day_it_is_wrong_as_rarely_as_it_says() -> None:
    ever = peeked = 0
    for seed in range(400):
        sums = _season_of(np.random.default_rng(seed), 180)
        low, high = ab.confidence_sequence(sums, 0.9)
        ever += bool(((low > 0.0) | (high < 0.0)).any())
        # The usual interval, looked at as often.
        low, high = low[19:], high[19:]
        reach = ab.multiplier(np.arange(20, 181), 0.9, 90.0)
        middle, wide = (low + high) / 2.0, (high - low) / 2.0 / reach * 1.645
        peeked += bool((np.abs(middle) > wide).any())
    assert ever <= 40 + 2 * 6  # 10 % of 400, two standard deviations
    assert peeked > 120


def test_last_day_of_the_sequence_is_the_standard_error_times_the_multiplier() -> None:
    sums = _season_of(np.random.default_rng(1), 60)
    low, high = ab.confidence_sequence(sums)
    reach = float(ab.multiplier(np.array([60.0]), 0.95, ab.TIGHT_AT_DAYS)[0])
    assert high[-1] - sums.mean == pytest.approx(reach * sums.standard_error)
    assert np.isinf(low[:19]).all()
    assert np.isfinite(low[19:]).all()


def test_plan() -> None:
    found = ab.plan(deviation=0.1, difference=0.01, games_a_day=12)
    assert found.once == 785  # ((1.959964 + .841621) * 10)**2
    assert found.always > found.once
    smaller = ab.plan(deviation=0.1, difference=0.001, games_a_day=12)
    assert smaller.once == 78_489
    with pytest.raises(ValueError, match="0"):
        ab.plan(0.1, 0.0, 12)


def test_so_many_games_settle_it_as_often_as_planned() -> None:
    needed = ab.plan(deviation=1.0, difference=0.1, games_a_day=10).always
    days = math.ceil(needed / 10)
    settled = 0
    for seed in range(300):
        values = np.random.default_rng(seed).normal(0.1, 1.0, days * 10)
        sums = DaySums.of(np.arange(days * 10) // 10, values, np.ones(days * 10))
        settled += bool(ab.confidence_sequence(sums, tight_at=days).low[-1] > 0.0)
    assert settled / 300 == pytest.approx(0.8, abs=0.07)
