"""The verdict on a walk-forward: per target against each reference, and where it was good."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl

from models.evaluation.compare import (
    USUAL,
    Comparison,
    Drawing,
    Forecast,
    compare,
    differ,
    forecast,
    shared,
)
from models.evaluation.intervals import DaySums, Interval
from models.evaluation.metrics import Reliability, auc, ranked_probability, reliability
from models.evaluation.notes import Note, notes_on
from models.evaluation.references import References
from models.evaluation.rows import DECISION, MARKET_OF, REFERENCES, beside, checked, decided
from models.features.arrays import Array
from schemas.time import US_PER_HOUR


class Mass(NamedTuple):
    """Discrete distributions of a count, one a row."""

    first: int
    """Value of the first column; each next one is one more."""
    chance: Array
    """(rows, values)"""


Distribution = Callable[[pl.DataFrame], Mass]
"""Out-of-fold rows of one target to what the model said of the count itself."""


@dataclass(frozen=True)
class Reference:
    """A forecast that the model is held against."""

    comparison: Comparison
    coverage: float
    """Share of the target's games for which it is known and decided."""
    same_line: float | None
    """Share of games at the decision's line; none for the moneyline."""
    seconds_before_start: float | None
    """Median, of opening and closing prices."""
    books: float | None
    """Mean number behind opening and closing prices."""


@dataclass(frozen=True)
class Segment:
    """Part of the rows, against the price at decision time."""

    kind: str
    name: str
    n: int
    model: float
    """Log-loss."""
    market: float
    difference: float
    interval: Interval


@dataclass(frozen=True)
class Ranked:
    """Ranked probability score of the whole distribution, lower is better."""

    model: float
    climate: float
    """Of the judged games' own frequencies: hindsight, so a hard mark."""
    difference: float
    interval: Interval


@dataclass(frozen=True)
class TargetReport:
    target: str
    market: str
    model: Forecast
    auc: float
    calibration: Reliability
    market_calibration: Reliability | None
    """Of the price at decision time."""
    references: dict[str, Reference]
    segments: list[Segment]
    ranked: Ranked | None
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    targets: dict[str, TargetReport]
    games: int
    first_day: str
    last_day: str
    confidence: float


def judge(
    out_of_fold: pl.DataFrame,
    references: References,
    distributions: Mapping[str, Distribution] | None = None,
    drawing: Drawing = USUAL,
) -> Report:
    """out_of_fold: columns `rows.OUT_OF_FOLD`. distributions: of the targets that have one.

    Raises DataMissing for rows that cannot be judged.
    """
    rows = checked(out_of_fold)
    known = distributions or {}
    targets = {}
    for target in MARKET_OF:
        part = decided(rows, target)
        if part.height:
            part = beside(part, target, references)
            whole = rows.filter(target=target)
            ranked = _ranked(target, whole, known[target], drawing) if target in known else None
            targets[target] = _judged(target, part, ranked, drawing)
    days = rows["day"].sort()
    return Report(
        targets=targets,
        games=rows["game_id"].n_unique(),
        first_day=str(days[0]),
        last_day=str(days[-1]),
        confidence=drawing.confidence,
    )


def _judged(
    target: str, rows: pl.DataFrame, ranked: Ranked | None, drawing: Drawing
) -> TargetReport:
    chance, won, weight = (rows[name].to_numpy() for name in ("model", "outcome", "weight"))
    market = shared(rows, DECISION, "outcome")
    found = {
        name: _reference(name, rows, drawing)
        for name in REFERENCES
        if not shared(rows, name, f"{name}_won").is_empty()
    }
    segments = list(_segments(rows, drawing))
    report = TargetReport(
        target=target,
        market=MARKET_OF[target].value,
        model=forecast(rows, drawing=drawing),
        auc=auc(chance, won, weight),
        calibration=reliability(chance, won, weight),
        market_calibration=None
        if market.is_empty()
        else reliability(
            market[DECISION].to_numpy(), market["outcome"].to_numpy(), market["weight"].to_numpy()
        ),
        references=found,
        segments=segments,
        ranked=ranked,
    )
    report.notes.extend(
        notes_on(
            {name: one.comparison for name, one in found.items()},
            {name: one.coverage for name, one in found.items()},
            len(segments),
            drawing.confidence,
        )
    )
    return report


def _reference(name: str, rows: pl.DataFrame, drawing: Drawing) -> Reference:
    known = shared(rows, name, f"{name}_won")
    games = known.unique("game_id", keep="last", maintain_order=True)
    lined = f"{name}_line" in known.columns
    same = (known["line"] == known[f"{name}_line"]) if lined else None
    weight = known["weight"].to_numpy()
    return Reference(
        comparison=compare(rows, name, f"{name}_won", drawing),
        coverage=games.height / rows["game_id"].n_unique(),
        same_line=None
        if same is None or same.null_count() == len(same)
        else float(np.average(same.fill_null(value=False).to_numpy(), weights=weight)),
        seconds_before_start=_mean(games[f"{name}_seconds"].median()) if lined else None,
        books=_mean(games[f"{name}_books"].mean()) if lined else None,
    )


def _mean(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _segments(rows: pl.DataFrame, drawing: Drawing) -> Iterator[Segment]:
    """By month, books, favourite and hours ahead; empty ones are left out."""
    favourite = pl.max_horizontal(pl.col(DECISION), 1.0 - pl.col(DECISION))
    ahead = (pl.col("start_us") - pl.col("as_of_us")) / US_PER_HOUR
    kinds = {
        "month": pl.col("day").dt.strftime("%Y-%m"),
        "books": _banded(pl.col("books"), (2, 5, 9), ("1", "2 to 4", "5 to 8", "9 or more")),
        "favourite": _banded(
            favourite, (0.55, 0.6, 0.65), ("below 55 %", "55 to 60 %", "60 to 65 %", "from 65 %")
        ),
        "hours ahead": _banded(ahead, (2, 4, 8), ("below 2", "2 to 4", "4 to 8", "8 or more")),
    }
    known = shared(rows, DECISION, "outcome")
    if known.is_empty():
        return
    for kind, named in kinds.items():
        parts = known.with_columns(named.alias("segment")).filter(pl.col("segment").is_not_null())
        for (name,), part in sorted(parts.partition_by("segment", as_dict=True).items()):
            found = differ(part, DECISION, drawing=drawing)
            yield Segment(
                kind=kind,
                name=_unnumbered(kind, str(name)),
                n=found.n,
                model=found.model_log_loss,
                market=found.reference_log_loss,
                difference=found.difference,
                interval=found.interval,
            )


def _banded(value: pl.Expr, bounds: tuple[float, ...], names: tuple[str, ...]) -> pl.Expr:
    """Names with a number before them, so that they sort in the order of the bands."""
    number = sum((value >= bound).cast(pl.Int8) for bound in bounds)
    assert isinstance(number, pl.Expr)
    return number.replace_strict(
        {place: f"{place} {name}" for place, name in enumerate(names)}, return_dtype=pl.String
    )


def _unnumbered(kind: str, name: str) -> str:
    return name if kind == "month" else name.split(" ", 1)[1]


def _ranked(
    target: str, rows: pl.DataFrame, distribution: Distribution, drawing: Drawing
) -> Ranked | None:
    """Of all rows with a score, pushes too: the count has no push."""
    rows = rows.filter(
        pl.col("mean").is_not_null() & pl.col("home_score").is_not_null() & (pl.col("weight") > 0.0)
    )
    if rows.is_empty():
        return None
    rows = rows.with_columns(pl.col("weight") / pl.col("weight").sum().over("game_id"))
    home, away = rows["home_score"], rows["away_score"]
    count = (home + away if target == "runs" else home - away).to_numpy().astype(np.int64)
    first, chance = distribution(rows)
    place = np.clip(count - first, 0, chance.shape[1] - 1)
    weight = rows["weight"].to_numpy()
    frequency = np.bincount(place, weight, chance.shape[1]) / weight.sum()
    losses = ranked_probability(chance, place)
    climate = ranked_probability(np.broadcast_to(frequency, chance.shape), place)
    day = rows["day"].to_numpy()
    sums = DaySums.of(day, losses - climate, weight)
    return Ranked(
        model=DaySums.of(day, losses, weight).mean,
        climate=DaySums.of(day, climate, weight).mean,
        difference=sums.mean,
        interval=drawing.interval(sums),
    )
