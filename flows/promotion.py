"""Promotion: the gate is asked, its answer is written down, and only then an alias moves."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from flows.connectors.manifest import read_manifest
from flows.training import read_training_set
from models.boosters.dataset import TrainingSet
from models.boosters.scoring import TargetModel
from models.boosters.training import Trained
from models.boosters.walk_forward import Fold, as_it_is, folds, folds_after, walk_forward
from models.evaluation.compare import differ
from models.evaluation.gate import GateRules, Verdict, gate, refused
from models.evaluation.rows import decided
from models.features.catalogue import NAMES
from models.features.kernel import FeatureSet
from models.registry import CHAMPION, FORCED, GATE, PASSED, REASON, VERDICT, Registry, Version
from schemas.errors import DataMissing, ModelRefused
from schemas.settings import Settings


@dataclass(frozen=True)
class Evidence:
    """Games on which a recipe can be walked forward."""

    archives: Sequence[Path]
    settings: Settings
    until_us: int | None = None
    """What happened from then on is not known."""

    @cached_property
    def simulated(self) -> bool:
        return any(read_manifest(one).simulated for one in self.archives)

    @cached_property
    def _folds(self) -> dict[int | None, list[Fold]]:
        """By window: the same for every target, so made once."""
        return {}

    @cached_property
    def data(self) -> TrainingSet:
        return read_training_set(self.archives, self.until_us, self.settings)

    def rows(self, version: Version, registry: Registry) -> pl.DataFrame:
        """Out of fold, by models made as this version was made.

        Raises DataMissing where there are too few games, ModelRefused where it is not known how.
        """
        parameters, seed, window_days = registry.logged(version).recipe()
        target = version.target
        return walk_forward(
            self.data, seed, {target: parameters}, [target], self._all_folds(window_days)
        )

    def _all_folds(self, window_days: int | None) -> list[Fold]:
        if window_days not in self._folds:
            self._folds[window_days] = folds(self.data, window_days=window_days)
        return self._folds[window_days]

    def since(
        self, champion: TargetModel, version: Version, registry: Registry
    ) -> tuple[pl.DataFrame, pl.DataFrame] | None:
        """Of games later than all that the champion has seen: by models made as the version was
        made, and by the champion as it is. None where there are none.

        Raises as `rows`.
        """
        data = self.data
        parameters, seed, window_days = registry.logged(version).recipe()
        target = version.target
        seen = data.day[data.start_us <= champion.card.trained_until_us]
        # Before the first fold there is too little to train on, whatever the champion has seen.
        first = int(data.day[self._all_folds(window_days)[0].test].min())
        newest = max(int(seen.max(initial=0)), first - 1)
        later = data.day > newest
        if not later.any():
            return None
        fresh = walk_forward(
            data, seed, {target: parameters}, [target], folds_after(data, newest, window_days)
        )
        return fresh, as_it_is(champion, data, later)


def judge(registry: Registry, candidate: Version, evidence: Evidence) -> Verdict:
    """Whether the candidate may move real stakes; written down with it, good or bad.

    A champion that never passed the gate itself is no bar, nor is one that could not score. Of one
    that was made in the same way, a walk-forward would make the same rows: it is held against as it
    is, on the games since.
    Raises ModelRefused for a model that could not score, DataMissing for too few games.
    """
    model = registry.load(candidate)
    model.check(FeatureSet.of(evidence.settings).hash, len(NAMES))
    if evidence.simulated and not model.card.simulated:
        raise DataMissing(
            "simulated games say nothing of a model of real ones: name an archive of real games"
        )
    rules, games = GateRules(), len(evidence.data.game_ids)
    if games < rules.min_games:
        raise DataMissing(f"{games} games: the gate needs {rules.min_games} out of sample")
    rows = evidence.rows(candidate, registry)
    champion = registry.find(candidate.target, CHAMPION)
    if champion is None or champion.number == candidate.number or champion.paper:
        verdict = gate(rows, None, rules)
    elif registry.logged(champion).recipe() != registry.logged(candidate).recipe():
        verdict = gate(rows, evidence.rows(champion, registry), rules)
    else:
        verdict = _against_itself(registry, candidate, champion, evidence, rows)
    registry.note(candidate, {VERDICT: json.dumps(asdict(verdict))}, _metrics(verdict))
    return verdict


def _against_itself(
    registry: Registry,
    candidate: Version,
    champion: Version,
    evidence: Evidence,
    rows: pl.DataFrame,
) -> Verdict:
    """The gate, where candidate and champion were made in the same way."""
    rules = GateRules()
    if _of_other_features(registry, champion, FeatureSet.of(evidence.settings).hash):
        return gate(rows, None, rules)
    found = evidence.since(registry.load(champion), candidate, registry)
    if found is None:
        why = "the champion was made in the same way, and there is no game that it has not seen"
        return refused(gate(rows, None, rules), why)
    fresh, old = found
    return gate(rows, old, rules, fresh)


def promote(registry: Registry, candidate: Version, evidence: Evidence) -> Verdict:
    """Judge it, and make it the champion where it passes."""
    verdict = judge(registry, candidate, evidence)
    if verdict.promote:
        registry.promote(candidate, {GATE: PASSED})
    return verdict


def force(registry: Registry, candidate: Version, reason: str) -> None:
    """Past the gate, on the word of a person, which is kept.

    Raises ModelRefused for one that is damaged, or without a reason.
    """
    if not reason.strip():
        raise ModelRefused("--force needs a --reason: it is kept with the model")
    registry.load(candidate)
    registry.promote(candidate, {GATE: FORCED, REASON: reason.strip()})


def differences(
    registry: Registry, first: Version, second: Version, evidence: Evidence
) -> dict[str, Any]:
    """First less second on the same walk-forward rows. Raises as `Evidence.rows`."""
    keys = ("game_id", "as_of_us", "line")
    other = evidence.rows(second, registry).select(*keys, pl.col("model").alias("second"))
    rows = decided(evidence.rows(first, registry), first.target.value).join(
        other, on=keys, nulls_equal=True, maintain_order="left"
    )
    found = differ(rows, "second")
    return {
        "target": first.target,
        "first": first.name,
        "second": second.name,
        "first_log_loss": found.model_log_loss,
        "second_log_loss": found.reference_log_loss,
        "difference": found.difference,
        "interval": list(found.interval),
        "games": found.n,
    }


@dataclass(frozen=True)
class Introduced:
    """A version that was just made."""

    version: Version
    became: str
    verdict: Verdict | None
    """None where the gate could not judge it, for want of games."""

    @property
    def crowned(self) -> bool:
        """The champion now, its stakes real."""
        return self.became == CHAMPION


def introduce(
    registry: Registry,
    trained: list[Trained],
    seed: int,
    window_days: int | None,
    evidence: Evidence,
    crown: bool = True,
    tell: Callable[[str], None] = lambda stage: None,
) -> list[Introduced]:
    """Register what was trained as challengers, and ask the gate of each.

    crown: what passes is champion at once, else it waits as its target's challenger. So does one
    that the gate cannot judge. tell: hears of each stage.
    """
    tell("publish")
    versions = registry.publish(trained, seed, window_days)
    became: dict[str, str] = {}
    verdicts: dict[str, Verdict] = {}
    for version in versions:
        tell(f"gate {version.target}")
        try:
            verdict = (promote if crown else judge)(registry, version, evidence)
        except DataMissing as few:
            became[version.target] = f"challenger, not judged: {few}"
            continue
        verdicts[version.target] = verdict
        passed = CHAMPION if crown else "challenger, passed the gate"
        became[version.target] = passed if verdict.promote else "challenger, refused by the gate"
    waiting = [version for version in versions if became[version.target] != CHAMPION]
    for version in start_on_paper(registry, waiting, evidence.settings):
        _, _, judged = became[version.target].partition(", ")
        became[version.target] = f"champion on paper, {judged}"
    return [
        Introduced(version, became[version.target], verdicts.get(version.target))
        for version in versions
    ]


def start_on_paper(
    registry: Registry, candidates: Sequence[Version], settings: Settings
) -> list[Version]:
    """Make champions of those whose target has none that may, or could, move real stakes.

    It takes nothing from anyone: they predict, and their stakes are refused until they pass.
    """
    features, made = FeatureSet.of(settings).hash, []
    for candidate in candidates:
        champion = registry.find(candidate.target, CHAMPION)
        if champion is None or champion.paper or _of_other_features(registry, champion, features):
            registry.promote(candidate, {})
            made.append(candidate)
    return made


def _of_other_features(registry: Registry, champion: Version, features: str) -> bool:
    return registry.logged(champion).parameters.get("feature_set") != features


def _metrics(verdict: Verdict) -> dict[str, float]:
    """Differences in log-loss with their intervals, as MLflow keeps numbers."""
    found: dict[str, float] = {"gate_games": verdict.numbers["games"]}
    for who in ("market", CHAMPION):
        if who in verdict.numbers:
            one = verdict.numbers[who]
            low, high = one["interval"]
            found |= {
                f"gate_{who}_difference": one["difference"],
                f"gate_{who}_interval_low": low,
                f"gate_{who}_interval_high": high,
            }
    return found
