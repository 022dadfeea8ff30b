"""`steamline api`: the feed, the REST routes and the board page."""

from contextlib import suppress
from typing import Annotated

import typer


def api_command(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; STEAMLINE_API_HOST otherwise.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="0 takes a free one; STEAMLINE_API_PORT otherwise."),
    ] = None,
) -> None:
    """Serve the board at / and the live feed at /v1/feed until Ctrl-C."""
    from api.server import Server
    from cli.logs import log_as
    from deploy.stack import resolve
    from schemas.settings import Settings

    settings = resolve(Settings.read())
    log_as(settings)
    if settings.traces.endpoint is not None:
        from cli.traces import tracer_of

        tracer_of(settings.traces, "api")
    asked = {"host": host, "port": port}
    given = {name: value for name, value in asked.items() if value is not None}
    settings = settings.model_copy(update={"api": settings.api.model_copy(update=given)})

    def listening(address: str) -> None:
        typer.echo(f"Board: {address}/")

    with suppress(KeyboardInterrupt):  # uvicorn has stopped cleanly and raises it again
        Server(settings, listening).run()
