"""`steamline data`: bring history into the archive, simulate some, show what is there."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from cli.quality import quality

if TYPE_CHECKING:
    from flows.connectors.manifest import Manifest
    from flows.sources.tally import Tally
    from schemas.events import Event

app = typer.Typer(help="Historical and simulated data in the archive.", no_args_is_help=True)

Out = Annotated[Path | None, typer.Option(help="Archive folder. Default: HOME/archive/SOURCE.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Data = Annotated[Path | None, typer.Option(help="Data folder. Default: STEAMLINE_DATA.")]
Context = Annotated[bool, typer.Option(help="Add team context to the games (see `data context`).")]
Starters = Annotated[bool, typer.Option(help="Use who started, which the files tell in hindsight.")]

app.command()(quality)


class Source(StrEnum):
    ODDSAPI = "oddsapi"
    PINNACLE = "pinnacle"


def _fail(problem: Exception) -> NoReturn:
    print(f"error: {problem}", file=sys.stderr)
    raise typer.Exit(1) from None


def _watched(events: "Iterable[Event]", title: str) -> "Iterator[Event]":
    """The same events, with a counter on standard error where a person looks at it."""
    if not sys.stderr.isatty():
        yield from events
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,} events"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task, waiting = progress.add_task(title, total=None), 0
        for event in events:
            yield event
            waiting += 1
            if waiting == 1_000:
                progress.advance(task, waiting)
                waiting = 0
        progress.advance(task, waiting)


def _write(
    out: Path | None,
    source: str,
    simulated: bool,
    events_into: "Callable[[Tally], Iterable[Event]]",
    beside: Callable[[Path], None] = lambda root: None,
    context: bool = True,
    data: Path | None = None,
) -> "tuple[Path, Manifest, float]":
    """Fill and seal an archive; `beside` adds files that are no topic, `context` team features."""
    from flows.connectors import manifest, parquet
    from flows.context import archive_contexts, put_contexts
    from flows.sources.tally import Tally
    from models.features.fold import FoldRules
    from schemas.settings import Settings

    began = time.perf_counter()
    settings = Settings.read()
    root = out or settings.home / "archive" / source
    tally = Tally()
    events = _watched(events_into(tally), source)
    first = next(iter(events), None)  # a missing input must fail before the old archive goes
    root.mkdir(parents=True, exist_ok=True)
    manifest.break_seal(root)
    parquet.write_events(root, chain([first] if first else [], events))
    if context:
        put_contexts(root, archive_contexts(root, data, FoldRules.of(settings).cutoff_us))
    beside(root)
    sealed = manifest.seal(root, source, simulated, tally.rejected, tally.left_out)
    return root, sealed, time.perf_counter() - began


def _day(us: int | None) -> str:
    return "-" if us is None else datetime.fromtimestamp(us / 1e6, UTC).strftime("%Y-%m-%d %H:%M")


def _report(root: Path, sealed: "Manifest", as_json: bool, seconds: float | None = None) -> None:
    if as_json:
        document = {"archive": str(root), **sealed.model_dump()}
        if seconds is not None:
            document["seconds"] = round(seconds, 3)
        print(json.dumps(document, indent=2))
        return
    kind = "simulated" if sealed.simulated else "real"
    print(f"{root}: {sealed.source} ({kind}), {sealed.games:,} games")
    print(f"  from {_day(sealed.first_us)} to {_day(sealed.last_us)} UTC")
    for title, counts in (
        ("events", sealed.events),
        ("rejected", sealed.rejected),
        ("left out", sealed.left_out),
    ):
        listed = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
        print(f"  {title}: {listed or 'none'}")
    print(f"  fingerprint {sealed.fingerprint[:16]}")
    if seconds is not None:
        print(f"  written in {seconds:.1f} s")


@app.command("import")
def import_(
    source: Annotated[Source, typer.Argument(help="Which files of the data folder.")],
    out: Out = None,
    data: Data = None,
    context: Context = True,
    as_json: AsJson = False,
) -> None:
    """Read real odds and results into an archive."""
    from flows.sources import oddsapi_archive, pinnacle_archive
    from schemas.errors import ConfigError, SteamlineError
    from schemas.settings import Settings

    reader = oddsapi_archive if source is Source.ODDSAPI else pinnacle_archive
    try:
        folder = data or Settings.read().data
        if folder is None:
            raise ConfigError("STEAMLINE_DATA", "not set", "Set it or give --data FOLDER")
        root, sealed, seconds = _write(
            out,
            source.value,
            False,
            lambda tally: reader.events(folder, tally),
            context=context,
            data=folder,
        )
    except (SteamlineError, OSError) as problem:
        _fail(problem)
    _report(root, sealed, as_json, seconds)


@app.command()
def simulate(
    out: Out = None,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal archives.")] = 1,
    days: Annotated[int, typer.Option(help="Days of games.")] = 60,
    games: Annotated[int, typer.Option(help="Games a day, up to 15.")] = 15,
    edge: Annotated[
        float, typer.Option(help="How wrong the market is in mispriced games; 0: nowhere.")
    ] = 0.03,
    start_date: Annotated[str, typer.Option(help="First day of games, YYYY-MM-DD.")] = "2026-04-01",
    context: Context = True,
    as_json: AsJson = False,
) -> None:
    """Make a seeded history with a known truth (truth.parquet, beside the topics)."""
    from flows.sources.simulated_truth import Slate
    from flows.sources.simulator import SOURCE, write_truth
    from flows.sources.simulator import simulate as simulated
    from schemas.errors import ConfigError, SteamlineError

    try:
        try:
            first = date.fromisoformat(start_date)
        except ValueError:
            raise ConfigError(
                "--start-date", f"{start_date!r} is no date", "Use YYYY-MM-DD"
            ) from None
        slate = Slate(seed=seed, days=days, games=games, edge=edge, start_date=first)
        root, sealed, seconds = _write(
            out,
            SOURCE,
            True,
            lambda _: simulated(slate),
            beside=lambda root: write_truth(slate, root / "truth.parquet"),
            context=context,
        )
    except (SteamlineError, OSError) as problem:
        _fail(problem)
    _report(root, sealed, as_json, seconds)


@app.command()
def context(
    archive: Annotated[Path, typer.Argument(help="Archive folder.")],
    data: Data = None,
    starters: Starters = False,
    as_json: AsJson = False,
) -> None:
    """Compute the team context of every game anew; what an archive had of it is replaced."""
    from flows.context import add_contexts
    from models.features.fold import FoldRules
    from schemas.errors import SteamlineError
    from schemas.settings import Settings

    began = time.perf_counter()
    try:
        settings = Settings.read()
        folder = data or settings.data
        cutoff_us = FoldRules.of(settings).cutoff_us
        sealed, count = add_contexts(archive, folder, cutoff_us, starters)
    except (SteamlineError, OSError) as problem:
        _fail(problem)
    seconds = round(time.perf_counter() - began, 3)
    if folder is None and not sealed.simulated:
        print("STEAMLINE_DATA is not set: nothing before the archive is known", file=sys.stderr)
    if as_json:
        found = {"archive": str(archive), "contexts": count, "games": sealed.games}
        print(json.dumps(found | {"fingerprint": sealed.fingerprint, "seconds": seconds}, indent=2))
    else:
        print(f"{archive}: {count:,} contexts of {sealed.games:,} games in {seconds:.1f} s")


@app.command()
def show(
    archive: Annotated[Path, typer.Argument(help="Archive folder.")],
    as_json: AsJson = False,
) -> None:
    """What an archive holds and what its import refused."""
    from flows.connectors.manifest import read_manifest
    from schemas.errors import SteamlineError

    try:
        sealed = read_manifest(archive)
    except (SteamlineError, OSError) as problem:
        _fail(problem)
    _report(archive, sealed, as_json)
