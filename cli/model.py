"""`steamline model`: train the boosters and see to them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.evaluate import evaluate
from cli.explain import explain
from cli.games import Archives, Postgres, games
from cli.promotion import compare, list_versions, promote, rollback, show
from cli.watch import watch

if TYPE_CHECKING:
    from flows.promotion import Introduced
    from models.boosters.training import Trained

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
    archive: Archives = None,
    postgres: Postgres = False,
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
    promote: Annotated[
        bool, typer.Option("--promote", help="Make what passes the gate the champion.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Train a booster for each target on finished games, register it as challenger, and ask the
    gate about it: its settings, walked forward on these games, against the no-vig price and the
    champion.

    Where a target has no champion that may move real stakes, it becomes that at once, on paper:
    it predicts, and its stakes are refused until the gate lets it pass. With a Postgres, one
    process trains at a time, and the training is kept as a job.
    """
    import json
    import sys

    from cli.moments import moment
    from cli.progress import stages
    from cli.service import wall_clock_us
    from deploy.stack import resolve
    from flows.promotion import Evidence, Introduced, introduce
    from flows.training import train_from_archives, tuner
    from flows.training_job import by_hand
    from models.registry import Registry, Version
    from schemas.settings import Settings
    from schemas.time import to_us

    settings = resolve(Settings.read())
    until_us = to_us(moment("--until", until)) if until else None
    registry = Registry.of(settings)
    found: list[Introduced] = []
    with stages("train") as tell, games(archive, postgres, settings) as archives:

        def publish(trained: "list[Trained]") -> list[tuple[Version, str]]:
            evidence = Evidence(archives, settings, until_us)
            found.extend(introduce(registry, trained, seed, window_days, evidence, promote, tell))
            return [(one.version, one.became) for one in found]

        job, trained = by_hand(
            settings.postgres,
            wall_clock_us,
            lambda: train_from_archives(
                archives,
                until_us,
                settings,
                seed,
                tell,
                window_days,
                tuner(settings.home, tune, seed, tell) if tune else None,
            ),
            publish,
        )
    if job.outcome == "failed":
        print(f"error: {job.detail}", file=sys.stderr)
        raise typer.Exit(1)
    made = list(zip(trained, found, strict=True))
    if as_json:
        print(json.dumps([_report(*one) for one in made], indent=2))
        return
    for one, introduced in made:
        print(
            f"{one.model.card.target:10} {introduced.version.name:14} {introduced.became}; "
            f"{one.games} games, {one.trees} trees; log-loss on the newest games: model "
            f"{one.held_out['model'].log_loss:.5f}, no-vig market "
            f"{one.held_out['market'].log_loss:.5f}"
            f"{' (simulated)' if one.model.card.simulated else ''}"
        )
        for why in introduced.verdict.reasons if introduced.verdict else ():
            print(f"  {why}")
    if not promote:
        print("Real stakes: `steamline model promote`, for what has passed the gate")


def _report(trained: "Trained", introduced: "Introduced") -> dict[str, Any]:
    from dataclasses import asdict

    card, version = trained.model.card, introduced.version
    return {
        "target": card.target,
        "version": version.name,
        "role": introduced.became.partition(" ")[0].rstrip(","),
        "became": introduced.became,
        "gate": introduced.verdict and asdict(introduced.verdict),
        "paper": not introduced.crowned,
        "trees": trained.trees,
        "games": trained.games,
        "simulated": card.simulated,
        "calibration": card.calibration.method,
        "parameters": asdict(trained.parameters),
        "held_out": {who: asdict(score) for who, score in trained.held_out.items()},
        "intervals": trained.intervals,
    }
