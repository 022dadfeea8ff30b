"""`GET /v1/models`: which versions are champion, challenger and previous, and which of them speak.

The registry is asked by one thread, for all requests together. Where it does not answer in time,
the last answer is given with a mark; without one, what the score worker has left on this disk.
"""

import json
import logging
import math
import time
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock, Thread
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, HTTPException, Path
from pydantic import BaseModel, ConfigDict

from api.board import Board
from api.problems import Problem
from api.tags import Tagged
from schemas.decisions import Role
from schemas.errors import ConfigError, SteamlineError
from schemas.markets import Target
from schemas.settings import Settings

if TYPE_CHECKING:
    from models.boosters.scoring import TargetModel
    from models.registry import Registry, Version

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0
"""How long a request waits for the registry; the first needs most of it to import MLflow."""


class Gate(BaseModel):
    """What the gate found when it last judged a version."""

    passed: bool
    reasons: list[str]
    games: int
    market: "Difference | None"
    champion: "Difference | None"


class Difference(BaseModel):
    """Log-loss of the version less that of another forecast, out of sample: below 0 is better."""

    log_loss: float
    reference_log_loss: float
    difference: float
    interval: tuple[float, float] | None
    """95 %, days drawn; none where there are too few days."""


class ModelVersion(BaseModel):
    version: str
    """As messages name it."""
    paper: bool
    """Its stakes are not real: it has neither passed the gate nor been forced past it."""
    promoted: str | None
    """`passed` or `forced`; none: not at all."""
    reason: str | None
    """Why by force."""
    created_us: int | None
    trained_until_us: int | None
    """Newest first pitch among the games that it has seen."""
    feature_set: str | None
    data_fingerprint: str | None
    simulated: bool | None
    """Trained on simulated games."""
    metrics: dict[str, float]
    """As logged: `model_log_loss` beside `market_log_loss` on games it has not seen, and more."""
    gate: Gate | None
    """None before it was judged."""


class Speaking(BaseModel):
    """A version that the newest predictions on the board are by."""

    version: str
    role: Role
    games: int
    as_of_us: int
    """Of the newest of them."""


class TargetModels(BaseModel):
    target: Target
    champion: ModelVersion | None
    challenger: ModelVersion | None
    previous: ModelVersion | None
    speaking: list[Speaking]
    """Most games first. More than one champion: workers have not all followed yet, or games have
    not been scored since."""
    taken: dict[Role, str]
    """What a score worker on this machine has last taken; empty where none runs here."""


class Source(StrEnum):
    REGISTRY = "registry"
    LAST_KNOWN = "last_known"
    """The registry does not answer: this is what it said at `read_us`."""
    DISK = "disk"
    """Nor has it since this process began: champions as the score worker here last took them."""


_EXAMPLE: dict[str, Any] = {
    "source": "registry",
    "read_us": 1784580000000000,
    "detail": None,
    "models": [
        {
            "target": "moneyline",
            "champion": {
                "version": "3-1f2e3d4c",
                "paper": False,
                "promoted": "passed",
                "reason": None,
                "created_us": 1784000000000000,
                "trained_until_us": 1783900000000000,
                "feature_set": "0c6c1d54f0a2b3de",
                "data_fingerprint": "9b1f6a7c2d3e4f50",
                "simulated": False,
                "metrics": {"model_log_loss": 0.6731, "market_log_loss": 0.6744, "games": 2210},
                "gate": {
                    "passed": True,
                    "reasons": ["log-loss 0.67310 is below 0.67440 of the no-vig price ..."],
                    "games": 1326,
                    "market": {
                        "log_loss": 0.6731,
                        "reference_log_loss": 0.6744,
                        "difference": -0.0013,
                        "interval": [-0.0024, -0.0003],
                    },
                    "champion": None,
                },
            },
            "challenger": None,
            "previous": None,
            "speaking": [
                {
                    "version": "3-1f2e3d4c",
                    "role": "champion",
                    "games": 14,
                    "as_of_us": 1784580000000000,
                }
            ],
            "taken": {"champion": "3-1f2e3d4c"},
        }
    ],
}


class Models(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    source: Source
    read_us: int | None
    """When the registry said so, by the server's clock."""
    detail: str | None
    """What is wrong, where `source` is not the registry."""
    models: list[TargetModels]


Versions = dict[Target, dict[str, ModelVersion]]
"""Target -> alias -> version."""


def build(settings: Settings, board: Board) -> APIRouter:
    """board: says which versions speak."""
    router = APIRouter(route_class=Tagged)
    known = Known(settings)
    unknown: dict[int | str, dict[str, Any]] = {
        503: {"model": Problem, "description": "Nothing is known: no registry, and no cache"}
    }

    @router.get(
        "/v1/models", tags=["models"], summary="Model versions of all targets", responses=unknown
    )
    def list_models() -> Models:  # not async: it waits for the registry, in a thread of the pool
        """Champion, challenger and previous of every target, and which versions speak."""
        return known.answer(list(Target), board)

    @router.get(
        "/v1/models/{target}",
        tags=["models"],
        summary="Model versions of one target",
        responses=unknown,
    )
    def get_model(target: Annotated[Target, Path(examples=["moneyline"])]) -> Models:
        """The same of one target."""
        return known.answer([target], board)

    return router


@dataclass
class Known:
    """What the registry last said, asked again after `mlflow.poll_seconds`."""

    settings: Settings
    patience: float = PATIENCE_SECONDS
    _lock: Lock = field(default_factory=Lock)
    _reading: Thread | None = None
    _began: float = -float("inf")
    """Of the newest reading, monotonic."""
    _versions: Versions | None = None
    _read_us: int | None = None
    _wrong: str | None = None
    """With the newest reading that has ended."""

    def answer(self, targets: list[Target], board: Board) -> Models:
        """Within `patience`. Raises HTTPException 503 where nothing is known at all."""
        try:
            registry = _registry(self.settings)
        except ConfigError as none:
            raise HTTPException(503, str(none)) from None
        wrong = self._ask(registry)
        versions, source = self._versions, Source.LAST_KNOWN if wrong else Source.REGISTRY
        if versions is None:
            versions, source = _on_disk(registry), Source.DISK
            if not versions:
                raise HTTPException(503, f"{wrong}, and no score worker has left a model here")
        speaking = _speaking(board)
        return Models(
            source=source,
            read_us=self._read_us,
            detail=wrong,
            models=[
                TargetModels(
                    target=target,
                    **_by_alias(versions.get(target, {})),
                    speaking=speaking.get(target, []),
                    taken=_taken(registry, target),
                )
                for target in targets
            ],
        )

    def _ask(self, registry: "Registry") -> str | None:
        """What is wrong with what is known now, if anything."""
        with self._lock:
            age = time.monotonic() - self._began
            if self._reading is None and age >= self.settings.mlflow.poll_seconds:
                self._began, age = time.monotonic(), 0.0
                self._reading = Thread(target=self._read, args=(registry,), daemon=True)
                self._reading.start()
            reading = self._reading
        if reading is not None:
            # All who ask meanwhile wait until the same moment, and none beyond it.
            reading.join(max(self.patience - age, 0.0))
            if reading.is_alive():
                return f"the model registry has not answered for {self.patience:g} s"
        return self._wrong

    def _read(self, registry: "Registry") -> None:
        versions, wrong = None, None
        try:
            versions = _versions(registry)
        except SteamlineError as down:
            # Its text may repeat the address of a database.
            log.warning("models: %s", down)
            wrong = "the model registry does not answer"
        except Exception:
            log.exception("models: the registry cannot be read")
            wrong = "the model registry cannot be read; the server's log has the cause"
        with self._lock:
            if versions is not None:
                self._versions, self._read_us = versions, time.time_ns() // 1_000
            self._wrong, self._reading = wrong, None


def _registry(settings: Settings) -> "Registry":
    from models.registry import Registry

    return Registry.of(settings)


def _versions(registry: "Registry") -> Versions:
    from models.registry import ALIASES

    registry.require_answer()
    found: Versions = {}
    for target in Target:
        there = {alias: registry.find(target, alias) for alias in ALIASES}
        found[target] = {
            alias: _about(registry, version)
            for alias, version in there.items()
            if version is not None
        }
    return found


def _about(registry: "Registry", version: "Version") -> ModelVersion:
    from models.registry import GATE, REASON, VERDICT

    logged = registry.logged(version, importances=False)
    until, simulated = (logged.parameters.get(key) for key in ("trained_until_us", "simulated"))
    return ModelVersion(
        version=version.name,
        paper=version.paper,
        promoted=version.tags.get(GATE),
        reason=version.tags.get(REASON),
        created_us=version.created_us,
        trained_until_us=None if until is None else int(until),
        feature_set=logged.parameters.get("feature_set"),
        data_fingerprint=logged.parameters.get("data_fingerprint"),
        simulated=None if simulated is None else simulated == "True",
        metrics={name: one for name, one in logged.metrics.items() if math.isfinite(one)},
        gate=_gate(version.tags.get(VERDICT)),
    )


def _gate(verdict: str | None) -> Gate | None:
    if verdict is None:
        return None
    found = json.loads(verdict)
    numbers = found["numbers"]
    return Gate(
        passed=found["promote"],
        reasons=found["reasons"],
        games=numbers["games"],
        market=_difference(numbers.get("market")),
        champion=_difference(numbers.get("champion")),
    )


def _difference(found: dict[str, Any] | None) -> Difference | None:
    if found is None:
        return None
    interval = found["interval"]
    known = interval if all(map(math.isfinite, interval)) else None
    return Difference(**found | {"interval": known})


def _on_disk(registry: "Registry") -> Versions:
    try:
        models = registry.cached()
    except SteamlineError as bad:
        log.warning("models: %s", bad)
        return {}
    return {model.card.target: {"champion": _of_card(model)} for model in models}


def _of_card(model: "TargetModel") -> ModelVersion:
    card = model.card
    return ModelVersion(
        version=model.version,
        paper=model.paper,
        promoted=None,
        reason=None,
        created_us=None,
        trained_until_us=card.trained_until_us,
        feature_set=card.feature_set,
        data_fingerprint=card.data_fingerprint,
        simulated=card.simulated,
        metrics={},
        gate=None,
    )


def _by_alias(found: dict[str, ModelVersion]) -> dict[str, Any]:
    return {alias: found.get(alias) for alias in ("champion", "challenger", "previous")}


def _taken(registry: "Registry", target: Target) -> dict[Role, str]:
    names = {role: registry.kept_name(target, role.value) for role in Role}
    return {role: name for role, name in names.items() if name is not None}


def _speaking(board: Board) -> dict[Target, list[Speaking]]:
    """The loop goes on changing the board: each part is copied before it is looked at."""
    found: dict[tuple[Target, str, Role], list[int]] = {}
    for game in list(board.games.values()):
        for said in [*list(game.predictions.values()), *list(game.shadows.values())]:
            key = said.target, said.model_version, said.role
            found.setdefault(key, []).append(said.as_of_us)
    by_target: dict[Target, list[Speaking]] = {}
    for (target, version, role), moments in sorted(
        found.items(), key=lambda one: (-len(one[1]), one[0][2] is Role.CHALLENGER, one[0][1])
    ):
        by_target.setdefault(target, []).append(
            Speaking(version=version, role=role, games=len(moments), as_of_us=max(moments))
        )
    return by_target
