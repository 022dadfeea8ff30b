"""Which models a worker starts with: the registry's champions, or the cached ones without it."""

import logging

from models.boosters.scoring import TargetModel
from models.registry import Registry
from schemas.errors import DependencyDown
from schemas.settings import Settings

log = logging.getLogger(__name__)


def current_models(settings: Settings) -> list[TargetModel]:
    """Raises DependencyDown when there is neither a registry nor a cache, ModelRefused when the
    registry has no champion."""
    registry = Registry(settings.mlflow, settings.home / "models")
    try:
        models = registry.champions()
    except DependencyDown as down:
        models = registry.cached()
        if not models:
            raise
        log.warning("%s; starting with the champions last seen: %s", down, _names(models))
    else:
        log.info("champions: %s", _names(models))
    return models


def _names(models: list[TargetModel]) -> str:
    return ", ".join(f"{model.card.target} {model.version}" for model in models)
