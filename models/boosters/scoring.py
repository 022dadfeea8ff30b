"""A trained booster and how its raw score becomes a probability."""

import json
import math
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from models.boosters.lightgbm_alone import lightgbm
from models.boosters.runs import over_probability
from models.features.arrays import Array
from models.features.layout import MARKET_INDEX
from models.odds import logit, sigmoid
from schemas.errors import ModelRefused
from schemas.markets import Market, Target

MARKET_OF: dict[Target, Market] = {
    Target.MONEYLINE: Market.MONEYLINE,
    Target.TOTAL: Market.TOTAL,
    Target.RUNS: Market.TOTAL,
}
COLUMN_OF: dict[Target, int] = {
    target: MARKET_INDEX[market] for target, market in MARKET_OF.items()
}
"""Column of the target's market in consensus and line."""

# LightGBM does not report every damaged text: some of them end the process. So none gets there.
_END = "\nend of trees\n"


def _digest(booster_text: str) -> str:
    return sha256(booster_text.encode()).hexdigest()


@dataclass(frozen=True)
class ModelCard:
    """What must travel with a booster."""

    target: Target
    feature_set: str
    dispersion: float | None
    """Of the negative binomial (target `runs` only)."""
    data_fingerprint: str
    simulated: bool
    trained_until_us: int
    """Newest first pitch among the games it has seen, training and early stopping."""


@dataclass(frozen=True)
class Outcome:
    probability: float
    mean_runs: float | None


class TargetModel:
    """One target's booster, loaded and checked."""

    def __init__(self, booster_text: str, card: ModelCard, number: str) -> None:
        self.card = card
        self.text = booster_text
        # Registry numbers start again with a new registry; the digest keeps versions apart.
        self.version = f"{number}-{_digest(booster_text)[:8]}"
        if _END not in booster_text:
            raise ModelRefused(f"{card.target} model {self.version} is damaged: its end is missing")
        try:
            self._booster = lightgbm.Booster(model_str=booster_text)
        except lightgbm.basic.LightGBMError as bad:
            raise ModelRefused(f"{card.target} model {self.version} is damaged: {bad}") from None

    def check(self, feature_set: str, width: int) -> None:
        """Raises ModelRefused where vectors of `feature_set` are not what it was trained on."""
        if self.card.feature_set != feature_set or self._booster.num_feature() != width:
            raise ModelRefused(
                f"{self.card.target} model {self.version} was trained on feature set "
                f"{self.card.feature_set} ({self._booster.num_feature()} features), this flow "
                f"makes {feature_set} ({width}): train again"
            )

    def outcomes(self, vectors: Array, consensus: Array, line: Array) -> list[Outcome | None]:
        """One a row; none where the market has no consensus to start from.

        vectors: (n, features); consensus, line: (n,) of the target's market.
        Raises ModelRefused when the booster's score is not a number.
        """
        raw = self._booster.predict(vectors, raw_score=True, num_threads=1)
        assert isinstance(raw, np.ndarray)
        if not np.isfinite(raw).all():
            raise ModelRefused(f"{self.card.target} model {self.version} predicts NaN")
        rows = zip(raw.tolist(), consensus.tolist(), line.tolist(), strict=True)
        return [self._outcome(*row) for row in rows]

    def _outcome(self, raw: float, consensus: float, line: float) -> Outcome | None:
        if math.isnan(consensus):
            return None
        if self.card.target is not Target.RUNS:
            return Outcome(sigmoid(logit(consensus) + raw), None)
        mean = line * math.exp(raw)
        assert self.card.dispersion is not None
        return Outcome(over_probability(mean, self.card.dispersion, line), mean)

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "booster.txt").write_text(self.text)
        fields = {**asdict(self.card), "booster_sha256": _digest(self.text)}
        (folder / "card.json").write_text(json.dumps(fields, indent=2))

    @classmethod
    def read(cls, folder: Path, number: str) -> "TargetModel":
        """Raises ModelRefused for files that are missing or make no sense."""
        try:
            fields = json.loads((folder / "card.json").read_text())
            digest = fields.pop("booster_sha256")
            card = ModelCard(**{**fields, "target": Target(fields["target"])})
            text = (folder / "booster.txt").read_text()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as bad:
            raise ModelRefused(f"model in {folder} cannot be read: {bad}") from None
        if _digest(text) != digest:
            raise ModelRefused(f"model in {folder} is damaged: its digest does not fit its card")
        if (card.target is Target.RUNS) is (card.dispersion is None):
            raise ModelRefused(f"model in {folder}: dispersion does not fit target {card.target}")
        return cls(text, card, number)
