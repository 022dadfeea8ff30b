"""`steamline model`: train the boosters and see to them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.evaluate import evaluate
from cli.explain import explain
from cli.promotion import compare, list_versions, promote, rollback, show
from cli.watch import watch

if TYPE_CHECKING:
    from models.boosters.training import Trained
    from models.registry import Version

app = typer.Typer(help="Train the boosters, judge them and see to them.", no_args_is_help=True)
app.command()(evaluate)
app.command("list")(list_versions)
app.command()(show)
app.command()(compare)
app.command()(promote)
app.command()(rollback)
app.command()(explain)
app.command()(watch)


@app.command()
def train(
    archive: Annotated[
        list[Path], typer.Option(help="Archive folder (see `steamline data`); may be repeated.")
    ],
    until: Annotated[
        str | None,
        typer.Option(
            help="Only what was known before then: ISO 8601, UTC unless it says otherwise."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Equal seeds and data give equal models.")] = 1,
    tune: Annotated[
        int,
        typer.Option(
            min=0,
            help="Search parameters with so many trials a target before; goes on with those that "
            "an earlier call has made on the same data.",
        ),
    ] = 0,
    window_days: Annotated[
        int | None, typer.Option(min=1, help="Only games of the newest so many days.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Train a booster for each target on finished games and register it as challenger.

    Where a target has no champion that may move real stakes, it becomes that at once, on paper:
    it predicts, and its stakes are refused until `steamline model promote` lets it pass.
    """
    import json

    from cli.moments import moment
    from cli.progress import stages
    from deploy.stack import resolve
    from flows.promotion import start_on_paper
    from flows.training import train_from_archives, tuner
    from models.registry import Registry
    from schemas.settings import Settings
    from schemas.time import to_us

    settings = resolve(Settings.read())
    until_us = to_us(moment("--until", until)) if until else None
    registry = Registry.of(settings)
    with stages("train") as tell:
        trained = train_from_archives(
            archive,
            until_us,
            settings,
            seed,
            tell,
            window_days,
            tuner(settings.home, tune, seed, tell) if tune else None,
        )
        tell("publish")
        versions = registry.publish(trained, seed, window_days)
        champions = start_on_paper(registry, versions, settings)
    made = list(zip(trained, versions, strict=True))
    if as_json:
        print(json.dumps([_report(*one, one[1] in champions) for one in made], indent=2))
        return
    for one, version in made:
        role = "champion on paper" if version in champions else "challenger"
        print(
            f"{one.model.card.target:10} {version.name:14} {role}, {one.games} games, "
            f"{one.trees} trees; log-loss on the newest games: model "
            f"{one.held_out['model'].log_loss:.5f}, no-vig market "
            f"{one.held_out['market'].log_loss:.5f}"
            f"{' (simulated)' if one.model.card.simulated else ''}"
        )
    print("Real stakes: `steamline model promote --archive FOLDER`, which asks the gate")


def _report(trained: "Trained", version: "Version", champion: bool) -> dict[str, Any]:
    from dataclasses import asdict

    card = trained.model.card
    return {
        "target": card.target,
        "version": version.name,
        "role": "champion" if champion else "challenger",
        "paper": version.paper,
        "trees": trained.trees,
        "games": trained.games,
        "simulated": card.simulated,
        "calibration": card.calibration.method,
        "parameters": asdict(trained.parameters),
        "held_out": {who: asdict(score) for who, score in trained.held_out.items()},
    }
