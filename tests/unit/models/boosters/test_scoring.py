"""A booster is refused before it can do harm; what it says is anchored to the market."""

import json
import math
import subprocess
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats  # type: ignore[import-untyped]

from models.boosters.calibration import Calibration
from models.boosters.scoring import COLUMN_OF, TargetModel
from models.features.arrays import Array
from models.features.catalogue import NAMES
from schemas.errors import ModelRefused
from schemas.markets import MARKET_OF, Market, Target
from tests.unit.boosters import FEATURE_SET, LAWS, card, constant_text, model, varied_text

ROOT = Path(__file__).parents[4]


def some_vectors(count: int) -> Array:
    vectors = np.random.default_rng(2).normal(size=(count, len(NAMES))).astype(np.float32)
    vectors[vectors > 1.2] = np.nan
    return vectors


def raw_of(vectors: Array) -> list[float]:
    raw = lightgbm.Booster(model_str=varied_text()).predict(vectors.astype(float), raw_score=True)
    return [float(score) for score in np.asarray(raw)]


@settings(deadline=None)
@given(st.floats(0.02, 0.98))
def test_an_all_zero_booster_says_what_the_market_says(consensus: float) -> None:
    flat = model(Target.MONEYLINE, constant_text(0.0))
    [outcome] = flat.outcomes(some_vectors(1), np.array([consensus]), np.array([0.0]))
    assert outcome is not None
    assert outcome.probability == pytest.approx(consensus, rel=1e-14)
    assert outcome.mean is None


def test_the_booster_moves_the_log_odds() -> None:
    vectors = some_vectors(50)
    consensus = np.linspace(0.2, 0.8, 50)
    raw = raw_of(vectors)
    assert max(raw) - min(raw) > 0.2
    for target in (Target.MONEYLINE, Target.TOTAL):
        outcomes = model(target).outcomes(vectors, consensus, np.full(50, 8.5))
        for outcome, market, score in zip(outcomes, consensus.tolist(), raw, strict=True):
            assert outcome is not None
            odds = market / (1 - market) * math.exp(score)
            assert outcome.probability == pytest.approx(odds / (1 + odds), rel=1e-12)


def tilted(target: Target, tilt: float) -> Array:
    """P(k) by scipy: the law's base, tilted."""
    law = LAWS[target]
    k = np.arange(0, 61)
    if target is Target.RUNS:
        mass = stats.nbinom(law.dispersion, 0.5).pmf(k) * 2.0**k  # any mean: the tilt takes it up
        share = 8.9 / (8.9 + law.dispersion)
        mass = mass * share**k * np.exp(law.bump * (k % 2)) * (k > 0)
        support = k
    else:
        team = stats.nbinom(law.dispersion, law.dispersion / (law.dispersion + 4.45)).pmf(k)
        mass, support = np.correlate(team, team, "full")[30:91], np.arange(-30, 31)
        mass = mass * np.exp(law.bump * (support == 1)) * (support != 0)
    mass = mass * np.exp(tilt * support)
    whole: Array = mass / mass.sum()
    return whole


@pytest.mark.parametrize("target", LAWS)
def test_a_distribution_starts_from_the_price_at_the_line(target: Target) -> None:
    """No trees: the price. With trees: the tilt that means the price, moved by their score."""
    vectors, price = some_vectors(50) * 0.1, np.linspace(0.35, 0.65, 50)
    line = np.resize([7.5, 8.0, 9.0] if target is Target.RUNS else [-1.5, 1.5, 2.0], 50)
    support = np.arange(0, 61) if target is Target.RUNS else np.arange(-30, 31)
    flat = model(target, constant_text(0.0)).outcomes(vectors, price, line)
    moved = model(target, constant_text(0.02)).outcomes(vectors, price, line)
    for before, after, said, at in zip(flat, moved, price, line, strict=True):
        assert before is not None
        assert after is not None
        assert before.probability == pytest.approx(said, abs=1e-12)
        bar = at if target is Target.RUNS else -at

        def over(tilt: float, bar: float = bar) -> float:
            mass = tilted(target, tilt)
            return float(mass[support > bar].sum() / mass[support != bar].sum())

        start = optimize.brentq(lambda tilt, p=said: over(tilt) - p, -0.5, 0.5, xtol=1e-14)
        assert after.probability == pytest.approx(over(start + 0.02), abs=1e-9)
        assert after.mean == pytest.approx(float(tilted(target, start + 0.02) @ support), abs=1e-8)


def test_a_calibrated_distribution_is_still_one() -> None:
    """Its chance at the line is mended, and its mean moves along."""
    mended = Calibration("beta", (1.0, 1.0, -0.2))
    vectors, price, line = some_vectors(5), np.full(5, 0.5), np.full(5, 8.5)
    one = TargetModel(constant_text(0.0), card(Target.RUNS, calibration=mended), "1")
    said = one.say(vectors, price, line)
    assert said.raw.tolist() == pytest.approx([0.5] * 5)
    # logit 0 - 0.2
    assert said.probability.tolist() == pytest.approx([1 / (1 + math.exp(0.2))] * 5, abs=1e-12)
    assert said.tilt is not None
    assert LAWS[Target.RUNS].over(said.tilt, line).tolist() == said.probability.tolist()
    plain = model(Target.RUNS, constant_text(0.0)).outcomes(vectors, price, line)
    for low, high in zip(one.outcomes(vectors, price, line), plain, strict=True):
        assert low is not None
        assert high is not None
        assert low.mean is not None
        assert high.mean is not None
        assert low.mean < high.mean


def test_a_price_is_remembered_exactly() -> None:
    """The second call solves for no tilt, and says the same bits as a fresh model."""
    vectors, price = some_vectors(40), np.random.default_rng(5).uniform(0.3, 0.7, 40)
    line = np.resize([-1.5, 1.5], 40)
    known = model(Target.MARGIN)
    first = known.outcomes(vectors, price, line)
    assert known.outcomes(vectors[::-1], price[::-1], line[::-1]) == first[::-1]
    assert model(Target.MARGIN).outcomes(vectors[7:9], price[7:9], line[7:9]) == first[7:9]


def test_without_a_consensus_there_is_nothing_to_start_from() -> None:
    nan = np.array([np.nan, 0.5])
    for target in Target:
        first, second = model(target).outcomes(some_vectors(2), nan, np.array([np.nan, 8.5]))
        assert first is None
        assert second is not None


def test_a_row_is_scored_the_same_alone_and_in_a_batch() -> None:
    vectors, consensus = some_vectors(300), np.random.default_rng(3).uniform(0.2, 0.8, 300)
    line = np.full(300, 8.0)
    for target in Target:
        together = model(target).outcomes(vectors, consensus, line)
        for at in range(0, 300, 7):
            one = slice(at, at + 1)
            assert model(target).outcomes(vectors[one], consensus[one], line[one]) == [together[at]]


def test_another_feature_set_or_width_is_refused() -> None:
    fits = model(Target.MONEYLINE)
    fits.check(FEATURE_SET, len(NAMES))
    with pytest.raises(ModelRefused, match="train again"):
        fits.check("another", len(NAMES))
    with pytest.raises(ModelRefused, match=f"{len(NAMES)} features"):
        fits.check(FEATURE_SET, len(NAMES) + 1)
    narrow = model(Target.MONEYLINE, varied_text(width=5))
    with pytest.raises(ModelRefused, match="5 features"):
        narrow.check(FEATURE_SET, len(NAMES))


def test_predictions_that_are_not_numbers_are_refused() -> None:
    for nonsense in (math.nan, math.inf):
        broken = model(Target.TOTAL, constant_text(nonsense))
        with pytest.raises(ModelRefused, match="predicts NaN"):
            broken.outcomes(some_vectors(2), np.array([0.5, 0.5]), np.array([8.5, 8.5]))


def test_damaged_text_is_refused() -> None:
    """In a process of its own: LightGBM aborts the whole one on some of these."""
    program = """
import sys
from models.boosters.scoring import TargetModel
from schemas.errors import ModelRefused
from schemas.markets import Target
from tests.unit.boosters import card, varied_text
text = varied_text()
end = text.index("end of trees")
for part in ("", "hello", *(text[: end * n // 16] for n in range(1, 17)), text[: end + 5]):
    try:
        TargetModel(part, card(Target.MONEYLINE), "1")
    except ModelRefused as refused:
        assert "damaged" in str(refused)
    else:
        sys.exit(f"accepted {len(part)} of {len(text)} characters")
print("all refused")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.endswith("all refused\n"), done.stderr[-500:]


def test_the_version_names_registry_number_and_content() -> None:
    one, two = model(Target.TOTAL), model(Target.TOTAL, constant_text(0.0))
    assert one.version.startswith("1-")
    assert one.version != two.version
    assert model(Target.TOTAL, number="2").version == one.version.replace("1-", "2-", 1)


@pytest.mark.parametrize("target", Target)
def test_written_and_read_it_is_the_same(target: Target, tmp_path: Path) -> None:
    before = model(target)
    before.write(tmp_path / "new" / "folder")
    after = TargetModel.read(tmp_path / "new" / "folder", "1")
    assert after.card == before.card
    assert after.version == before.version
    rows = some_vectors(20), np.full(20, 0.45), np.full(20, 8.5)
    assert after.outcomes(*rows) == before.outcomes(*rows)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    def written(change: dict[str, object]) -> Path:
        model(Target.TOTAL).write(tmp_path)
        fields = json.loads((tmp_path / "card.json").read_text())
        (tmp_path / "card.json").write_text(json.dumps(fields | change))
        return tmp_path

    changes: tuple[dict[str, object], ...] = (
        {"target": "corners"},
        {"unheard": 1},
        {"dispersion": 8.0},
        {"target": "runs"},
    )
    for change in changes:
        with pytest.raises(ModelRefused, match="model in"):
            TargetModel.read(written(change), "1")
    with pytest.raises(ModelRefused, match="cannot be read"):
        TargetModel.read(tmp_path / "nowhere", "1")
    (written({}) / "card.json").write_text("{")
    with pytest.raises(ModelRefused, match="cannot be read"):
        TargetModel.read(tmp_path, "1")
    (written({}) / "booster.txt").unlink()
    with pytest.raises(ModelRefused, match="cannot be read"):
        TargetModel.read(tmp_path, "1")


def test_a_booster_that_is_not_the_one_written_is_refused(tmp_path: Path) -> None:
    """One digit of one leaf: it parses, and it would bet."""
    model(Target.TOTAL).write(tmp_path)
    text = (tmp_path / "booster.txt").read_text()
    at = text.index(".", text.index("leaf_value=")) + 1
    digit = "1" if text[at] != "1" else "2"
    (tmp_path / "booster.txt").write_text(text[:at] + digit + text[at + 1 :])
    with pytest.raises(ModelRefused, match="damaged"):
        TargetModel.read(tmp_path, "1")


def test_which_market_a_target_prices() -> None:
    assert MARKET_OF == {
        Target.MONEYLINE: Market.MONEYLINE,
        Target.TOTAL: Market.TOTAL,
        Target.RUNS: Market.TOTAL,
        Target.MARGIN: Market.RUN_LINE,
    }
    assert COLUMN_OF == {
        Target.MONEYLINE: 0,
        Target.TOTAL: 2,
        Target.RUNS: 2,
        Target.MARGIN: 1,
    }


def test_a_model_of_the_former_format_is_refused_in_one_line(tmp_path: Path) -> None:
    """As it was written before there were laws and calibrations."""
    model(Target.RUNS).write(tmp_path)
    card_file = tmp_path / "card.json"
    fields = json.loads(card_file.read_text())
    del fields["law"], fields["calibration"]
    card_file.write_text(json.dumps(fields | {"dispersion": 8.0}))
    with pytest.raises(ModelRefused) as refused:
        TargetModel.read(tmp_path, "1")
    said = str(refused.value)
    assert "another version of Steamline" in said
    assert "`steamline model train`" in said
    assert "\n" not in said


def test_a_law_that_does_not_fit_the_target_is_refused(tmp_path: Path) -> None:
    model(Target.RUNS).write(tmp_path)
    card_file = tmp_path / "card.json"
    fields = json.loads(card_file.read_text())
    for target, law in (
        ("total", fields["law"]),
        ("margin", fields["law"]),
        ("runs", None),
        ("runs", fields["law"] | {"dispersion": -1.0}),
        ("runs", {"kind": "total"}),
    ):
        card_file.write_text(json.dumps(fields | {"target": target, "law": law}))
        with pytest.raises(ModelRefused, match="cannot be read"):
            TargetModel.read(tmp_path, "1")
