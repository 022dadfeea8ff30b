"""A trained booster and how its raw score becomes a probability."""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.boosters.calibration import IDENTITY, Calibration
from models.boosters.laws import Kind, Law, mark
from models.boosters.lightgbm_alone import lightgbm
from models.features.arrays import Array, known
from models.features.catalogue import NAMES
from models.features.layout import MARKET_INDEX
from models.odds import logit, sigmoid
from schemas.errors import ModelRefused
from schemas.markets import MARKET_OF, Target

if TYPE_CHECKING:
    from models.boosters.golden import Golden

COLUMN_OF: dict[Target, int] = {
    target: MARKET_INDEX[market] for target, market in MARKET_OF.items()
}
"""Column of the target's market in consensus and line."""

KIND_OF: dict[Target, Kind] = {Target.RUNS: "total", Target.MARGIN: "margin"}
"""Targets that are whole distributions; the others are the chance of one side."""

# LightGBM does not report every damaged text: some of them end the process. So none gets there.
_END = "\nend of trees\n"

_REMEMBERED = 100_000
"""Prices whose tilt is kept at hand."""


def _digest(booster_text: str) -> str:
    return sha256(booster_text.encode()).hexdigest()


@dataclass(frozen=True)
class ModelCard:
    """What must travel with a booster."""

    target: Target
    feature_set: str
    law: Law | None
    """Of a target that is a distribution."""
    calibration: Calibration
    data_fingerprint: str
    simulated: bool
    trained_until_us: int
    """Newest first pitch among the games it has seen: training, stopping and calibration."""

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "ModelCard":
        """From what `asdict` made of one. Raises ValueError, TypeError or KeyError otherwise."""
        card = cls(
            **{
                **fields,
                "target": Target(fields["target"]),
                "law": fields["law"] and Law(**fields["law"]),
                "calibration": Calibration(
                    fields["calibration"]["method"], tuple(fields["calibration"]["numbers"])
                ),
            }
        )
        if (card.law.kind if card.law else None) != KIND_OF.get(card.target):
            raise ValueError(f"law does not fit target {card.target}")
        return card


@dataclass(frozen=True)
class Outcome:
    probability: float
    """Home wins, covers, or over, given no push; calibrated."""
    mean: float | None
    """Expected total or margin, of a target that is a distribution."""
    push: float = 0.0
    """Chance of neither side, of a target that is a distribution; 0 at half lines."""


@dataclass(frozen=True)
class Said:
    """What a model says of each row, shapes (n,)."""

    raw: Array
    """Probability before calibration."""
    probability: Array
    tilt: Array | None
    """Of a distribution, after calibration: its `law` and this give any line's chance."""


def anchor(law: Law | None, consensus: Array, line: Array) -> Array:
    """Score at which the model says what the no-vig price says: log-odds, or the law's tilt.

    consensus: (n,) inside (0, 1); line: (n,) as in events: total runs, or the home handicap.
    """
    if law is None:
        return np.array([logit(one) for one in consensus.tolist()])
    return law.tilt(consensus, mark(law.kind, line))


def _pushes(law: Law, tilt: Array, line: Array) -> list[float]:
    """Chance of the line itself; most lines are halves, which costs nothing."""
    found = np.zeros(len(line))
    whole = np.flatnonzero(line == np.floor(line))
    if len(whole):
        found[whole] = law.push(tilt[whole], mark(law.kind, line[whole]))
    pushes: list[float] = found.tolist()
    return pushes


class TargetModel:
    """One target's booster, loaded and checked."""

    def __init__(self, booster_text: str, card: ModelCard, number: str, paper: bool = True) -> None:
        """paper: it has not passed the gate, so its stakes are no bets."""
        self.card = card
        self.text = booster_text
        self.paper = paper
        self.golden: Golden | None = None
        """Of one that was loaded: what it has been held against."""
        # Registry numbers start again with a new registry; the digest keeps versions apart.
        self.version = f"{number}-{_digest(booster_text)[:8]}"
        if _END not in booster_text:
            raise ModelRefused(f"{card.target} model {self.version} is damaged: its end is missing")
        try:
            self._booster = lightgbm.Booster(model_str=booster_text)
        except lightgbm.basic.LightGBMError as bad:
            raise ModelRefused(f"{card.target} model {self.version} is damaged: {bad}") from None
        self._anchors: dict[tuple[float, float], float] = {}

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
        outcomes: list[Outcome | None] = [None] * len(vectors)
        priced = np.flatnonzero(known(consensus))
        said = self.say(vectors[priced], consensus[priced], line[priced])
        means: list[float | None] = [None] * len(priced)
        pushes = [0.0] * len(priced)
        if said.tilt is not None and self.card.law is not None:
            means = self.card.law.mean(said.tilt).tolist()
            pushes = _pushes(self.card.law, said.tilt, line[priced])
        rows = zip(priced.tolist(), said.probability.tolist(), means, pushes, strict=True)
        for row, probability, mean, push in rows:
            outcomes[row] = Outcome(probability, mean, push)
        return outcomes

    def say(self, vectors: Array, consensus: Array, line: Array) -> Said:
        """As `outcomes`, of rows that all have a consensus, in columns."""
        if not len(vectors):
            nothing = np.empty(0)
            return Said(nothing, nothing, None if self.card.law is None else nothing)
        try:
            learned = self._booster.predict(vectors, raw_score=True, num_threads=1)
        except lightgbm.basic.LightGBMError as bad:  # vectors of another width
            said = str(bad).partition("\n")[0]
            raise ModelRefused(f"{self.card.target} model {self.version}: {said}") from None
        assert isinstance(learned, np.ndarray)
        if not np.isfinite(learned).all():
            raise ModelRefused(f"{self.card.target} model {self.version} predicts NaN")
        law, calibration = self.card.law, self.card.calibration
        score = self._anchor(consensus, line) + learned
        if law is None:
            raw = np.array([sigmoid(one) for one in score.tolist()])
            return Said(raw, calibration.of(raw), None)
        bar = mark(law.kind, line)
        raw = law.over(score, bar)
        if calibration == IDENTITY:
            return Said(raw, raw, score)
        # The whole distribution moves, so that all its lines and its mean still agree.
        tilt = law.tilt(calibration.of(raw), bar)
        return Said(raw, law.over(tilt, bar), tilt)

    @property
    def gain(self) -> Array:
        """What each feature's splits took off the loss in training, (features,)."""
        found: Array = self._booster.feature_importance("gain")
        return found

    def contributions(self, vectors: Array) -> Array:
        """What each feature adds to the trees' score, and last the bias: (n, features + 1)."""
        found = self._booster.predict(vectors, pred_contrib=True, num_threads=1)
        assert isinstance(found, np.ndarray)
        return found

    def _anchor(self, consensus: Array, line: Array) -> Array:
        """Prices repeat from event to event, and solving for a tilt costs as much as the trees."""
        if self.card.law is None:
            return anchor(None, consensus, line)
        keys = list(zip(consensus.tolist(), line.tolist(), strict=True))
        new = list(dict.fromkeys(key for key in keys if key not in self._anchors))
        if new:
            if len(self._anchors) > _REMEMBERED:
                self._anchors.clear()
                new = list(dict.fromkeys(keys))
            prices = np.array(new)
            found = anchor(self.card.law, prices[:, 0], prices[:, 1])
            self._anchors.update(zip(new, found.tolist(), strict=True))
        return np.array([self._anchors[key] for key in keys])

    def importances(self) -> dict[str, float]:
        """Feature -> gain of all its splits, largest first; those that are never split left out."""
        gains = zip(NAMES, self._booster.feature_importance("gain").tolist(), strict=True)
        return dict(sorted(((n, g) for n, g in gains if g > 0.0), key=lambda one: -one[1]))

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "booster.txt").write_text(self.text)
        fields = {**asdict(self.card), "booster_sha256": _digest(self.text)}
        (folder / "card.json").write_text(json.dumps(fields, indent=2))

    @classmethod
    def read(cls, folder: Path, number: str, paper: bool = True) -> "TargetModel":
        """Raises ModelRefused for files that are missing or make no sense."""
        try:
            fields = json.loads((folder / "card.json").read_text())
            digest = fields.pop("booster_sha256")
            text = (folder / "booster.txt").read_text()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as bad:
            raise ModelRefused(f"model in {folder} cannot be read: {bad}") from None
        if fields.keys() != ModelCard.__dataclass_fields__.keys():
            raise ModelRefused(
                f"model in {folder} was written by another version of Steamline: train again "
                "with `steamline model train`"
            )
        try:
            card = ModelCard.of(fields)
        except (ValueError, TypeError, KeyError) as bad:
            raise ModelRefused(f"model in {folder} cannot be read: {bad}") from None
        if _digest(text) != digest:
            raise ModelRefused(f"model in {folder} is damaged: its digest does not fit its card")
        return cls(text, card, number, paper)
