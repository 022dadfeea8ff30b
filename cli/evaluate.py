"""`steamline model evaluate`: a walk-forward against the market and Elo."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import polars as pl

    from models.evaluation.judge import Report
    from schemas.settings import Settings


def evaluate(
    archive: Annotated[
        list[Path], typer.Option(help="Archive folder of the games; may be given again.")
    ],
    out_of_fold: Annotated[
        Path | None,
        typer.Option(help="Judge this saved walk-forward (Parquet) instead of making one."),
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Keep the walk-forward there.")] = None,
    seed: Annotated[int, typer.Option(help="Equal seeds and data give equal models.")] = 1,
    html: Annotated[Path | None, typer.Option(help="Write the report there, one file.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Models that knew only what was over, against the no-vig price at the opening, the decision
    and the close, and Elo: log-loss and Brier, with intervals by days (docs/evaluation.md)."""
    import json

    from flows.judgement import distributions
    from flows.references import references
    from models.evaluation.document import document
    from models.evaluation.judge import judge
    from models.evaluation.rows import checked
    from schemas.settings import Settings

    settings = Settings.read()
    rows = _walked(archive, settings, seed) if out_of_fold is None else _read(out_of_fold)
    rows = checked(rows)
    if save is not None:
        save.parent.mkdir(parents=True, exist_ok=True)
        rows.write_parquet(save)
    report = judge(rows, references(archive, rows, settings), distributions())
    if html is not None:
        from models.evaluation.page import page

        walked = f"seed {seed}" if out_of_fold is None else str(out_of_fold)
        facts = [("Archives", ", ".join(map(str, archive))), ("Walk-forward", walked)]
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(page(report, facts), encoding="utf-8")
    if as_json:
        print(json.dumps(document(report), indent=2, allow_nan=False))
        return
    _show(report)
    if html is not None:
        print(f"report: {html}")


def _walked(archives: list[Path], settings: "Settings", seed: int) -> "pl.DataFrame":
    from cli.progress import stages
    from flows.judgement import out_of_fold

    with stages("walk-forward") as tell:
        return out_of_fold(archives, settings, seed, tell)


def _read(saved: Path) -> "pl.DataFrame":
    import polars as pl

    from schemas.errors import DataMissing

    try:
        return pl.read_parquet(saved)
    except (OSError, pl.exceptions.ComputeError) as bad:
        raise DataMissing(f"{saved}: {bad}. Give --out-of-fold a Parquet file") from None


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
