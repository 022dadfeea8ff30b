"""`steamline features build`: a training table from an archive."""

from pathlib import Path
from typing import Annotated

import typer


def build(
    archive: Annotated[Path, typer.Option(help="Archive folder (see `steamline data`).")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    minutes: Annotated[
        str, typer.Option(help="Decision times: minutes before first pitch.")
    ] = "60,120,180,360,720",
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """One row a game and decision time: the vector by names, the market then, the result."""
    import json
    import time

    from cli.progress import watched
    from flows.offline import groups, samples, write_table
    from models.features.catalogue import NAMES
    from schemas.settings import Settings

    wanted = wanted_minutes(minutes)
    began = time.perf_counter()
    parts = groups(archive)
    made = samples(archive, Settings.read(), wanted, over=False)
    rows = write_table(
        (part for _, part in watched(made, "features", "groups of days", len(parts))), out
    )
    report = {
        "out": str(out),
        "rows": rows,
        "features": len(NAMES),
        "games": sum(len(part.game_ids) for part in parts),
        "events": sum(part.events for part in parts),
        "seconds": round(time.perf_counter() - began, 3),
    }
    if as_json:
        print(json.dumps(report))
    else:
        print(
            f"{out}: {rows:,} rows of {report['features']} features, from {report['events']:,} "
            f"events of {report['games']:,} games, in {report['seconds']:.1f} s"
        )


def wanted_minutes(text: str) -> list[int]:
    """Raises ConfigError naming the option."""
    from schemas.errors import ConfigError

    try:
        return sorted({int(one) for one in text.split(",")})
    except ValueError:
        raise ConfigError("--minutes", f"{text!r} are no minutes", "Use e.g. 60,120") from None
