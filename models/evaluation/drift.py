"""What has changed: the features, what they count for, the calibration, the edge.

Numbers only. Which of them is an alert is for thresholds to say, and they are handed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import stats  # type: ignore[import-untyped]

from models.evaluation.compare import USUAL, Drawing
from models.evaluation.intervals import DaySums, Interval
from models.evaluation.metrics import log_losses, reliability, weighted_mean
from models.features.arrays import Array
from schemas.sections.judging import DriftSettings

BINS = 10
_EMPTY = 0.5
"""Rows that stand for an empty bin: log 0 there is not, and a smaller stand-in would make an
alarm out of one bin that few rows happened to miss."""
_STEPS = 50
WINDOWS = 14
"""Of the time before, of two weeks a season: they say how far a feature moves by nature."""
MIN_KNOWN = 20
"""Values: with fewer there are not two in a bin."""


@dataclass(frozen=True)
class Stability:
    index: Array
    """(features,) population stability index of known values: 0 is no change, .1 a small one, .25
    a large one."""
    p_value: Array
    """(features,) of the same counts, were nothing changed; 1 where there is one bin."""
    known: Array
    """(features,) values on the side that has fewer."""
    missing_then: Array
    missing_now: Array
    """(features,) shares of NaN: a source that fell silent shows here."""
    missing_p_value: Array
    """(features,) of these, were nothing changed."""


def stability(reference: Array, current: Array, bins: int = BINS) -> Stability:
    """How far each feature's distribution has moved, and whether chance moves it so far.

    The index sums (now - then) * log(now / then) over bins, shares of rows: Siddiqi (2006),
    "Credit Risk Scorecards". A few rows make a large one out of nothing, so Pearson's chi-squared
    test of the same counts stands beside it. Bins hold equal counts of the reference. A feature
    with few values has a bin for each, and one for all that the reference never had. NaN is no
    value: it is counted by itself, because a source that falls silent and a quantity that moves
    are two things to mend.

    reference, current: (rows, features), one row a game. Raises ValueError when one is empty.
    """
    if not len(reference) or not len(current):
        raise ValueError("nothing to compare")
    columns = zip(reference.T, current.T, strict=True)
    found = [
        _moved(*_counts(then[~np.isnan(then)], now[~np.isnan(now)], bins)) for then, now in columns
    ]
    index, p_value = (np.array(values, float) for values in zip(*found, strict=True))
    unknown = np.stack([np.isnan(part).sum(axis=0) for part in (reference, current)])
    known = np.array([[len(reference)], [len(current)]]) - unknown
    gone = [
        _moved(then[then + now > 0], now[then + now > 0])[1]
        for then, now in np.stack([known, unknown], axis=2).transpose(1, 0, 2)
    ]
    missing_then, missing_now = unknown / (known + unknown)
    return Stability(index, p_value, known.min(axis=0), missing_then, missing_now, np.array(gone))


def usual_index(values: Array, day: Array, days: int) -> Array:
    """(features,) the largest index that windows of so many days have shown so far, each against
    all before it; 0 where there is none before.

    What is counted from the start of a season moves by nature: its spread narrows with every game,
    and widens when the next one begins. A change is one only where the feature has not moved as
    far without harm before. Looks back `WINDOWS` windows that have games; a history shorter than
    two is halved.

    values: (rows, features), one row a game; day: (rows,) as integers.
    """
    usual = np.zeros(values.shape[1])
    played = np.unique(day)
    if len(played) < 2:
        return usual
    length = min(days, int(played[-1] + 1 - played[0]) // 2)
    for _ in range(WINDOWS):
        end = int(played[-1]) + 1
        then, now = day < end - length, (day >= end - length) & (day < end)
        if not then.any():
            break
        found = stability(values[then], values[now])
        usual = np.where(found.known >= MIN_KNOWN, np.maximum(usual, found.index), usual)
        played = played[played < end - length]
    return usual


def _counts(then: Array, now: Array, bins: int) -> tuple[Array, Array]:
    """Rows in each bin that holds any, then and now."""
    if not len(then) or not len(now):
        return np.zeros(1), np.zeros(1)
    values = np.unique(then)
    few = len(values) <= bins
    cuts = values if few else np.unique(np.quantile(then, np.arange(1, bins) / bins))
    counts = []
    for column in (then, now):
        place = np.searchsorted(cuts, column, side="left")
        if few:
            same = np.append(values, np.nan)[place] == column
            place = np.where(same, place, len(values))
        counts.append(np.bincount(place, minlength=len(cuts) + 1))
    used = counts[0] + counts[1] > 0
    return counts[0][used], counts[1][used]


def _moved(then: Array, now: Array) -> tuple[float, float]:
    """Index and p-value of counts in bins; both say nothing has moved where there is one bin."""
    if len(then) < 2:
        return 0.0, 1.0
    first, second = (np.maximum(count, _EMPTY) / count.sum() for count in (then, now))
    index = float(((second - first) * np.log(second / first)).sum())
    share = (then + now) / (then.sum() + now.sum())
    squares = sum(
        ((count - count.sum() * share) ** 2 / (count.sum() * share)).sum() for count in (then, now)
    )
    return index, float(stats.chi2.sf(squares, len(then) - 1))


class Calibration(NamedTuple):
    """0, an interval around 0, and 1 are what a calibrated model has."""

    bias: float
    """Mean of what happened less what was predicted."""
    bias_interval: Interval
    slope: float
    """Of what happened on the log-odds that were predicted: below 1 the model overstates."""
    error: float
    """Expected calibration error (metrics.Reliability)."""


def calibration(rows: pl.DataFrame, drawing: Drawing = USUAL) -> Calibration:
    """Of one target's decided rows (`rows.decided`), by days drawn.

    The slope is Cox's (1958), "Two further applications of a model for binary regression",
    Biometrika 45: logit P(won) = a + slope * logit(chance), by maximum likelihood.
    """
    chance, won, weight = (rows[name].to_numpy() for name in ("model", "outcome", "weight"))
    sums = DaySums.of(rows["day"].to_numpy(), won - chance, weight)
    return Calibration(
        bias=sums.mean,
        bias_interval=drawing.interval(sums),
        slope=_slope(np.log(chance / (1.0 - chance)), won, weight),
        error=reliability(chance, won, weight).error,
    )


def _slope(score: Array, won: Array, weight: Array) -> float:
    """Newton steps on (a, slope) from (0, 1); NaN where there is nothing to fit."""
    design = np.stack((np.ones_like(score), score), axis=1)
    sign = 1.0 - 2.0 * won

    def loss(at: Array) -> float:
        return float(weight @ np.logaddexp(0.0, sign * (design @ at)))

    found = np.array([0.0, 1.0])
    now = loss(found)
    for _ in range(_STEPS):
        chance = np.exp(-np.logaddexp(0.0, -(design @ found)))
        curved = (design * (weight * chance * (1.0 - chance))[:, None]).T @ design
        if not np.linalg.det(curved) > 1e-12:
            return float("nan")
        step = np.linalg.solve(curved, design.T @ (weight * (won - chance)))
        # Far from the answer a whole step may lead away: the loss is convex, so a part of it helps.
        while loss(found + step) > now and np.abs(step).max() >= 1e-10:
            step = step / 2.0
        found = found + step
        now = loss(found)
        if np.abs(step).max() < 1e-10:
            return float(found[1])
    return float("nan")


ROLLING = pl.Schema(
    {
        "day": pl.Date(),
        "games": pl.Float64(),
        "model": pl.Float64(),
        "market": pl.Float64(),
        "difference": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
    }
)


def rolling(rows: pl.DataFrame, days: int, confidence: float = USUAL.confidence) -> pl.DataFrame:
    """Log-loss of model and market over the last so many days with games, columns `ROLLING`.

    rows: of one target, decided and with a price. low, high: of the difference, from the standard
    error by days and Student's t; NaN below two days.
    """
    day, weight, won = (rows[name].to_numpy() for name in ("day", "weight", "outcome"))
    losses = [log_losses(rows[name].to_numpy(), won) for name in ("model", "consensus")]
    model, market = (DaySums.of(day, loss, weight) for loss in losses)
    apart = DaySums.of(day, losses[0] - losses[1], weight)
    ends = rows["day"].unique().sort().to_list()
    made = []
    for end in range(len(ends)):
        part = slice(max(0, end + 1 - days), end + 1)
        now = [DaySums(one.total[part], one.weight[part]) for one in (model, market, apart)]
        reach = stats.t.ppf((1.0 + confidence) / 2.0, max(len(now[2]) - 1, 1))
        spread = reach * now[2].standard_error
        middle = now[2].mean
        games = float(now[2].weight.sum())
        made.append(
            (ends[end], games, now[0].mean, now[1].mean, middle, middle - spread, middle + spread)
        )
    return pl.DataFrame(made, ROLLING, orient="row")


def shares(importance: Array) -> Array:
    """Of the whole, (features,); all 0 where nothing counts.

    importance: (features,) at least 0, as LightGBM's total gain.
    """
    whole = importance.sum()
    found: Array = importance / whole if whole > 0.0 else np.zeros_like(importance, float)
    return found


def contribution_shares(contributions: Array) -> Array:
    """Share of each feature in the mean absolute contribution, (features,).

    contributions: (rows, features + 1), LightGBM's `pred_contrib`, the last column the bias.
    Lundberg et al. (2020), "From local explanations to global understanding", Nature Machine
    Intelligence 2, section "global importance".
    """
    return shares(np.abs(contributions[:, :-1]).mean(axis=0))


class Shift(NamedTuple):
    moved: float
    """Half the sum of absolute changes, 0 to 1: the importance that is now elsewhere (the total
    variation distance)."""
    changes: Array
    """(features,) share now less share then."""


def importance_shift(reference: Array, current: Array) -> Shift:
    """Both: (features,) shares (`shares`, `contribution_shares`)."""
    changes = current - reference
    return Shift(float(np.abs(changes).sum() / 2.0), changes)


@dataclass(frozen=True)
class DriftRules:
    """From which value on a number is an alert."""

    stability: float
    missing: float
    chance: float
    """That one feature or more is called unstable although none is."""
    log_loss_above_market: float
    calibration_error: float
    """More than that of the reference."""
    bias: float
    importance_moved: float
    outlier_share: float
    """Of vectors with a chance below `outlier_chance`."""
    outlier_chance: float

    @classmethod
    def of(cls, settings: DriftSettings) -> "DriftRules":
        return cls(**settings.model_dump(exclude={"days"}))


class Finding(NamedTuple):
    kind: str
    name: str
    """Of the feature or number."""
    value: float
    threshold: float


def unstable(
    names: Sequence[str], found: Stability, usual: Array, used: Array, rules: DriftRules
) -> list[Finding]:
    """Features past the threshold, and past what they have moved before, that chance does not
    explain; largest first.

    usual: (features,) as `usual_index`. used: (features,) bool, those that a model splits on: what
    none looks at moves no prediction. Of many features the luckiest is looked at, so the chance is
    split among them (Bonferroni).
    """
    bars = np.maximum(usual, rules.stability)
    past = [
        Finding("stability", names[at], float(found.index[at]), float(bars[at]))
        for at in np.flatnonzero(used & (found.known >= MIN_KNOWN)).tolist()
        if found.index[at] > bars[at] and found.p_value[at] < rules.chance / used.sum()
    ]
    return sorted(past, key=lambda finding: -finding.value)


def vanished(
    names: Sequence[str], found: Stability, used: Array, rules: DriftRules
) -> list[Finding]:
    """Features that are missing more often, past the threshold and past chance; most first. One
    that is known more often harms nobody."""
    grown = found.missing_now - found.missing_then
    past = [
        Finding("missing", names[at], float(grown[at]), rules.missing)
        for at in np.flatnonzero(used).tolist()
        if grown[at] > rules.missing and found.missing_p_value[at] < rules.chance / used.sum()
    ]
    return sorted(past, key=lambda finding: -finding.value)


def degraded(recent: pl.DataFrame, rules: DriftRules) -> list[Finding]:
    """Is the newest window of `rolling` worse than the market, by more than chance?"""
    last = recent.row(-1, named=True)
    if last["difference"] > rules.log_loss_above_market and last["low"] > 0.0:
        value = last["difference"]
        return [Finding("log_loss", "difference", value, rules.log_loss_above_market)]
    return []


def miscalibrated(reference: Calibration, current: Calibration, rules: DriftRules) -> list[Finding]:
    found = []
    worse = current.error - reference.error
    if worse > rules.calibration_error:
        found.append(Finding("calibration", "error", worse, rules.calibration_error))
    low, high = current.bias_interval
    if abs(current.bias) > rules.bias and (low > 0.0 or high < 0.0):
        found.append(Finding("calibration", "bias", current.bias, rules.bias))
    return found


def shifted(kind: str, shift: Shift, rules: DriftRules) -> list[Finding]:
    """kind: whose shares, `gain` or `contribution`."""
    if shift.moved > rules.importance_moved:
        return [Finding("importance", kind, shift.moved, rules.importance_moved)]
    return []


def strange(chances: Array, rules: DriftRules) -> list[Finding]:
    """chances: of recent vectors, as `outliers.Ordinary.chance` gives them."""
    if not len(chances):
        return []
    odd = (chances < rules.outlier_chance).astype(float)
    share = weighted_mean(odd, np.ones(len(odd)))
    if share > rules.outlier_share:
        return [Finding("outliers", "share", share, rules.outlier_share)]
    return []
