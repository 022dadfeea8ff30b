"""Why a model says what it says of one game: the answer of the API and of the command."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from schemas.decisions import Probability
from schemas.events import GameId
from schemas.markets import Market, Target
from schemas.time import Micros


class Contribution(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    feature: str
    """By catalogue name."""
    value: float | None
    """None where it was missing: that, too, moves a score."""
    unit: str
    contribution: float
    """To the score: above 0 for home or over, below 0 against."""


class Explanation(BaseModel):
    """From the price to the probability: market + bias + contributions + rest = score."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    game_id: GameId
    position: int
    as_of_us: Micros
    simulated: bool
    target: Target
    market: Market
    model_version: str
    feature_set: str
    line: float | None
    """Total runs, or the home handicap, that the probabilities refer to; none for the moneyline."""
    scale: Literal["log_odds", "tilt"]
    """Of all numbers that add up: log-odds of the first side, or of a whole distribution its tilt
    (the factor exp(tilt) a run)."""
    market_probability: Probability
    """From the no-vig consensus in the vector: home, over or home covers, given no push."""
    market_score: float
    """The same on the scale."""
    bias: float
    """What the trees say of an average game."""
    contributions: list[Contribution]
    """Largest first, whichever way they push."""
    rest: float
    """Of all features that are not listed."""
    score: float
    raw_probability: Probability
    """What the score means."""
    probability: Probability
    """After calibration: what is bet on."""
