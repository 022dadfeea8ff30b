"""A model that says anything but what it said when it was made does not get in."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.boosters.golden import ROWS, Golden
from models.boosters.scoring import TargetModel
from models.features.arrays import Array
from models.features.catalogue import NAMES
from schemas.errors import ModelRefused
from schemas.markets import Target
from tests.unit.boosters import card, constant_text, model, varied_text


def rows(count: int = 200) -> tuple[Array, Array, Array]:
    dice = np.random.default_rng(5)
    vectors = dice.normal(size=(count, len(NAMES))).astype(np.float32)
    vectors[dice.random(vectors.shape) < 0.3] = np.nan
    return vectors, dice.uniform(0.3, 0.7, count), np.full(count, 8.5)


@pytest.mark.parametrize("target", list(Target))
def test_the_same_model_passes_after_a_way_through_files(target: Target, tmp_path: Path) -> None:
    one = model(target)
    golden = Golden.of(one, *rows())
    assert len(golden.vectors) == ROWS
    golden.write(tmp_path)
    assert Golden.read(tmp_path) == golden
    one.write(tmp_path)
    Golden.read(tmp_path).check(TargetModel.read(tmp_path, "1"))


def test_vectors_and_missing_values_come_back_as_they_were(tmp_path: Path) -> None:
    vectors, consensus, line = rows(ROWS)
    Golden.of(model(Target.RUNS), vectors, consensus, line).write(tmp_path)
    found = np.array(Golden.read(tmp_path).vectors, dtype=np.float32)
    np.testing.assert_array_equal(found, vectors)


@pytest.mark.parametrize("target", list(Target))
def test_another_booster_with_a_fitting_digest_is_refused(target: Target) -> None:
    golden = Golden.of(model(target), *rows())
    with pytest.raises(ModelRefused, match="golden vector 0"):
        golden.check(model(target, varied_text(seed=2)))


def test_nan_is_refused_also_where_nan_was_expected() -> None:
    """What a training run gone wrong would leave behind."""
    spoilt = model(Target.MONEYLINE, constant_text(math.nan))
    golden = Golden.of(model(Target.MONEYLINE), *rows())
    with pytest.raises(ModelRefused, match="NaN"):
        golden.check(spoilt)
    with pytest.raises(ModelRefused, match="NaN"):
        Golden.of(spoilt, *rows())


def moved(by: float) -> Callable[[dict[str, Any]], None]:
    def change(fields: dict[str, Any]) -> None:
        fields["probability"][3] += by

    return change


@pytest.mark.parametrize(
    "change",
    [
        moved(1e-9),
        moved(-1e-9),
        lambda fields: fields["mean"].__setitem__(0, None),
        lambda fields: fields["probability"].pop(),
        lambda fields: fields["vectors"].clear(),
        lambda fields: fields["vectors"][0].pop(),
        lambda fields: fields["line"].clear(),
        lambda fields: fields.pop("mean"),
        lambda fields: fields.update(more=1),
        lambda fields: fields.update(consensus="x"),
        lambda fields: fields["consensus"].__setitem__(0, None),
    ],
)
def test_spoilt_golden_vectors_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    one = model(Target.RUNS)
    Golden.of(one, *rows()).write(tmp_path)
    path = tmp_path / "golden.json"
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))
    with pytest.raises(ModelRefused):
        Golden.read(tmp_path).check(one)


def test_a_rounding_of_the_last_bit_passes(tmp_path: Path) -> None:
    one = model(Target.RUNS)
    Golden.of(one, *rows()).write(tmp_path)
    path = tmp_path / "golden.json"
    fields = json.loads(path.read_text())
    fields["probability"][3] = math.nextafter(fields["probability"][3], 1.0)
    path.write_text(json.dumps(fields))
    Golden.read(tmp_path).check(one)


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="cannot be read"):
        Golden.read(tmp_path)


def test_a_fresh_model_is_on_paper() -> None:
    """Fail closed: nothing but a word of the registry makes its stakes real."""
    assert TargetModel(varied_text(), card(Target.TOTAL), "1").paper
