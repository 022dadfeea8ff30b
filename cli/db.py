"""`steamline db`: the schema in Postgres, and an archive into it."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="The database of history and reports.",
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@app.command()
def migrate(as_json: Json = False) -> None:
    """Bring the schema up to this version; safe from several processes at once."""
    import json

    from deploy.stack import resolve
    from flows.connectors.migrations import migrate as apply
    from schemas.settings import Settings

    applied = apply(resolve(Settings.read()).postgres)
    if as_json:
        print(json.dumps({"applied": applied}))
    else:
        print("\n".join(applied) if applied else "up to date")


@app.command()
def status(as_json: Json = False) -> None:
    """Which migrations are applied; exit 1 where one is not."""
    import json

    from deploy.stack import resolve
    from flows.connectors.migrations import status as ask
    from schemas.settings import Settings

    found = ask(resolve(Settings.read()).postgres)
    if as_json:
        print(json.dumps(found._asdict()))
    else:
        for state, names in found._asdict().items():
            for name in names:
                print(f"{state:8} {name}")
    if found.pending or found.unknown:
        raise typer.Exit(1)


@app.command()
def load(
    archive: Annotated[Path, typer.Argument(help="Archive folder (see `steamline data`).")],
    as_json: Json = False,
) -> None:
    """Load an archive; rows that are there already stay as they are."""
    import asyncio
    import json
    import time

    from cli.progress import watched
    from deploy.stack import resolve
    from flows.connectors.migrations import migrate as apply
    from flows.curate import curate_archive
    from flows.garbage import rest_the_collector
    from schemas.settings import Settings

    settings = resolve(Settings.read())
    apply(settings.postgres)
    rest_the_collector()
    began = time.perf_counter()
    done = asyncio.run(
        curate_archive(settings, archive, lambda records: watched(records, "load", "records"))
    )
    report = {
        "new": dict(done.new),
        "refused": dict(done.refused),
        "seconds": round(time.perf_counter() - began, 3),
    }
    if as_json:
        print(json.dumps(report))
        return
    for table, count in sorted(done.new.items()):
        print(f"{table:14} {count:,} new")
    for reason, count in sorted(done.refused.items()):
        print(f"refused: {reason:14} {count:,}")


@app.command("load-features")
def load_features(
    archive: Annotated[Path, typer.Argument(help="Archive folder, loaded already.")],
    minutes: Annotated[
        str, typer.Option(help="Decision times: minutes before first pitch.")
    ] = "60,120,180,360,720",
    as_json: Json = False,
) -> None:
    """The vector of every game at decision times, as training sees it."""
    import asyncio
    import json

    from cli.features_build import wanted_minutes
    from cli.progress import watched
    from deploy.stack import resolve
    from flows.connectors.migrations import migrate as apply
    from flows.features_table import load
    from flows.offline import groups
    from schemas.settings import Settings

    wanted = wanted_minutes(minutes)
    settings = resolve(Settings.read())
    apply(settings.postgres)
    total = len(groups(archive))
    new = asyncio.run(
        load(
            settings,
            archive,
            wanted,
            lambda parts: watched(parts, "features", "groups of days", total),
        )
    )
    print(json.dumps({"new": new}) if as_json else f"{new:,} new vectors")
