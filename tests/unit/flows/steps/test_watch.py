"""When models are trained again."""

import pytest

from flows.steps.watch import Cause, cause_to_train
from schemas.time import US_PER_DAY
from tests import samples

NOW = samples.START


@pytest.mark.parametrize(
    ("age_days", "worse", "asked", "cause"),
    [
        (None, [], False, "first"),
        (None, ["total"], False, "first"),
        (0.0, [], False, None),
        (6.999, [], False, None),
        (7.0, [], False, "refresh"),
        (30.0, ["total"], False, "refresh"),
        (1.0, ["moneyline"], False, "degraded"),
        (1.0, [], True, "asked"),
        (None, [], True, "asked"),
    ],
)
def test_cause(age_days: float | None, worse: list[str], asked: bool, cause: Cause | None) -> None:
    trained_us = None if age_days is None else NOW - round(age_days * US_PER_DAY)
    assert cause_to_train(NOW, trained_us, worse, 7, asked) == cause
