"""`steamline stack`: Kafka, Redis and Postgres on this machine, without Docker."""

import json
from typing import Annotated, Any

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Kafka, Redis and Postgres here, without Docker.",
    rich_markup_mode=None,  # laying help out with rich costs a quarter of a second
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@app.command()
def up(as_json: Json = False) -> None:
    """Start what is not running; returns when everything answers."""
    from deploy import stack
    from schemas.settings import Settings

    settings = Settings.read()
    state = stack.up(settings)
    report = _report(stack.status(settings), state)
    _print(report, as_json)
    _fail_on_problem(report)


@app.command()
def down(as_json: Json = False) -> None:
    """Stop what `up` started. Kafka's and Postgres' data stay."""
    from deploy import stack
    from schemas.settings import Settings

    stack.down(Settings.read())
    print(json.dumps({"stopped": True}) if as_json else "stopped")


@app.command()
def status(as_json: Json = False) -> None:
    """Ask every server whether it answers; exit 1 if one does not."""
    from deploy import stack
    from schemas.settings import Settings

    settings = Settings.read()
    report = _report(stack.status(settings), stack.read(settings.home))
    _print(report, as_json)
    _fail_on_problem(report)


def _report(servers: Any, state: Any) -> dict[str, Any]:
    """The addresses hold passwords: whoever asks for JSON wants to connect."""
    return {
        "up": all(server.problem is None for server in servers.values()),
        "servers": {name: server.model_dump() for name, server in servers.items()},
        "bootstrap": state.bootstrap,
        "redis_url": state.redis_url,
        "postgres_dsn": state.postgres_dsn,
        "mlflow_tracking_uri": state.mlflow_tracking_uri,
        "mlflow_artifacts": state.mlflow_artifacts,
    }


def _print(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(report))
        return
    for name, server in report["servers"].items():
        where = f"127.0.0.1:{server['port']}" if server["port"] else server["origin"]
        print(f"{name:9} {server['kind']:9} {where:16} {server['problem'] or 'answers'}")


def _fail_on_problem(report: dict[str, Any]) -> None:
    if not report["up"]:
        raise typer.Exit(1)
