"""Which models a worker starts with, and how it follows the champions from then on."""

import logging
from collections.abc import Sequence
from threading import Event
from typing import Protocol

from flows.steps.score import RefusedModel, Scorer
from models.boosters.scoring import TargetModel
from models.features.catalogue import NAMES
from models.features.kernel import FeatureSet
from models.registry import CHAMPION, Registry, Version
from schemas.errors import DependencyDown, ModelRefused
from schemas.markets import Target
from schemas.settings import Settings

log = logging.getLogger(__name__)


def current_models(settings: Settings) -> list[TargetModel]:
    """The registry's champions; where it is away, or one of them is no good, those last taken.

    Raises DependencyDown or ModelRefused where there are none of these either.
    """
    registry, features = Registry.of(settings), FeatureSet.of(settings)
    try:
        champions = [registry.champion(target) for target in Target]
    except DependencyDown as down:
        return _last_taken(registry, down)
    try:
        models = [registry.load(version) for version in champions]
        for model in models:
            model.check(features.hash, len(NAMES))
    except (ModelRefused, DependencyDown) as bad:
        return _last_taken(registry, bad)
    registry.remember(models)
    log.info("champions: %s", _names(models))
    return models


def _last_taken(registry: Registry, why: ModelRefused | DependencyDown) -> list[TargetModel]:
    models = registry.cached()
    if not models:
        raise why
    log.warning("%s; starting with the champions last seen: %s", why, _names(models))
    return models


def _names(models: Sequence[TargetModel]) -> str:
    return ", ".join(
        f"{model.card.target} {model.version}{' (paper)' if model.paper else ''}"
        for model in models
    )


class ModelMeter(Protocol):
    """Counts what happens to models; changes nothing."""

    def models_taken(self, models: Sequence[TargetModel], swapped: int) -> None: ...
    def model_refused(self, target: Target) -> None: ...
    def registry_answers(self, answers: bool) -> None: ...


class ModelWatch:
    """Looks for other champions, loads and checks them beside the old ones, and hands them over.

    It is alone in its thread; the scorer takes a new set between two of its batches.
    """

    def __init__(
        self,
        registry: Registry,
        scorer: Scorer,
        models: Sequence[TargetModel],
        meter: ModelMeter | None = None,
    ) -> None:
        """models: those that the scorer has."""
        self._registry, self._scorer, self._meter = registry, scorer, meter
        self._taken = {model.card.target: model for model in models}
        self._seen: dict[Target, tuple[str, bool]] = {}
        self._refused: dict[Target, str] = {}
        self._away = False
        if meter is not None:
            meter.models_taken(models, swapped=0)

    def follow(self, seconds: float, stop: Event) -> None:
        """Look every so many seconds until stopped."""
        while not stop.wait(seconds):
            try:
                self.look()
            except Exception:
                # A thread that ended would leave the worker with its models for ever, unsaid.
                log.exception("looking for champions failed; the models stay")

    def look(self) -> None:
        """Once; what cannot be had or is no good leaves the old one where it is."""
        changed: list[TargetModel] = []
        try:
            for target in Target:
                model = self._changed(target, self._registry.find(target, CHAMPION))
                if model is not None:
                    changed.append(model)
        except DependencyDown as down:
            self._answers(False, f"{down}; the models stay: {_names(list(self._taken.values()))}")
            return
        self._answers(True, "the model registry answers again")
        if changed:
            self._take(changed)

    def _changed(self, target: Target, version: Version | None) -> TargetModel | None:
        """What is to be taken instead of the old one, loaded and checked."""
        old = self._taken[target]
        if version is None:
            self._refuse(RefusedModel(target, "none", "the registry names no champion"))
            return None
        if self._seen.get(target) == (version.run_id, version.paper):
            return None
        try:
            model = self._registry.load(version)
            self._scorer.check(model)
        except ModelRefused as bad:
            # Looked at again the next time: perhaps its files were only out of reach.
            self._refuse(RefusedModel(target, version.number, str(bad)))
            return None
        self._refused.pop(target, None)
        self._seen[target] = version.run_id, version.paper
        return None if (model.version, model.paper) == (old.version, old.paper) else model

    def _take(self, changed: list[TargetModel]) -> None:
        before = _names([self._taken[model.card.target] for model in changed])
        self._taken |= {model.card.target: model for model in changed}
        models = list(self._taken.values())
        self._scorer.swap(models)
        log.info("new champions: %s, in place of %s", _names(changed), before)
        if self._meter is not None:
            self._meter.models_taken(models, swapped=len(changed))
        try:
            self._registry.remember(changed)
        except OSError as full:
            log.warning("new champions cannot be kept for a start without a registry: %s", full)

    def _refuse(self, refused: RefusedModel) -> None:
        """Told once, not at every look; and the one that is right again is taken anew."""
        self._seen.pop(refused.target, None)
        if self._refused.get(refused.target) == refused.number:
            return
        self._refused[refused.target] = refused.number
        stays = self._taken[refused.target].version
        log.error(
            "%s champion %s is refused, %s stays: %s",
            refused.target,
            refused.number,
            stays,
            refused.why,
        )
        self._scorer.tell(refused)
        if self._meter is not None:
            self._meter.model_refused(refused.target)

    def _answers(self, answers: bool, what: str) -> None:
        if self._away == answers:
            log.warning("%s", what)
        self._away = not answers
        if self._meter is not None:
            self._meter.registry_answers(answers)
