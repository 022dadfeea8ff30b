"""What each feature adds to one prediction: LightGBM's own contributions, from the price on.

Contributions are Shapley values of the trees: Lundberg et al. (2020), "From local explanations to
global understanding with explainable AI for trees", Nature Machine Intelligence 2.
"""

import numpy as np

from models.boosters.laws import mark
from models.boosters.scoring import TargetModel, anchor
from models.features.arrays import Array
from models.features.catalogue import CATALOGUE, NAMES
from models.odds import sigmoid
from schemas.decisions import FeatureHeader
from schemas.errors import DataMissing, ModelRefused
from schemas.explanation import Contribution, Explanation
from schemas.markets import MARKET_OF, Market

_ADDS_UP = 1e-9
"""Largest difference to the probability that the model itself gives."""


def explain(model: TargetModel, header: FeatureHeader, vector: Array, top: int) -> Explanation:
    """vector: (features,) float32, as stored. top: how many features are listed.

    The price is taken from the vector, so it is that of the prediction rounded to float32.
    Raises DataMissing where the vector has none, ModelRefused for a model of another feature set
    or whose contributions do not add up to what it says.
    """
    card, market = model.card, MARKET_OF[model.card.target]
    model.check(header.feature_set, len(vector))
    consensus = _value(vector, f"{market}_consensus")
    line = 0.0 if market is Market.MONEYLINE else _value(vector, f"{market}_line")
    if consensus is None or line is None:
        raise DataMissing(f"{header.game_id}: no fresh price of the {market}, so no prediction")
    price, at = np.array([consensus]), np.array([line])
    parts = model.contributions(vector[None])[0]
    features, bias = parts[:-1], float(parts[-1])
    start = float(anchor(card.law, price, at)[0])
    score = start + bias + float(features.sum())
    said = model.say(vector[None], price, at)
    raw = float(said.raw[0])
    if card.law is None:
        meant = sigmoid(score)
    else:
        meant = float(card.law.over(np.array([score]), mark(card.law.kind, at))[0])
    if not abs(meant - raw) <= _ADDS_UP:
        raise ModelRefused(
            f"{card.target} model {model.version}: its contributions add up to {meant:.9f}, "
            f"it says {raw:.9f}"
        )
    # Equal ones in catalogue order.
    order = np.argsort(-np.abs(features), kind="stable")
    listed = [int(at) for at in order[:top] if features[at] != 0.0]
    return Explanation(
        game_id=header.game_id,
        position=header.position,
        as_of_us=header.as_of_us,
        simulated=header.simulated or card.simulated,
        target=card.target,
        market=market,
        model_version=model.version,
        feature_set=header.feature_set,
        line=None if market is Market.MONEYLINE else line,
        scale="log_odds" if card.law is None else "tilt",
        market_probability=consensus,
        market_score=start,
        bias=bias,
        contributions=[
            Contribution(
                feature=NAMES[at],
                value=_value(vector, NAMES[at]),
                unit=CATALOGUE[at].unit,
                contribution=float(features[at]),
            )
            for at in listed
        ],
        rest=float(np.delete(features, listed).sum()),
        score=score,
        raw_probability=raw,
        probability=float(said.probability[0]),
    )


def _value(vector: Array, name: str) -> float | None:
    found = float(vector[NAMES.index(name)])
    return found if np.isfinite(found) else None
