"""`steamline data quality`: what is missing in an archive, how fresh it was, who disagrees."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import polars as pl

    from flows.quality import Report

SHOWN = 10
"""Rows of a table that could be long; the JSON document has all of them."""


def quality(
    archive: Annotated[Path, typer.Argument(help="Archive folder.")],
    far: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Probability at which a book disagrees.")
    ] = 0.03,
    to_postgres: Annotated[
        bool, typer.Option("--to-postgres", help="Keep the figures in the table data_quality too.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Completeness and freshness by game and source, disagreement, coverage of the features."""
    from flows.quality import report
    from models.quality import by_category, summary
    from schemas.settings import Settings

    found = report(archive, Settings.read(), far)
    told = summary(found.quality)
    categories = by_category(found.coverage)
    kept = _keep(found) if to_postgres else None
    if not as_json:
        _tables(archive, found, told, categories)
        if kept is not None:
            print(f"{kept['figures']:,} figures in Postgres, {kept['changed']:,} new or changed")
        return
    document = {
        "archive": str(archive),
        **told,
        "vectors": found.vectors,
        "coverage": {
            "categories": _rows(categories),
            "features": _rows(found.coverage),
        },
        "sources": _rows(found.quality.sources),
        "gaps": _rows(found.quality.gaps),
        "books": _rows(found.quality.books),
        "far": _rows(found.quality.far),
        "by_game": _rows(found.quality.games),
        **({} if kept is None else {"postgres": kept}),
    }
    print(json.dumps(document, indent=2))


def _keep(found: "Report") -> dict[str, int]:
    from datetime import UTC, datetime

    from deploy.stack import resolve
    from flows.connectors.migrations import migrate
    from flows.connectors.quality_table import put
    from models.measurements import measurements
    from schemas.settings import Settings

    postgres = resolve(Settings.read()).postgres
    migrate(postgres)
    figures = list(measurements(found.quality, found.known))
    return {"figures": len(figures), "changed": put(postgres, figures, datetime.now(UTC))}


def _rows(frame: "pl.DataFrame") -> list[dict[str, Any]]:
    """Plain values: times as ISO 8601, shares rounded."""
    import polars.selectors as cs

    return frame.with_columns(
        cs.datetime().dt.strftime("%Y-%m-%dT%H:%M:%SZ"), cs.float().round(6)
    ).to_dicts()


def _tables(
    archive: Path, found: "Report", told: dict[str, Any], categories: "pl.DataFrame"
) -> None:
    from rich.console import Console

    console = Console()
    console.print(f"{archive}: {told['games']:,} games")
    lacking = {name: len(games) for name, games in told["without"].items()}
    console.print("without " + ", ".join(f"{name} {count:,}" for name, count in lacking.items()))
    for name, what in (
        ("books_per_game", "books a game before the cutoff"),
        ("fresh_share", "share of time with a fresh moneyline, first quote to cutoff"),
        ("minutes_unconfirmed", "minutes from the last confirmation to the cutoff"),
    ):
        spread = told[name]
        values = ", ".join(
            f"{key} {'-' if value is None else f'{value:g}'}" for key, value in spread.items()
        )
        console.print(f"{what}: {values}")
    unfresh = found.quality.games.filter(found.quality.games["fresh_share"] < 1.0)
    for title, frame in (
        (f"Features known in the last vector of {found.vectors:,} games", categories),
        ("Sources", found.quality.sources),
        ("Longest silences", found.quality.gaps.head(SHOWN)),
        (
            "Games whose prices were not fresh all the time",
            unfresh.sort("fresh_share", "game_id")
            .head(SHOWN)
            .select("game_id", "cutoff", "quotes", "fresh_share", "minutes_unconfirmed", "results"),
        ),
        ("Books against the consensus", found.quality.books),
        (f"Farthest quotes of {found.quality.far.height:,}", found.quality.far.head(SHOWN)),
    ):
        console.print(_table(title, frame))


def _table(title: str, frame: "pl.DataFrame") -> Any:
    from datetime import datetime

    from rich.table import Table

    def text(value: object) -> str:
        if isinstance(value, datetime):
            return f"{value:%m-%d %H:%M}"
        if isinstance(value, float):
            return f"{value:.4g}"
        return "-" if value is None else str(value)

    table = Table(title=title, title_justify="left")
    for name in frame.columns:
        numbers = frame[name].dtype.is_numeric()
        width = 24 if name == "game_id" else None  # what names a row must stay whole
        table.add_column(name, justify="right" if numbers else "left", min_width=width)
    for row in frame.iter_rows():
        table.add_row(*(text(value) for value in row))
    return table
