"""Small real boosters for tests, without training on a market."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import lightgbm
import numpy as np
from pydantic import SecretStr

from models.boosters.calibration import IDENTITY, Calibration
from models.boosters.golden import Golden
from models.boosters.laws import Law
from models.boosters.scoring import ModelCard, TargetModel
from models.features.catalogue import NAMES
from models.features.kernel import FeatureSet
from models.registry import CHAMPION, Registry
from schemas.markets import Target
from schemas.sections.servers import MlflowSettings
from schemas.settings import Settings

LAWS = {Target.RUNS: Law("total", 8.0, 0.3), Target.MARGIN: Law("margin", 5.0, 0.4)}
FEATURE_SET = FeatureSet.of(Settings()).hash


@cache
def varied_text(width: int = len(NAMES), seed: int = 1) -> str:
    """A booster of a few trees that splits on many features, missing values among them."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(600, width))
    vectors[rng.random(vectors.shape) < 0.3] = np.nan
    label = np.nansum(vectors * rng.normal(size=width), axis=1) > 0
    booster = lightgbm.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1, "learning_rate": 0.05},
        lightgbm.Dataset(vectors, label.astype(float)),
        12,
    )
    return str(booster.model_to_string())


def constant_text(value: float, width: int = len(NAMES)) -> str:
    """A booster of one tree whose raw score is `value` for every row."""

    def leaves(found: re.Match[str]) -> str:
        return "leaf_value=" + " ".join([repr(value)] * len(found.group(1).split()))

    tree = lightgbm.Booster(model_str=varied_text(width)).model_to_string(num_iteration=1)
    text = re.sub(r"leaf_value=(.*)", leaves, tree)
    # The sizes of the trees in bytes must fit the new text.
    block = text[text.index("Tree=0") : text.index("end of trees")]
    return re.sub(r"tree_sizes=.*", f"tree_sizes={len(block)}", text)


def card(
    target: Target, feature_set: str = FEATURE_SET, calibration: Calibration = IDENTITY
) -> ModelCard:
    return ModelCard(
        target=target,
        feature_set=feature_set,
        law=LAWS.get(target),
        calibration=calibration,
        data_fingerprint="none",
        simulated=False,
        trained_until_us=1,
    )


def model(target: Target, text: str | None = None, number: str = "1") -> TargetModel:
    """One that has passed the gate."""
    return TargetModel(varied_text() if text is None else text, card(target), number, paper=False)


def models(text: str | None = None) -> list[TargetModel]:
    return [model(target, text) for target in Target]


def keep(models: Iterable[TargetModel], folder: Path, alias: str = CHAMPION) -> None:
    """Keep them in `folder` as a worker that has taken them does."""
    row = np.zeros((1, len(NAMES)), np.float32)
    kept = []
    for model in models:
        model.golden = Golden.of(model, row, np.array([0.5]), np.array([1.5]))
        kept.append(model)
    nowhere = MlflowSettings(tracking_uri=SecretStr("postgresql://127.0.0.1:1/nobody"))
    Registry(nowhere, folder).remember(kept, alias)
