"""`steamline backtest`: what the stakes of a past season would have come to."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from models.evaluation.tear_sheet import TearSheet


def backtest(
    archive: Annotated[Path, typer.Argument(help="Archive folder (see `steamline data`).")],
    start: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day of games.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of games.")
    ] = None,
    walk_forward: Annotated[
        bool,
        typer.Option(
            help="Train models as the archive goes, each on what was over before it scores, "
            "instead of taking the champions."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of that training.")] = 1,
    bankroll: Annotated[
        str | None, typer.Option(help="Whose stakes. Default: the first of the settings.")
    ] = None,
    settlement_default: Annotated[
        str | None,
        typer.Option(
            help="Rule table that grades what a book's own leaves open. Default: "
            "STEAMLINE_SETTLEMENT_DEFAULT."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the bets and the tear sheet.")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1, help="That work on it; the outcome is the same. Default: one a core, at most 4."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Replay an archive through the live flows' own steps: predictions, stakes, bets on paper at
    the price of some seconds later, settlements, the bankroll (docs/backtest.md)."""
    import json
    import time

    from cli.progress import stages, watched
    from deploy.stack import resolve
    from flows.backtest import settings_of
    from flows.backtested import (
        doubts,
        replayed,
        sheet_of,
        stretch_of,
        summary,
        worth_it,
        write,
    )
    from flows.connectors.manifest import read_manifest
    from flows.garbage import rest_the_collector
    from flows.models import current_models
    from flows.pricing import Period
    from flows.walked import walked_models
    from schemas.settings import Settings

    settings = settings_of(Settings.read(), bankroll)
    if settlement_default is not None:
        rules = settings.settlement.model_copy(update={"default": settlement_default})
        settings = settings.model_copy(update={"settlement": rules})
    first, last = (None if day is None else day.date() for day in (start, end))
    stretch, simulated = stretch_of(archive, first, last), read_manifest(archive).simulated
    if walk_forward:
        with stages("walk-forward") as tell:
            periods = walked_models([archive], settings, seed, tell)
    else:
        periods = [Period(0, current_models(resolve(settings)))]
    rest_the_collector()
    began = time.perf_counter()
    done = replayed(
        archive,
        settings,
        stretch,
        periods,
        lambda records: watched(records, "backtest", "events", stretch.events),
        processes or worth_it(stretch),
    )
    seconds = round(time.perf_counter() - began, 3)
    bets, sheet = sheet_of(done, doubts(stretch, periods, walk_forward, simulated))
    numbers = summary(archive, done, sheet, bets, periods, settings)
    if out is not None:
        write(out, done, sheet, bets, numbers)
    if as_json:
        print(json.dumps(numbers | {"seconds": seconds}, allow_nan=False))
        return
    _show(sheet, out)
    print(f"{done.counts.events:,} events in {seconds:.1f} s")


def _show(sheet: "TearSheet", out: Path | None) -> None:
    for text in sheet.warnings:
        print(f"! {text}")
    equity, total = sheet.equity, sheet.total
    print(
        f"{sheet.bets:,} bets, {sheet.void:,} void, {sheet.open:,} not graded; balance "
        f"{equity.balance[0]:,.2f} to {equity.balance[-1]:,.2f}, drawdown {equity.drawdown:.1%}"
    )
    if total is not None:
        low, high = total.interval
        print(f"yield {total.value:+.2%} ({low:+.2%} to {high:+.2%}) of {total.staked:,.2f} staked")
    for one in sheet.luck:
        print(f"  by {one.name}: {one.expected:+,.2f} expected, {one.z:+.1f} deviations apart")
    if sheet.clv.value is not None:
        low, high = sheet.clv.value.interval
        print(
            f"against the close {sheet.clv.value.value:+.2%} ({low:+.2%} to {high:+.2%}), known "
            f"for {sheet.clv.coverage:.0%}"
        )
    if out is not None:
        print(f"{out / 'tear-sheet.html'}")
