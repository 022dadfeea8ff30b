"""`steamline parity`: live features against offline ones, bit for bit."""

from pathlib import Path
from typing import Annotated

import typer


def parity(
    archive: Annotated[Path, typer.Option(help="Archive folder (see `steamline data`).")],
    games: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many games, by day.")
    ] = None,
    serving_log: Annotated[
        bool,
        typer.Option(
            help="Compare what a worker has put into Redis from this archive, not a replay of it."
        ),
    ] = False,
    redis: Annotated[
        str | None, typer.Option(help="Its URL. Default: STEAMLINE_REDIS_URL, or the local stack.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Replay an archive through the live path and compare every vector with the offline builder.

    Exits 1 where a single bit differs (one missing value equals another).
    """
    import json
    import time

    from pydantic import SecretStr

    from cli.progress import watched
    from deploy.stack import resolve
    from flows.offline import groups
    from flows.parity import compare_archive, compare_served
    from schemas.settings import Settings

    began = time.perf_counter()
    settings = Settings.read()
    if serving_log:
        settings = resolve(settings)
        if redis is not None:
            store = settings.redis.model_copy(update={"url": SecretStr(redis)})
            settings = settings.model_copy(update={"redis": store})
        found = compare_served(archive, settings, games)
    else:
        events = sum(group.events for group in groups(archive, games=games))
        found = compare_archive(
            archive,
            settings,
            games,
            lambda records: watched(records, "parity", "events", events),
        )
    seconds = round(time.perf_counter() - began, 3)
    if as_json:
        print(json.dumps(found.report() | {"seconds": seconds}))
    else:
        print(
            f"{found.vectors:,} vectors of {found.games:,} games compared in {seconds:.1f} s: "
            f"{found.mismatches:,} mismatches"
        )
        if found.first is not None:
            first = found.first
            print(
                f"first: {first.game} at position {first.position}, {first.feature}: "
                f"live {first.live}, offline {first.offline}"
            )
    if found.mismatches:
        raise typer.Exit(1)
