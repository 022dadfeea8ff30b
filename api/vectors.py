"""`GET /v1/games/{game_id}/features`: the newest vector by name, out of the feature store."""

import math
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict

from api.explain import Vectors
from api.problems import Problem
from api.tags import Tagged
from schemas.decisions import Probability
from schemas.events import GameId


class FeatureValue(BaseModel):
    name: str
    category: str
    unit: str
    formula: str
    source: str
    """What it is made from: its age is in `source_age_ms`."""
    value: float | None
    """Null: missing, which is neither 0 nor 50 %."""


class FeatureVector(BaseModel):
    """What the models saw of a game at one position."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "game_id": "mlb-2026-07-20-BOS-NYY-1",
                "position": 812,
                "as_of_us": 1784580000000000,
                "cutoff_us": 1784585100000000,
                "simulated": False,
                "feature_set": "0c6c1d54f0a2b3de",
                "completeness": 0.93,
                "completeness_by": {"temporal": 1.0, "market": 1.0, "team": 0.8, "splits": 0.9},
                "source_age_ms": {"lines": 1200, "splits": 240000},
                "features": [
                    {
                        "name": "moneyline_change_open",
                        "category": "temporal",
                        "unit": "probability",
                        "formula": "median over used books of now less opening",
                        "source": "lines",
                        "value": 0.021,
                    }
                ],
            }
        }
    )

    game_id: str
    position: int
    """How many of the game's events it rests on."""
    as_of_us: int
    cutoff_us: int
    simulated: bool
    feature_set: str
    completeness: Probability
    completeness_by: dict[str, Probability]
    """Of each category."""
    source_age_ms: dict[str, int]
    """At `as_of_us`; a source that was never heard of is absent."""
    features: list[FeatureValue]
    """In the order of the vector."""


def build(vectors: Vectors) -> APIRouter:
    router = APIRouter(tags=["board"], route_class=Tagged)

    @router.get(
        "/v1/games/{game_id}/features",
        summary="The newest feature vector of a game",
        responses={
            404: {"model": Problem, "description": "The game has no vector"},
            503: {"model": Problem, "description": "Redis is not at hand, or holds another set"},
        },
    )
    def get_features(  # not async: it waits for Redis, in a thread of the pool
        game_id: Annotated[GameId, Path(examples=["mlb-2026-07-20-BOS-NYY-1"])],
    ) -> FeatureVector:
        """Every feature with its unit and value, and how old each source was."""
        from models.features.catalogue import CATALOGUE
        from models.features.stored import stack

        packed = vectors.read(game_id)
        header = packed.read_header()
        values = stack([packed.vector], len(CATALOGUE))[0].tolist()
        return FeatureVector(
            **header.model_dump(exclude={"count"}),
            features=[
                FeatureValue(
                    name=one.name,
                    category=one.category,
                    unit=one.unit,
                    formula=one.formula,
                    source=one.source,
                    value=value if math.isfinite(value) else None,
                )
                for one, value in zip(CATALOGUE, values, strict=True)
            ],
        )

    return router
