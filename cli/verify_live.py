"""`steamline verify-live`: recorded live decisions against a replay of their inputs."""

from pathlib import Path
from typing import Annotated

import typer


def verify_live(
    archive: Annotated[
        Path | None,
        typer.Option(help="Archive that follows Kafka; without it the topics are read."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Make every recorded prediction and stake again from the events it rests on, with the model
    version that it names, and compare all fields. Exits 1 where a single bit differs, and where
    there is nothing to compare."""
    import json
    from dataclasses import asdict

    from cli.progress import watched
    from deploy.stack import resolve
    from flows.recorded import finder, of_archive, of_topics
    from flows.verify_live import LiveCheck
    from schemas.errors import DataMissing
    from schemas.settings import Settings

    settings = resolve(Settings.read())
    stream = of_topics(settings) if archive is None else of_archive(archive)
    check = LiveCheck(settings, finder(settings))
    for game in watched(stream.games, "verify-live", "games"):
        check.game(game)
    check.stakes(stream.stakes)
    found = check.found
    if found.predictions + found.unverifiable == 0:
        raise DataMissing("no recorded predictions: there is nothing to verify")
    if as_json:
        print(json.dumps(asdict(found)))
    else:
        print(
            f"{found.predictions:,} predictions of {found.games:,} games: {found.mismatches:,} "
            f"mismatches, {found.unverifiable:,} without their models; {found.stakes:,} stakes: "
            f"{found.stake_mismatches:,} mismatches, {found.stakes_unverifiable:,} not verifiable"
        )
        if found.first is not None:
            print(f"first: {found.first}")
    if found.wrong or not found.predictions:
        raise typer.Exit(1)
