"""`steamline doctor`: is everything there, and as it must be."""

from typing import Annotated

import typer


def doctor(
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Longest wait for all answers together.")
    ] = 9.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Look at settings, folders, servers, topics, models, lag and dead letters, all at once, and
    say what to do. Exits 1 where something fails."""
    import json
    from pathlib import Path

    from cli.logs import blotted, quiet, secrets_of
    from cli.service import wall_clock_us
    from flows.doctor import State, examine, fail, ok
    from schemas.errors import ConfigError
    from schemas.settings import Settings

    quiet()
    try:
        settings = Settings.read()
    except ConfigError as bad:
        found, secrets = [fail("settings", str(bad), "docs/settings.md lists every key")], set()
    else:
        from deploy.stack import resolve
        from flows.checks import kafka, local, stores

        settings = resolve(settings)
        secrets = set(secrets_of(settings))
        checks = [
            *local.checks(settings, Path(".env")),
            *kafka.checks(settings, wall_clock_us),
            *stores.checks(settings, wall_clock_us),
        ]
        found = [ok("settings", "can be read"), *examine(checks, seconds)]
    worst = {state: sum(one.state is state for one in found) for state in State}
    if as_json:
        document = {"ok": not worst[State.FAIL], "findings": [one._asdict() for one in found]}
        print(blotted(json.dumps(document), secrets))
    else:
        for one in found:
            line = f"{one.state:4}  {one.name:18} {one.detail}"
            print(blotted(line, secrets))
            if one.fix:
                print(blotted(f"{'':25}-> {one.fix}", secrets))
        print(", ".join(f"{count} {state}" for state, count in worst.items()))
    if worst[State.FAIL]:
        raise typer.Exit(1)
