"""`steamline leakcheck`: features must not change by what comes later."""

from pathlib import Path
from typing import Annotated

import typer


def leakcheck(
    archive: Annotated[Path, typer.Option(help="Archive folder (see `steamline data`).")],
    decisions: Annotated[int, typer.Option(min=1, help="Moments to cut the history at.")] = 50,
    seed: Annotated[int, typer.Option(help="Equal seeds draw equal moments.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Cut the history at sampled moments, compute again, and compare bit for bit.

    Tries later events, other games and events past the cutoff on the features, later results on
    the team context, and shorter histories on all of them. Exits 1 on a leak.
    """
    import json
    import time

    from cli.progress import watched
    from flows.leakcheck import check_archive
    from schemas.settings import Settings

    began = time.perf_counter()
    found = check_archive(
        archive,
        Settings.read(),
        decisions,
        seed,
        lambda moments: watched(moments, "leakcheck", "moments", len(moments)),
    )
    seconds = round(time.perf_counter() - began, 3)
    if as_json:
        print(json.dumps(found.report() | {"seconds": seconds}, indent=2))
    else:
        print(
            f"{found.decision_times} decision times, {found.vectors:,} vectors and "
            f"{found.contexts:,} contexts in {seconds:.1f} s: {len(found.leaks)} leaks"
        )
        for leak in found.report()["first"]:
            print(
                f"  {leak['kind']}: {leak['feature']} ({leak['features']} in all) of "
                f"{leak['game_id']} at {leak['as_of']} changes by {leak['event_id']} of "
                f"{leak['event_game_id']} at {leak['event_at']}"
            )
        if found.needs_more:
            print(f"  depend on how long history is: {', '.join(found.needs_more)}")
    if not found.clean:
        raise typer.Exit(1)
