"""`steamline drift report`: what has changed since the models learned."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.games import Archives, Postgres, games

if TYPE_CHECKING:
    from models.evaluation.monitor import DriftReport

app = typer.Typer(help="What has changed since the models learned.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `report` a command of its own."""


@app.command()
def report(
    archive: Archives = None,
    postgres: Postgres = False,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", help="First recent day, as 2026-07-15. Default: STEAMLINE_DRIFT_DAYS ago."
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            help="Only what was known before then: ISO 8601, UTC unless it says otherwise."
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report there, one file.")] = None,
    strict: Annotated[
        bool, typer.Option(help="Exit 1 when something is above its threshold.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Log-loss against the price, calibration, features, importance and strange vectors of the
    newest days, beside the time before: docs/evaluation.md. Thresholds: STEAMLINE_DRIFT_*."""
    import json

    from cli.moments import moment
    from cli.progress import stages
    from deploy.stack import resolve
    from flows.drift import drift_report
    from models.evaluation.monitor_document import monitor_document, monitor_page
    from models.features.catalogue import NAMES
    from models.registry import Registry
    from schemas.settings import Settings
    from schemas.time import to_us

    settings = resolve(Settings.read())
    until_us = to_us(moment("--until", until)) if until else None
    first = moment("--from", from_).date() if from_ else None
    with stages("drift") as tell, games(archive, postgres, settings) as archives:
        tell("models")
        models = Registry.of(settings).nearest()
        found = drift_report(archives, settings, models, first, until_us, tell)
    if html is not None:
        facts = [
            ("Games", ", ".join([*map(str, archive or []), *(["Postgres"] if postgres else [])])),
            ("Models", ", ".join(f"{one.card.target} {one.version}" for one in models)),
        ]
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(monitor_page(found, NAMES, facts), encoding="utf-8")
    if as_json:
        print(json.dumps(monitor_document(found, NAMES), indent=2, allow_nan=False))
    else:
        _show(found)
        if html is not None:
            print(f"report: {html}")
    if strict and found.found:
        raise typer.Exit(1)


def _show(found: "DriftReport") -> None:
    print(
        f"{found.recent_games} recent games, {found.first_recent} to {found.last_day}, beside "
        f"{found.reference_games} that the models learned from"
    )
    for name, target in found.targets.items():
        if target.speech is not None:
            last = target.speech.rolling.row(-1, named=True)
            print(
                f"{name:10} log-loss {last['model']:.5f}, price {last['market']:.5f}, difference "
                f"{last['difference']:+.5f} ({last['low']:+.5f} to {last['high']:+.5f}), "
                f"bias {target.speech.now.bias:+.4f}, {target.speech.games} games"
            )
    for about, one in found.found:
        print(f"ABOVE {about}: {one.kind} {one.name} {one.value:.4f} (from {one.threshold:g})")
    if not found.found:
        print("nothing above its threshold")
    for text in found.unknown:
        print(f"not known: {text}")
