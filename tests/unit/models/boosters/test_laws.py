"""The laws of runs and margin, held against scipy, sums over all outcomes, and each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from models.boosters.laws import TYPICAL, Kind, Law, fit_law
from models.features.arrays import Array

KINDS: list[Kind] = ["total", "margin"]
TILTS = st.floats(-0.3, 0.3)
LAWS = st.builds(Law, st.sampled_from(KINDS), st.floats(2.0, 60.0), st.floats(-0.5, 1.0))
HALVES = st.integers(-40, 60).map(lambda half: half / 2)


def line_of(law: Law, half: float) -> float:
    return abs(half) + 1.0 if law.kind == "total" else half


def one(value: float) -> Array:
    return np.array([value])


@settings(deadline=None)
@given(LAWS, TILTS, HALVES)
def test_over_push_and_mean_are_sums_over_all_outcomes(law: Law, tilt: float, half: float) -> None:
    line = line_of(law, half)
    chances = dict(zip(law.support.tolist(), law.pmf(one(tilt))[0].tolist(), strict=True))
    assert sum(chances.values()) == pytest.approx(1.0, abs=1e-12)
    above = sum(chance for k, chance in chances.items() if k > line)
    below = sum(chance for k, chance in chances.items() if k < line)
    push = chances.get(line, 0.0)
    assert law.push(one(tilt), one(line))[0] == pytest.approx(push, abs=1e-14)
    assert (push > 0) == (line == int(line) and line in chances)
    assert law.over(one(tilt), one(line))[0] == pytest.approx(above / (above + below), abs=2e-9)
    mean = sum(k * chance for k, chance in chances.items())
    assert law.mean(one(tilt))[0] == pytest.approx(mean, abs=1e-10)


@settings(deadline=None)
@given(LAWS, TILTS)
def test_a_higher_line_is_less_likely_and_a_higher_tilt_more(law: Law, tilt: float) -> None:
    # No margin lies between -1 and 1, so the lines -0.5 and 0.5 are one.
    lines = np.arange(2.5, 20.0) if law.kind == "total" else np.delete(np.arange(-8.5, 9.0), 9)
    over = law.over(np.full(len(lines), tilt), lines)
    assert (np.diff(over) < 0).all()
    assert (law.over(np.full(len(lines), tilt + 0.01), lines) > over).all()
    assert law.mean(one(tilt + 0.01)) > law.mean(one(tilt))


def test_the_total_is_a_negative_binomial_where_nothing_is_bumped() -> None:
    law = Law("total", 8.0, 0.0)
    mass = stats.nbinom(8.0, 8.0 / (8.0 + 8.9)).pmf(np.arange(1, 61))
    np.testing.assert_allclose(law.pmf(one(0.0))[0], mass / mass.sum(), rtol=1e-12)
    # A tilted one is one of another mean: its share is multiplied by exp(tilt).
    share = 8.9 / 16.9 * np.exp(0.1)
    mass = stats.nbinom(8.0, 1 - share).pmf(np.arange(1, 61))
    np.testing.assert_allclose(law.pmf(one(0.1))[0], mass / mass.sum(), rtol=1e-10)


def test_the_margin_without_overdispersion_is_skellam_without_ties() -> None:
    """Equal means 4.45, tilted by half the log of the ratio of the means."""
    law = Law("margin", 1e7, 0.0)
    for home, away in ((4.45, 4.45), (5.0, 4.45**2 / 5.0)):
        mass = stats.skellam(home, away).pmf(law.support)
        ours = law.pmf(one(0.5 * np.log(home / away)))[0]
        np.testing.assert_allclose(ours, mass / mass.sum(), atol=1e-6)


def test_the_margin_by_enumeration_of_both_scores() -> None:
    law, k = Law("margin", 4.9, 0.45), np.arange(61)
    team = stats.nbinom(4.9, 4.9 / (4.9 + 4.45)).pmf(k)
    mass = dict.fromkeys(law.support.tolist(), 0.0)
    for home in k.tolist():
        for away in k.tolist():
            if float(home - away) in mass:
                walk_off = np.exp(0.45) if home - away == 1 else 1.0
                mass[float(home - away)] += team[home] * team[away] * walk_off
    total = sum(mass.values())
    expected = [one / total for one in mass.values()]
    np.testing.assert_allclose(law.pmf(one(0.0))[0], expected, atol=1e-13)


@settings(deadline=None)
@given(LAWS, st.floats(0.02, 0.98), st.integers(0, 14))
def test_the_tilt_of_a_price_says_the_price(law: Law, price: float, half: int) -> None:
    line = one(4.0 + half / 2 if law.kind == "total" else half / 2 - 3.5)
    assert law.over(law.tilt(one(price), line), line)[0] == pytest.approx(price, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(LAWS, st.integers(0, 2**32 - 1))
def test_a_row_is_the_same_alone_and_in_a_batch(law: Law, seed: int) -> None:
    rng = np.random.default_rng(seed)
    price = rng.uniform(0.02, 0.98, 70)
    line = rng.integers(10, 24, 70) / 2 if law.kind == "total" else rng.integers(-7, 7, 70) / 2
    tilt = law.tilt(price, line)
    together = [tilt, law.over(tilt, line), law.push(tilt, line), law.mean(tilt)]
    for at in range(0, 70, 9):
        row = slice(at, at + 1)
        own = law.tilt(price[row], line[row])
        alone = [own, law.over(own, line[row]), law.push(own, line[row]), law.mean(own)]
        assert [part.tobytes() for part in alone] == [part[row].tobytes() for part in together]


def test_lines_that_cannot_be_do_no_harm() -> None:
    for kind in KINDS:
        law, line = Law(kind, *TYPICAL[kind]), np.array([-50.0, 100.0])
        tilt = law.tilt(np.array([0.5, 0.5]), line)
        assert np.isfinite(tilt).all()
        assert law.over(tilt, line).tolist() == [1 - 1e-9, 1e-9]


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_finds_the_law_that_games_were_drawn_from(kind: Kind) -> None:
    """Well away from where it starts."""
    rng = np.random.default_rng(7)
    truth = Law(kind, 12.0, 0.0)
    line = rng.choice([7.5, 8.5, 9.0] if kind == "total" else [-1.5, 1.5], 6_000)
    price = rng.uniform(0.35, 0.65, 6_000)
    masses = truth.pmf(truth.tilt(price, line)).cumsum(axis=1)
    place = (masses < rng.random(6_000)[:, None] * masses[:, -1:]).sum(axis=1)
    found = fit_law(kind, price, line, truth.support[place], np.ones(6_000))
    assert 10.0 < found.dispersion < 15.0
    assert abs(found.bump) < 0.1


def test_few_games_leave_the_typical_law() -> None:
    few = fit_law("total", one(0.5), one(8.5), one(9.0), one(1.0))
    assert few.dispersion == pytest.approx(TYPICAL["total"][0], rel=0.15)
    assert few.bump == pytest.approx(TYPICAL["total"][1], abs=0.1)


@pytest.mark.parametrize(("dispersion", "bump"), [(0.0, 0.1), (np.nan, 0.1), (5.0, np.inf)])
def test_numbers_that_make_no_law(dispersion: float, bump: float) -> None:
    with pytest.raises(ValueError, match="makes no sense"):
        Law("total", dispersion, bump)
