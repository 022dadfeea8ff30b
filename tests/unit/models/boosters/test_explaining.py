"""Contributions against Shapley's formula by brute force, and that they lead to the probability."""

import math
from functools import cache
from itertools import combinations
from typing import Any

import lightgbm
import numpy as np
import pytest

from models.boosters.calibration import Calibration
from models.boosters.explaining import explain
from models.boosters.scoring import TargetModel
from models.features.arrays import Array
from models.features.catalogue import NAMES
from schemas.decisions import FeatureHeader
from schemas.errors import DataMissing, ModelRefused
from schemas.markets import MARKET_OF, Market, Target
from tests import samples
from tests.unit.boosters import FEATURE_SET, LAWS, card, model, varied_text

USED = (0, 7, 30)


def header(**over: Any) -> FeatureHeader:
    fields: dict[str, Any] = {
        "game_id": samples.GAME,
        "position": 3,
        "as_of_us": samples.at(3),
        "cutoff_us": samples.START,
        "feature_set": FEATURE_SET,
        "count": len(NAMES),
        "completeness": 0.9,
        "completeness_by": {},
        "source_age_ms": {},
    }
    return FeatureHeader(**fields | over)


def vector(**known: float) -> Array:
    made = np.random.default_rng(1).normal(size=len(NAMES)).astype(np.float32)
    prices = {f"{market.value}_consensus": 0.55 for market in Market}
    for name, value in (prices | {"run_line_line": -1.5, "total_line": 8.5} | known).items():
        made[NAMES.index(name)] = value
    return made


@cache
def small_text() -> str:
    """Trees that split on three features."""
    rng = np.random.default_rng(4)
    rows = np.zeros((800, len(NAMES)))
    rows[:, USED] = rng.normal(size=(800, len(USED)))
    first, second, third = rows[:, USED].T
    label = first + second * third + 0.5 * rng.normal(size=800) > 0
    booster = lightgbm.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": 6},
        lightgbm.Dataset(rows, label.astype(float)),
        5,
    )
    return str(booster.model_to_string())


def expected(node: dict[str, Any], row: Array, known: tuple[int, ...]) -> float:
    """Of a tree, when only some features are known: others split as the training rows did."""
    if "leaf_value" in node:
        return float(node["leaf_value"])
    left, right = node["left_child"], node["right_child"]
    if node["split_feature"] in known:
        goes_left = row[node["split_feature"]] <= node["threshold"]
        return expected(left if goes_left else right, row, known)
    counts = [one.get("internal_count", one.get("leaf_count")) for one in (left, right)]
    means = [expected(one, row, known) for one in (left, right)]
    return float(np.average(means, weights=counts))


def test_contributions_are_shapley_values() -> None:
    row = vector().astype(float)
    trees = lightgbm.Booster(model_str=small_text()).dump_model()["tree_info"]

    def value(known: tuple[int, ...]) -> float:
        return sum(expected(tree["tree_structure"], row, known) for tree in trees)

    found = explain(
        TargetModel(small_text(), card(Target.MONEYLINE), "1"), header(), vector(), len(NAMES)
    )
    assert found.bias == pytest.approx(value(()), abs=1e-12)
    assert {one.feature for one in found.contributions} == {NAMES[at] for at in USED}
    for one in found.contributions:
        at = NAMES.index(one.feature)
        others = [other for other in USED if other != at]
        shapley = 0.0
        for size in range(len(others) + 1):
            share = math.factorial(size) * math.factorial(len(USED) - size - 1)
            for part in combinations(others, size):
                gain = value((*part, at)) - value(part)
                shapley += share / math.factorial(len(USED)) * gain
        assert one.contribution == pytest.approx(shapley, abs=1e-12)
        assert one.value == pytest.approx(row[at])
    sizes = [abs(one.contribution) for one in found.contributions]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] > 0.001


@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("top", [0, 5, 200])
def test_price_bias_contributions_and_rest_lead_to_the_probability(
    target: Target, top: int
) -> None:
    one = model(target)
    small = vector() * np.float32(0.02) if target in LAWS else vector()
    small[NAMES.index("total_line")], small[NAMES.index("run_line_line")] = 8.5, -1.5
    for market in Market:
        small[NAMES.index(f"{market.value}_consensus")] = 0.55
    small[3] = np.nan
    found = explain(one, header(), small, top)
    assert len(found.contributions) <= top
    total = found.market_score + found.bias + found.rest
    total += sum(part.contribution for part in found.contributions)
    assert total == pytest.approx(found.score, abs=1e-12)
    line = {Market.MONEYLINE: 0.0, Market.TOTAL: 8.5, Market.RUN_LINE: -1.5}[MARKET_OF[target]]
    price = float(np.float32(0.55))
    [said] = one.outcomes(small[None], np.array([price]), np.array([line]))
    assert said is not None
    assert found.probability == said.probability
    assert found.market_probability == price
    if target not in LAWS:
        assert found.market_score == pytest.approx(math.log(price / (1 - price)), abs=1e-12)
        assert found.raw_probability == pytest.approx(1 / (1 + math.exp(-total)), abs=1e-12)
        assert found.scale == "log_odds"
    assert found.line == (None if target is Target.MONEYLINE else line)


def test_calibration_comes_after_the_sum() -> None:
    """Beta with slopes 1 and shift .1 adds .1 to the log-odds."""
    mended = card(Target.MONEYLINE, calibration=Calibration("beta", (1.0, 1.0, 0.1)))
    found = explain(TargetModel(varied_text(), mended, "1"), header(), vector(), 3)
    score = math.log(found.raw_probability / (1 - found.raw_probability))
    assert score == pytest.approx(found.score, abs=1e-12)
    assert found.probability == pytest.approx(1 / (1 + math.exp(-score - 0.1)), abs=1e-12)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (Target.MONEYLINE, "moneyline_consensus"),
        (Target.TOTAL, "total_line"),
        (Target.MARGIN, "run_line_consensus"),
    ],
)
def test_without_a_price_there_is_nothing_to_explain(target: Target, name: str) -> None:
    with pytest.raises(DataMissing, match=f"no fresh price of the {MARKET_OF[target]}"):
        explain(model(target), header(), vector(**{name: math.nan}), 3)


def test_a_model_of_another_feature_set_is_refused() -> None:
    with pytest.raises(ModelRefused, match="train again"):
        explain(model(Target.TOTAL), header(feature_set="another"), vector(), 3)


def test_parts_that_do_not_add_up_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    right = TargetModel.contributions
    monkeypatch.setattr(TargetModel, "contributions", lambda self, rows: right(self, rows) * 1.01)
    with pytest.raises(ModelRefused, match="add up to"):
        explain(model(Target.MONEYLINE), header(), vector(), 3)
