"""`GET /v1/models/{target}/quality`: live predictions beside the market and what happened.

Computed from Postgres by the code that judges models everywhere else, off the event loop, and kept
for a while: it changes when games end.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict

from api.database import Database
from api.kept import Kept
from api.problems import REFUSED
from api.said import KEPT_SECONDS, Rows, frame, known, of_target
from api.tags import Tagged
from schemas.decisions import Alert
from schemas.markets import Target
from schemas.settings import Settings

if TYPE_CHECKING:
    import polars as pl

_DRIFT = (
    "SELECT game_id, position, as_of, simulated, alert_id, kind, detail, market, side,"
    " \"values\" FROM alerts WHERE kind = 'model_drift'"
    " AND split_part(detail, ':', 1) IN ($1, 'features')"
    " ORDER BY as_of DESC, alert_id DESC LIMIT 50"
)
_EXAMPLE: dict[str, Any] = {
    "target": "moneyline",
    "days": 60,
    "window_days": 7,
    "games": 412,
    "simulated": False,
    "versions": ["3-1f2e3d4c"],
    "rolling": [
        {
            "day": "2026-07-20",
            "games": 96.0,
            "model": 0.6731,
            "market": 0.6744,
            "difference": -0.0013,
            "low": -0.0061,
            "high": 0.0035,
        }
    ],
    "calibration": {
        "bias": -0.004,
        "bias_interval": [-0.021, 0.013],
        "slope": 0.97,
        "error": 0.019,
        "bins": [{"predicted": 0.41, "happened": 0.43, "weight": 41.0}],
        "market_bins": [{"predicted": 0.42, "happened": 0.43, "weight": 41.0}],
    },
    "drift": [],
}


class RollingLoss(BaseModel):
    """The last days with games up to this one."""

    day: str
    games: float
    model: float
    """Log-loss in nats a game."""
    market: float
    """Of the no-vig price at the same moments."""
    difference: float
    """Below 0: the model is better."""
    low: float | None
    high: float | None
    """95 % of the difference, by days; none below two of them."""


class Bin(BaseModel):
    """What happened where about so much was predicted."""

    predicted: float
    happened: float
    weight: float
    """Games."""


class CalibrationBins(BaseModel):
    bias: float
    """Mean of what happened less what was predicted."""
    bias_interval: tuple[float, float] | None
    slope: float | None
    """1: as sure as it should be; below: too sure. None where it cannot be told."""
    error: float
    """Mean gap of the bins."""
    bins: list[Bin]
    market_bins: list[Bin]


class Quality(BaseModel):
    """How a target's live predictions fare; champions and dealt games, no shadows."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    target: Target
    days: int
    """Looked at: the newest so many days that have predictions."""
    window_days: int
    """Of each point of `rolling`: STEAMLINE_DRIFT_DAYS."""
    games: int
    """Decided ones; a push decides nothing."""
    simulated: bool
    """Some of them are."""
    versions: list[str]
    """Model versions that spoke, in order of first word."""
    rolling: list[RollingLoss]
    calibration: CalibrationBins | None
    """None without decided games."""
    drift: list[Alert]
    """What `steamline run monitor` has told of this target and of the features, newest first."""


def build(database: Database, settings: Settings) -> APIRouter:
    router = APIRouter(tags=["models"], route_class=Tagged)
    kept = Kept[Quality](KEPT_SECONDS)

    @router.get(
        "/v1/models/{target}/quality",
        summary="How live predictions fare against the market",
        responses=REFUSED,
    )
    async def get_model_quality(
        target: Annotated[Target, Path(examples=["moneyline"])],
        days: Annotated[
            int, Query(ge=1, le=366, description="Look at the newest so many days")
        ] = 60,
    ) -> Quality:
        """Rolling log-loss against the no-vig price, calibration, and what the monitor has found.

        At decision times before each game, as in training; a game counts once.
        """
        return await kept.get((target, days), lambda: _quality(database, settings, target, days))

    return router


async def _quality(database: Database, settings: Settings, target: Target, days: int) -> Quality:
    from models.boosters.dataset import DECISION_MINUTES

    rows = await of_target(database, target, days, DECISION_MINUTES)
    drift = await database.rows(_DRIFT, target.value)
    alerts = [Alert.model_validate(one) for one in drift]
    return await asyncio.to_thread(_judged, target, days, settings.drift.days, rows, alerts)


def _judged(target: Target, days: int, window: int, rows: Rows, drift: list[Alert]) -> Quality:
    import polars as pl

    from models.evaluation.document import plain
    from models.evaluation.drift import calibration, rolling
    from models.evaluation.rows import decided
    from models.evaluation.said import without_shadows

    said = without_shadows(frame(rows))
    over = decided(said, target.value).filter(pl.col("consensus").is_not_null())
    points, calibrated = [], None
    if not over.is_empty():
        points = [
            RollingLoss.model_validate(plain({**row, "day": row["day"].isoformat()}))
            for row in rolling(over, window).iter_rows(named=True)
        ]
        found = plain(calibration(over)._asdict())
        calibrated = CalibrationBins.model_validate(
            found
            | {
                "bias_interval": known(found["bias_interval"]),
                "bins": _bins(over, "model"),
                "market_bins": _bins(over, "consensus"),
            }
        )
    return Quality(
        target=target,
        days=days,
        window_days=window,
        games=over["game_id"].n_unique(),
        simulated=bool(said["simulated"].any()),
        versions=said["model_version"].unique(maintain_order=True).to_list(),
        rolling=points,
        calibration=calibrated,
        drift=drift,
    )


def _bins(over: "pl.DataFrame", chance: str) -> list[Bin]:
    from models.evaluation.metrics import reliability

    curve = reliability(
        over[chance].to_numpy(), over["outcome"].to_numpy(), over["weight"].to_numpy()
    )
    rows = zip(*(column.tolist() for column in curve), strict=True)
    return [Bin.model_validate(dict(zip(curve._fields, row, strict=True))) for row in rows]
