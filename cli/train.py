"""`steamline train`: boosters from an archive, into the registry."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    archive: Annotated[Path, typer.Option(help="Archive folder (see `steamline data`).")],
    until: Annotated[
        str | None,
        typer.Option(
            help="Only what was known before then: ISO 8601, UTC unless it says otherwise."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Equal seeds and data give equal models.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Train the three boosters on finished games and make them the champions."""
    import json
    import sys
    from dataclasses import asdict

    from cli.moments import moment
    from deploy.stack import resolve
    from flows.training import train_from_archive
    from models.registry import Registry
    from schemas.settings import Settings
    from schemas.time import to_us

    settings = resolve(Settings.read())
    until_us = to_us(moment("--until", until)) if until else None

    def tell(stage: str) -> None:
        print(stage, file=sys.stderr, flush=True)

    registry = Registry(settings.mlflow, settings.home / "models")
    trained = train_from_archive(archive, until_us, settings, seed, tell)
    tell("publish")
    models = registry.publish(trained, seed)
    report = [
        {
            "target": model.card.target,
            "version": model.version,
            "trees": one.trees,
            "games": one.games,
            "simulated": model.card.simulated,
            "held_out": {who: asdict(score) for who, score in one.held_out.items()},
        }
        for one, model in zip(trained, models, strict=True)
    ]
    if as_json:
        print(json.dumps(report, indent=2))
        return
    for one, model in zip(trained, models, strict=True):
        print(
            f"{model.card.target:10} {model.version:14} {one.games} games, {one.trees} trees; "
            f"log-loss on the newest games: model {one.held_out['model'].log_loss:.5f}, "
            f"no-vig market {one.held_out['market'].log_loss:.5f}"
            f"{' (simulated)' if model.card.simulated else ''}"
        )
