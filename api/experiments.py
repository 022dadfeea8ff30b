"""`GET /v1/experiments`: champion against challenger on live games, so far."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from api.database import Database
from api.kept import Kept
from api.problems import REFUSED
from api.said import KEPT_SECONDS, Rows, frame, known, of_experiments
from api.tags import Tagged
from schemas.markets import Target

if TYPE_CHECKING:
    import polars as pl

    from models.evaluation.ab_report import Comparison, Trial

_EXAMPLE: dict[str, Any] = {
    "experiments": [
        {
            "experiment": "spring",
            "target": "moneyline",
            "mode": "shadow",
            "a": "3-1f2e3d4c",
            "b": "4-9a8b7c6d",
            "others": [],
            "share": None,
            "first_us": 1783000000000000,
            "last_us": 1784580000000000,
            "spoken": {"a": 312, "b": 312},
            "result": {
                "games": 301,
                "days": 24,
                "difference": -0.0008,
                "interval": [-0.0031, 0.0014],
                "always": [-0.0049, 0.0033],
                "settled": None,
                "strays": 0,
                "games_needed": {"once": 2140, "always": 4305},
            },
            "unknown": None,
        }
    ]
}


class GamesNeeded(BaseModel):
    """Until a difference as large as the one found is told from 0."""

    once: int
    always: int


class Arms(BaseModel):
    a: int
    b: int


class Difference(BaseModel):
    """Log-loss a game, B less A: below 0, the challenger is better."""

    games: int
    days: int
    difference: float
    interval: tuple[float, float] | None
    """Valid when looked at once; none with too few days."""
    always: tuple[float, float] | None
    """Valid however often it is looked at; none with too few days."""
    settled: str | None
    """Which is better, `a` or `b`, once that is safe to say at any time."""
    strays: int
    """Games of a split in which both spoke: left out."""
    games_needed: GamesNeeded | None


class Experiment(BaseModel):
    experiment: str
    target: Target
    mode: Literal["shadow", "split"]
    a: str
    """The champion's version."""
    b: str
    """The challenger's."""
    others: list[str]
    """Further versions that spoke in it; not compared."""
    share: float | None
    """Of games that the challenger has; none in a shadow."""
    first_us: int
    last_us: int
    """Of the predictions looked at, event time."""
    spoken: Arms
    """Games that each has spoken about at a decision time."""
    result: Difference | None
    unknown: str | None
    """Why there is no result yet."""


class Experiments(BaseModel):
    """As their predictions record them, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    experiments: list[Experiment]


def build(database: Database) -> APIRouter:
    router = APIRouter(tags=["models"], route_class=Tagged)
    kept = Kept[Experiments](KEPT_SECONDS)

    @router.get("/v1/experiments", summary="Champion against challenger so far", responses=REFUSED)
    async def list_experiments(
        days: Annotated[
            int, Query(ge=1, le=366, description="Look at the newest so many days")
        ] = 90,
    ) -> Experiments:
        """Every experiment and target: who spoke how often, and the difference in log-loss.

        As `steamline ab report`, which also has growth and closing line value.
        """
        return await kept.get(days, lambda: _experiments(database, days))

    return router


async def _experiments(database: Database, days: int) -> Experiments:
    from models.boosters.dataset import DECISION_MINUTES

    rows = await of_experiments(database, days, DECISION_MINUTES)
    found = await asyncio.to_thread(_compared, rows)
    return Experiments(experiments=sorted(found, key=lambda one: -one.last_us))


def _compared(rows: Rows) -> list[Experiment]:
    from models.evaluation.trial import Asked, trial_of
    from schemas.errors import DataMissing

    said = frame(rows)
    found = []
    both = said.select("experiment", "target").unique().sort("experiment", "target")
    for name, target in both.iter_rows():
        part = said.filter(experiment=name, target=target)
        try:
            trial = trial_of(part, Asked(Target(target), name))
        except DataMissing:  # only one of both has spoken so far
            continue
        found.append(_one(part, trial))
    return found


def _one(said: "pl.DataFrame", trial: "Trial") -> Experiment:
    from models.evaluation.ab_report import BETS, compared
    from models.evaluation.trial import rows_of
    from schemas.errors import DataMissing

    rows = rows_of(said, trial)
    result, unknown = None, None
    try:
        # The difference in log-loss alone: bets and closes are for `steamline ab report`.
        result = _difference(compared(rows, BETS.to_frame(), trial))
    except DataMissing as missing:
        unknown = str(missing)
    return Experiment(
        experiment=str(trial.experiment),
        target=Target(trial.target),
        mode=trial.mode,
        a=trial.a,
        b=trial.b,
        others=list(trial.others),
        share=rows["share"].drop_nulls().to_list()[-1] if trial.mode == "split" else None,
        first_us=rows["as_of_us"].to_list()[0],
        last_us=rows["as_of_us"].to_list()[-1],
        spoken=Arms(
            a=rows.filter(model_version=trial.a)["game_id"].n_unique(),
            b=rows.filter(model_version=trial.b)["game_id"].n_unique(),
        ),
        result=result,
        unknown=unknown,
    )


def _difference(found: "Comparison") -> Difference:
    loss = found.log_loss
    return Difference(
        games=loss.games,
        days=loss.days,
        difference=loss.difference,
        interval=known(loss.interval),
        always=known(loss.always),
        settled=loss.settled,
        strays=found.strays,
        games_needed=found.needed and GamesNeeded(**found.needed._asdict()),
    )
