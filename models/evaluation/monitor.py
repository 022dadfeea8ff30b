"""The drift report: recent games against those before, put together from `drift` and `outliers`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from models.evaluation.drift import (
    Calibration,
    DriftRules,
    Finding,
    Shift,
    Stability,
    calibration,
    contribution_shares,
    degraded,
    importance_shift,
    miscalibrated,
    rolling,
    shares,
    shifted,
    stability,
    strange,
    unstable,
    usual_index,
    vanished,
)
from models.evaluation.intervals import MIN_DAYS
from models.evaluation.outliers import MIN_ROWS, Ordinary
from models.evaluation.rows import decided
from models.features.arrays import Array

SEED = 1


class Vectors(NamedTuple):
    """One row a game."""

    game_ids: Sequence[str]
    values: Array
    """(games, features)"""
    day: Array
    """(games,) since 1970."""


class Seen(NamedTuple):
    """A prediction."""

    game_id: str
    position: int
    as_of_us: int
    simulated: bool


class Importance(NamedTuple):
    """Of one target's features, each (features,) or with rows before."""

    contributions_then: Array
    """(rows, features + 1), as LightGBM gives them, on vectors of the reference."""
    contributions_now: Array
    """The same model on recent vectors."""
    gain_then: Array
    gain_now: Array | None
    """Of a model trained on recent games alone; none where they are too few."""


@dataclass(frozen=True)
class Speech:
    """How one target's live predictions fare."""

    games: int
    """Recent ones with a result."""
    rolling: pl.DataFrame
    """`drift.ROLLING`, all days."""
    now: Calibration
    before: Calibration | None
    """Of the days before the recent ones; none where there are too few."""


@dataclass(frozen=True)
class Weight:
    """Where one target's importance is."""

    contribution: Shift
    gain: Shift | None


@dataclass(frozen=True)
class TargetDrift:
    target: str
    speech: Speech | None
    """None without recent predictions that are decided."""
    weight: Weight | None
    findings: list[Finding]


@dataclass(frozen=True)
class DriftReport:
    days: int
    first_recent: date
    last_day: date
    reference_games: int
    recent_games: int
    stability: Stability | None
    """None where either side has no games."""
    usual: Array
    """(features,) `drift.usual_index` of the reference."""
    used: Array
    """(features,) bool: some model splits on it."""
    outliers: list[tuple[str, float]] | None
    """(game, chance) of the strangest recent vectors first; none with too few of a reference."""
    findings: list[Finding]
    """About the vectors."""
    targets: dict[str, TargetDrift]
    unknown: list[str]
    """What could not be said, and why."""
    seen: Seen | None
    """The last prediction that the report knows of."""

    @property
    def found(self) -> list[tuple[str, Finding]]:
        """(target or `features`, finding), all of them."""
        parts = [("features", one) for one in self.findings]
        for target in self.targets.values():
            parts += [(target.target, one) for one in target.findings]
        return parts


def recent_from(last: date, days: int) -> date:
    """First of so many days."""
    return last - timedelta(days - 1)


def monitor(
    rows: pl.DataFrame,
    reference: Vectors,
    recent: Vectors,
    importance: Mapping[str, Importance],
    names: Sequence[str],
    rules: DriftRules,
    last: date,
    days: int,
) -> DriftReport:
    """rows: predictions (columns `said.SAID`) up to `last`; recent: vectors of the last `days`
    days; reference: of the games that the models learned from; importance: by target; names: of
    the features."""
    unknown: list[str] = []
    stable, chances, findings = None, None, list[Finding]()
    usual = usual_index(reference.values, reference.day, days)
    gains = [np.zeros(len(names)), *(one.gain_then for one in importance.values())]
    used = np.sum(gains, axis=0) > 0.0
    if len(reference.values) and len(recent.values):
        stable = stability(reference.values, recent.values)
        findings += vanished(names, stable, used, rules)
        findings += unstable(names, stable, usual, used, rules)
    else:
        unknown.append("stability of features: no games to compare")
    if len(reference.values) >= MIN_ROWS and len(recent.values):
        chance = Ordinary.of(reference.values, SEED).chance(recent.values)
        findings += strange(chance, rules)
        chances = sorted(zip(recent.game_ids, chance.tolist(), strict=True), key=lambda one: one[1])
    else:
        unknown.append(
            f"strange vectors: {len(reference.values)} games to learn from, {MIN_ROWS} needed"
        )
    first = recent_from(last, days)
    targets = {}
    for target in sorted({*rows["target"], *importance}):
        known = _speech(rows, target, first, days, unknown)
        weight = _weight(importance[target]) if target in importance else None
        targets[target] = TargetDrift(target, known, weight, _findings(known, weight, rules))
        if weight is not None and weight.gain is None:
            unknown.append(f"{target}: gain: too few recent games to train on")
    return DriftReport(
        days=days,
        first_recent=first,
        last_day=last,
        reference_games=len(reference.values),
        recent_games=len(recent.values),
        stability=stable,
        usual=usual,
        used=used,
        outliers=chances,
        findings=findings,
        targets=targets,
        unknown=unknown,
        seen=_last(rows),
    )


def _last(rows: pl.DataFrame) -> Seen | None:
    if rows.is_empty():
        return None
    order = ("as_of_us", "game_id", "position")
    last = rows.sort(order).row(-1, named=True)
    return Seen(*(last[name] for name in Seen._fields))


def _speech(
    rows: pl.DataFrame, target: str, first: date, days: int, unknown: list[str]
) -> Speech | None:
    said = decided(rows, target).filter(pl.col("consensus").is_not_null())
    now, before = said.filter(pl.col("day") >= first), said.filter(pl.col("day") < first)
    if now.is_empty():
        unknown.append(f"{target}: no recent prediction of a game that is over")
        return None
    enough = before["day"].n_unique() >= MIN_DAYS
    if not enough:
        unknown.append(f"{target}: calibration before: fewer than {MIN_DAYS} days")
    return Speech(
        games=now["game_id"].n_unique(),
        rolling=rolling(said, days),
        now=calibration(now),
        before=calibration(before) if enough else None,
    )


def _weight(one: Importance) -> Weight:
    then, now = (
        contribution_shares(part) for part in (one.contributions_then, one.contributions_now)
    )
    gain = None
    if one.gain_now is not None:
        gain = importance_shift(shares(one.gain_then), shares(one.gain_now))
    return Weight(importance_shift(then, now), gain)


def _findings(speech: Speech | None, weight: Weight | None, rules: DriftRules) -> list[Finding]:
    found = []
    if speech is not None:
        found += degraded(speech.rolling, rules)
        # Without a time before, the error has nothing to be worse than; the bias is judged alone.
        found += miscalibrated(speech.before or speech.now, speech.now, rules)
    if weight is not None:
        found += shifted("contribution", weight.contribution, rules)
        if weight.gain is not None:
            found += shifted("gain", weight.gain, rules)
    return found


def largest(values: Array, count: int) -> list[int]:
    """Places of the largest by size, NaN last."""
    return [int(at) for at in np.argsort(-np.nan_to_num(np.abs(values)), kind="stable")[:count]]
