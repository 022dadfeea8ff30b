"""What models said, out of Postgres, as the frame that models are judged on."""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from api.database import Database, query
from schemas.markets import Target

if TYPE_CHECKING:
    import polars as pl

KEPT_SECONDS = 60.0
"""An answer that judges models is made at most so often: it changes when games end."""

Rows = Sequence[dict[str, Any]]
_NEWEST_OF_TARGET = "SELECT max(as_of) FROM predictions WHERE target = $1"
_NEWEST_TRIED = "SELECT max(as_of) FROM predictions WHERE experiment IS NOT NULL"
_AS_SAID = (
    "game_id",
    "target",
    "model_version",
    "position",
    "as_of_us",
    "line",
    "simulated",
    "role",
    "experiment",
    "share",
    "completeness",
    "best",
)


async def of_target(database: Database, target: Target, days: int, minutes: Sequence[int]) -> Rows:
    """Of the newest so many days. Raises HTTPException as `Database.reading`."""
    async with database.reading() as connection:
        newest = await connection.fetchval(_NEWEST_OF_TARGET, target.value)
        if newest is None:
            return []
        return await database.asked(
            connection,
            query("said_of_target"),
            target.value,
            newest - timedelta(days=days),
            list(minutes),
        )


async def of_experiments(database: Database, days: int, minutes: Sequence[int]) -> Rows:
    """As `of_target`, of every experiment."""
    async with database.reading() as connection:
        newest = await connection.fetchval(_NEWEST_TRIED)
        if newest is None:
            return []
        return await database.asked(
            connection, query("said_of_experiments"), newest - timedelta(days=days), list(minutes)
        )


def frame(rows: Rows) -> "pl.DataFrame":
    """Columns `models.evaluation.said.SAID`, shadows too, the oldest first."""
    import polars as pl

    from models.evaluation.said import SAID, said

    if not rows:
        return SAID.to_frame()
    text, whole, real = pl.String(), pl.Int64(), pl.Float64()
    predictions = _columns(
        rows,
        {name: SAID[name] for name in _AS_SAID}
        | {"start_time_us": whole, "market_probability": real, "probability": real},
    )
    over = [row for row in rows if row["occurred_at_us"] is not None]
    results = _columns(
        over,
        {"game_id": text, "occurred_at_us": whole, "home_score": whole, "away_score": whole},
    ).unique(maintain_order=True)
    found = said(predictions.lazy(), results.lazy())
    return found.sort("target", "as_of_us", "game_id", "model_version")


def _columns(rows: Rows, schema: dict[str, "pl.DataType"]) -> "pl.DataFrame":
    import polars as pl

    return pl.DataFrame({name: [row.get(name) for row in rows] for name in schema}, schema)


def known(interval: Sequence[float | None]) -> tuple[float, float] | None:
    """None where an end is not known, or nowhere."""
    low, high = interval
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return None
    return low, high
