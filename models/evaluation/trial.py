"""Which two model versions an experiment compares, as their predictions record it."""

from typing import NamedTuple

import polars as pl

from models.evaluation.ab_report import CHALLENGER, CHAMPION, Trial
from schemas.errors import DataMissing
from schemas.markets import Target


class Asked(NamedTuple):
    """What to compare; what is left open is taken as the newest experiment has it."""

    target: Target
    experiment: str | None = None
    a: str | None = None
    b: str | None = None
    """Model versions; both without an experiment: of two workers on the same topics."""


def trial_of(rows: pl.DataFrame, asked: Asked) -> Trial:
    """rows: columns `said.SAID`, shadows too. Raises DataMissing where neither or only one
    of the versions has spoken."""
    target = asked.target.value
    tried = rows.filter(pl.col("experiment").is_not_null()).sort("as_of_us", "position")
    if asked.experiment is not None:
        tried = tried.filter(experiment=asked.experiment)
    sides = {}
    for role, version in ((CHAMPION, asked.a), (CHALLENGER, asked.b)):
        part = tried.filter(role=role)
        sides[role] = part if version is None else part.filter(model_version=version)
    if any(part.is_empty() for part in sides.values()):
        if asked.a is not None and asked.b is not None and asked.experiment is None:
            return Trial(target, asked.a, asked.b, "shadow")
        raise DataMissing(
            f"{target}: no champion and challenger of an experiment in these predictions. "
            "STEAMLINE_AB_MODE begins one; or name two versions with --a and --b"
        )
    last = sides[CHALLENGER].row(-1, named=True)
    there = tried.filter(experiment=last["experiment"])
    # The newest beside this challenger; not the challenger itself, once it has been promoted.
    beside = sides[CHAMPION].filter(
        pl.col("experiment") == last["experiment"],
        pl.col("model_version") != last["model_version"],
    )
    if beside.is_empty():
        raise DataMissing(f"{target}: no champion has spoken in experiment {last['experiment']}")
    a, b = beside["model_version"][-1], last["model_version"]
    return Trial(
        target,
        a,
        b,
        "shadow" if last["share"] is None else "split",
        last["experiment"],
        tuple(sorted(set(there["model_version"]) - {a, b})),
    )


def rows_of(rows: pl.DataFrame, trial: Trial) -> pl.DataFrame:
    """What its two versions said in it."""
    rows = rows.filter(pl.col("model_version").is_in([trial.a, trial.b]))
    if trial.experiment is None:
        return rows
    dealt = pl.col("share").is_not_null()
    return rows.filter(
        pl.col("experiment") == trial.experiment, dealt if trial.mode == "split" else ~dealt
    )
