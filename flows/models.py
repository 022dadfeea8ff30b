"""Which models a worker starts with, and how it follows the registry from then on."""

import logging
from collections.abc import Sequence
from threading import Event
from typing import Protocol

from flows.steps.score import RefusedModel, Scorer
from models.boosters.scoring import TargetModel
from models.features.catalogue import NAMES
from models.features.kernel import FeatureSet
from models.registry import CHALLENGER, CHAMPION, Registry, Version
from schemas.decisions import Role
from schemas.errors import DependencyDown, ModelRefused
from schemas.markets import Target
from schemas.settings import Settings

log = logging.getLogger(__name__)


def current_models(settings: Settings, registry: Registry | None = None) -> list[TargetModel]:
    """The registry's champions; where it is away, or one of them is no good, those last taken.

    registry: of a worker that asks it from another process.
    Raises DependencyDown or ModelRefused where there are none of these either.
    """
    registry, features = registry or Registry.of(settings), FeatureSet.of(settings)
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


def current_challengers(settings: Settings, registry: Registry) -> list[TargetModel]:
    """What goes into the experiment from the first event on; none where there is no experiment.

    The registry's; where it is away those last taken. One that is no good is left out: the watch
    says so.
    """
    if settings.ab.mode == "off":
        return []
    features = FeatureSet.of(settings)
    versions: dict[Target, Version | None] | None = None
    try:
        versions = {target: registry.find(target, CHALLENGER) for target in Target}
    except DependencyDown as down:
        log.warning("%s; starting with the challengers last seen", down)
    found = []
    for target in Target:
        try:
            if versions is None:
                model = registry.kept(target, CHALLENGER)
            elif (version := versions[target]) is None:
                registry.forget(target, CHALLENGER)
                continue
            else:
                model = registry.load(version)
            if model is not None:
                model.check(features.hash, len(NAMES))
                registry.remember([model], CHALLENGER)
                found.append(model)
        except (ModelRefused, DependencyDown) as bad:
            log.warning("%s challenger is left out: %s", target, bad)
    log.info("challengers, %s: %s", settings.ab.mode, _names(found) or "none")
    return found


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

    def models_taken(
        self, models: Sequence[TargetModel], challengers: Sequence[TargetModel], swapped: int
    ) -> None: ...
    def model_refused(self, target: Target) -> None: ...
    def registry_answers(self, answers: bool) -> None: ...


_ALIAS = {Role.CHAMPION: CHAMPION, Role.CHALLENGER: CHALLENGER}


class ModelWatch:
    """Looks for other champions, and challengers where there is an experiment; loads and checks
    them beside the old ones, and hands them over.

    It is alone in its thread; the scorer takes a new set between two of its batches.
    """

    def __init__(
        self,
        registry: Registry,
        scorer: Scorer,
        models: Sequence[TargetModel],
        meter: ModelMeter | None = None,
        challengers: Sequence[TargetModel] = (),
    ) -> None:
        """models, challengers: those that the scorer has."""
        self._registry, self._scorer, self._meter = registry, scorer, meter
        self._taken = {
            Role.CHAMPION: {model.card.target: model for model in models},
            Role.CHALLENGER: {model.card.target: model for model in challengers},
        }
        self._roles = list(Role) if scorer.ab.mode != "off" else [Role.CHAMPION]
        self._seen: dict[tuple[Role, Target], tuple[str, bool]] = {}
        self._refused: dict[tuple[Role, Target], str] = {}
        self._away = False
        self._count(swapped=0)

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
        self._part_with_failed()
        changed: list[tuple[Role, TargetModel]] = []
        gone: list[Target] = []
        try:
            for role in self._roles:
                for target in Target:
                    version = self._registry.find(target, _ALIAS[role])
                    if version is None and role is Role.CHALLENGER:
                        gone.append(target)
                    elif (model := self._changed(role, target, version)) is not None:
                        changed.append((role, model))
        except DependencyDown as down:
            stay = _names(list(self._taken[Role.CHAMPION].values()))
            self._answers(False, f"{down}; the models stay: {stay}")
            return
        self._answers(True, "the model registry answers again")
        left = [target for target in gone if target in self._taken[Role.CHALLENGER]]
        if changed or left:
            self._take(changed, left)

    def _part_with_failed(self) -> None:
        """The scorer has dropped a challenger that failed at scoring; it is not taken again."""
        taken = self._taken[Role.CHALLENGER]
        champions = self._taken[Role.CHAMPION]
        for target, model in list(taken.items()):
            in_use = self._scorer.challengers.get(target) is model
            if not in_use and model.version != champions[target].version:
                del taken[target]
                self._refused[Role.CHALLENGER, target] = model.version.partition("-")[0]
                self._registry.forget(target, CHALLENGER)
                log.error("%s challenger %s has failed and is out", target, model.version)
                self._count(swapped=0)
                if self._meter is not None:
                    self._meter.model_refused(target)

    def _changed(self, role: Role, target: Target, version: Version | None) -> TargetModel | None:
        """What is to be taken instead of the old one, loaded and checked."""
        old = self._taken[role].get(target)
        if version is None:
            self._refuse(RefusedModel(target, "none", "the registry names no champion"))
            return None
        if self._seen.get((role, target)) == (version.run_id, version.paper):
            return None
        try:
            model = self._registry.load(version)
            self._scorer.check(model)
        except ModelRefused as bad:
            # Looked at again the next time: perhaps its files were only out of reach.
            self._refuse(RefusedModel(target, version.number, str(bad), role))
            return None
        self._refused.pop((role, target), None)
        self._seen[role, target] = version.run_id, version.paper
        if old is not None and (model.version, model.paper) == (old.version, old.paper):
            return None
        return model

    def _take(self, changed: list[tuple[Role, TargetModel]], left: list[Target]) -> None:
        champions, challengers = self._taken[Role.CHAMPION], self._taken[Role.CHALLENGER]
        before = _names([champions[one.card.target] for role, one in changed])
        for role, model in changed:
            self._taken[role][model.card.target] = model
        for target in left:
            del challengers[target]
            self._seen.pop((Role.CHALLENGER, target), None)
        self._scorer.swap(list(champions.values()), list(challengers.values()))
        crowned = [model for role, model in changed if role is Role.CHAMPION]
        tried = [model for role, model in changed if role is Role.CHALLENGER]
        if crowned:
            log.info("new champions: %s, in place of %s", _names(crowned), before)
        if tried or left:
            log.info("challengers: %s", _names(list(challengers.values())) or "none")
        self._count(swapped=len(changed))
        try:
            self._registry.remember(crowned)
            self._registry.remember(tried, CHALLENGER)
        except (OSError, DependencyDown) as full:
            log.warning("new models cannot be kept for a start without a registry: %s", full)
        for target in left:
            self._registry.forget(target, CHALLENGER)

    def _count(self, swapped: int) -> None:
        if self._meter is not None:
            champions, challengers = (list(self._taken[role].values()) for role in Role)
            self._meter.models_taken(champions, challengers, swapped)

    def _refuse(self, refused: RefusedModel) -> None:
        """Told once, not at every look; and the one that is right again is taken anew."""
        key = refused.role, refused.target
        self._seen.pop(key, None)
        if self._refused.get(key) == refused.number:
            return
        self._refused[key] = refused.number
        old = self._taken[refused.role].get(refused.target)
        log.error(
            "%s %s %s is refused, %s: %s",
            refused.target,
            refused.role,
            refused.number,
            f"{old.version} stays" if old is not None else "the champion goes on alone",
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
