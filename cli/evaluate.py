"""`steamline model evaluate`: a walk-forward against the market and Elo."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from models.evaluation.judge import Report


def evaluate(
    archive: Annotated[
        list[Path], typer.Option(help="Archive folder of the games; may be given again.")
    ],
    out_of_fold: Annotated[
        Path, typer.Option(help="Parquet of a walk-forward: a row a target, game and decision.")
    ],
    html: Annotated[Path | None, typer.Option(help="Write the report there, one file.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Log-loss and Brier against the no-vig price at the opening, the decision and the close,
    and Elo, with intervals by days: docs/evaluation.md."""
    import json

    import polars as pl

    from flows.references import references
    from models.evaluation.document import document
    from models.evaluation.judge import judge
    from models.evaluation.rows import checked
    from schemas.errors import DataMissing
    from schemas.settings import Settings

    try:
        rows = pl.read_parquet(out_of_fold)
    except (OSError, pl.exceptions.ComputeError) as bad:
        raise DataMissing(f"{out_of_fold}: {bad}. Give --out-of-fold a Parquet file") from None
    rows = checked(rows)
    report = judge(rows, references(archive, rows, Settings.read()))
    if html is not None:
        from models.evaluation.page import page

        facts = [("Archives", ", ".join(map(str, archive))), ("Walk-forward", str(out_of_fold))]
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(page(report, facts), encoding="utf-8")
    if as_json:
        print(json.dumps(document(report), indent=2, allow_nan=False))
        return
    _show(report)
    if html is not None:
        print(f"report: {html}")


def _show(report: "Report") -> None:
    print(f"{report.games:,} games, {report.first_day} to {report.last_day}")
    for name, target in report.targets.items():
        print(
            f"\n{name}: log-loss {target.model.log_loss:.5f}, Brier {target.model.brier:.5f}, "
            f"{target.model.n:,} games"
        )
        print("  reference   log-loss  model on same  difference  interval               games")
        for who, reference in target.references.items():
            found = reference.comparison
            print(
                f"  {who:10} {found.reference.log_loss:9.5f} {found.model.log_loss:14.5f} "
                f"{found.difference:+11.5f}  {found.interval.low:+.5f} to "
                f"{found.interval.high:+.5f} {found.model.n:6,}"
            )
        for note in target.notes:
            print(f"  {note.text}")
