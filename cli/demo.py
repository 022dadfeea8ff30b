"""`steamline demo`: a real slate, or a simulated one without data, through the whole system."""

from typing import Annotated

import typer


def demo(
    speed: Annotated[float, typer.Option(min=0.1, help="Times real time.")] = 120.0,
    once: Annotated[
        bool, typer.Option("--once", help="Run the slate as fast as it goes, print it and end.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --once: one JSON document.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Of the board; STEAMLINE_API_PORT otherwise."),
    ] = None,
) -> None:
    """Start the local stack, train on history, replay a slate and serve the board."""
    import json
    import sys
    import time

    from cli.service import asked_to_stop
    from deploy import stack
    from deploy.demo.live import play_live
    from deploy.demo.once import play_once
    from deploy.demo.pacing import pace_for
    from deploy.demo.processes import Run
    from deploy.demo.slate import choose_slate, ensure_models, prepare_archive
    from schemas.settings import Settings

    stop = asked_to_stop()
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {text}", file=sys.stderr, flush=True)

    settings = Settings.read()
    ours = not stack.read(settings.home).servers
    tell("stack: Kafka, Redis, Postgres")
    stack.up(settings)
    try:
        settings = stack.resolve(settings)
        slate = choose_slate(prepare_archive(settings))
        kind = "SIMULATED" if slate.simulated else "real"
        tell(f"slate: {slate.day}, {len(slate.games)} {kind} games")
        ensure_models(settings, slate)
        with Run(settings) as run:
            pace = pace_for(run, stop)
            if once:
                tell("replaying flat out")
                summary = play_once(run, slate, pace(None)).as_dict()
                if as_json:
                    print(json.dumps(summary))
                else:
                    for name, value in summary.items():
                        print(f"{name:18} {value}")
            else:
                tell(f"starting worker and board, log in {run.log}")
                play_live(run, slate, speed, settings.api.port if port is None else port, pace)
                tell("stopping")
    finally:
        if ours:
            stack.down(Settings.read())
