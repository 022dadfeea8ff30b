"""The quality of an archive in figures, a row each: by day, so that days can be laid side by side.

A figure is there for every day that it is about, 0 or none included: measured again after a gap was
filled, it takes the place of the one before.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from models.quality import LACKING, Quality

ALL = "all"
"""As source: of all sources together."""


class Measurement(NamedTuple):
    source: str
    day: date
    """Of the games; of a silence, the day on which it began, UTC."""
    metric: str
    subject: str
    value: float | None
    detail: object = None
    """What the figure counts, for a person."""


def measurements(found: Quality, known: pl.DataFrame) -> Iterator[Measurement]:
    """known: per day of games and category, the share of features known at the cutoff."""
    yield from _games(found)
    for day, category, share in known.select("day", "category", "known").iter_rows():
        yield Measurement(ALL, day, "features_known", category, share)
    yield from _silences(found)


def _games(found: Quality) -> Iterator[Measurement]:
    day = pl.col("game_id").str.extract(r"-(\d{4}-\d{2}-\d{2})-").str.to_date(strict=False)
    far = found.far.with_columns(day=day)
    for (on,), games in (
        found.games.with_columns(day=day)
        .drop_nulls("day")
        .sort("day", "game_id")
        .group_by("day", maintain_order=True)
    ):
        assert isinstance(on, date)
        yield Measurement(ALL, on, "games", "", games.height)
        for name, missing in LACKING.items():
            without = games.filter(missing)["game_id"].to_list()
            yield Measurement(ALL, on, "games_without", name, len(without), without)
        for metric, value in (
            ("books_per_game", games["books"].mean()),
            ("fresh_share", games["fresh_share"].mean()),
            ("minutes_unconfirmed", games["minutes_unconfirmed"].mean()),
        ):
            yield Measurement(ALL, on, metric, "", _float(value))
        books = dict(
            far.filter(pl.col("day") == on).group_by("book").len().sort("book").iter_rows()
        )
        yield Measurement(ALL, on, "quotes_far", "", sum(books.values()), books)


def _silences(found: Quality) -> Iterator[Measurement]:
    began = {
        (source, day): (count, hours)
        for source, day, count, hours in found.gaps.group_by(
            "source", day=pl.col("since").dt.date()
        )
        .agg(pl.len(), pl.col("hours").max())
        .iter_rows()
    }
    for source, first, last in found.sources.select("source", "first", "last").iter_rows():
        for more in range((last.date() - first.date()).days + 1):
            day = first.date() + timedelta(days=more)
            count, hours = began.get((source, day), (0, 0.0))
            yield Measurement(source, day, "gaps", "", count)
            yield Measurement(source, day, "longest_gap_hours", "", hours)


def _float(value: object) -> float | None:
    return value if isinstance(value, float) else None
