"""`steamline archive`: Kafka's topics into Parquet, and what can be done with that."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.moments import moment

if TYPE_CHECKING:
    from schemas.sections.keeping import ArchiveSettings
    from schemas.settings import Settings
    from schemas.topics import Topic

app = typer.Typer(
    help="The archive that follows Kafka: write it, look at it, check it, take out of it.",
    no_args_is_help=True,
)

Folder = Annotated[
    Path | None, typer.Option("--archive", help="Archive folder. Default: HOME/archive/live.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


def _root(settings: "Settings", folder: Path | None) -> Path:
    return folder or settings.home / "archive" / "live"


@app.command()
def run(
    folder: Folder = None,
    once: Annotated[
        bool, typer.Option("--once", help="Read to where the topics end now, then stop.")
    ] = False,
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss",
            help="Go on behind records that retention deleted before they were archived.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Archive every record of every topic, once; goes on where it was stopped or killed."""

    from cli.logs import log_as
    from cli.service import asked_to_stop
    from deploy.stack import resolve
    from flows.archive import archive
    from flows.connectors.topics import ensure_topics
    from schemas.settings import Settings

    settings = resolve(Settings.read())
    log_as(settings)
    root = _root(settings, folder)
    stop = asked_to_stop()
    if not ensure_topics(settings.kafka, stop.is_set):
        return
    done = archive(settings, root, once, stop.is_set, accept_loss, _meter(settings.archive))
    written = {
        topic.value: {"rows": one.rows, "apart": one.apart, "files": one.files, "bytes": one.bytes}
        for topic, one in done.items()
    }
    rows = sum(one.rows for one in done.values())
    apart = sum(sum(one.apart.values()) for one in done.values())
    if as_json:
        print(json.dumps({"archive": str(root), "rows": rows, "apart": apart, "topics": written}))
    else:
        print(f"{root}: {rows:,} rows written, {apart:,} records set apart")


def _meter(settings: "ArchiveSettings") -> Any:
    """Metrics on the port that is set; none where none is."""
    if settings.metrics_port is None:
        return None
    from flows.connectors.archive_metrics import ArchiveMetrics

    metrics = ArchiveMetrics()
    metrics.serve(settings.metrics_host, settings.metrics_port)
    return metrics


@app.command("ls")
def list_(folder: Folder = None, as_json: AsJson = False) -> None:
    """Topics, days, rows, bytes, offsets, and what was set apart."""
    from flows.holdings import holdings
    from schemas.settings import Settings

    root = _root(Settings.read(), folder)
    found = {topic.value: one for topic, one in holdings(root).items() if one.files}
    if as_json:
        topics = {name: one.report() for name, one in found.items()}
        print(json.dumps({"archive": str(root), "topics": topics}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=str(root), title_justify="left")
    for name in (
        "topic",
        "days",
        "from",
        "to",
        "rows",
        "files",
        "MB",
        "repeats",
        "refused",
        "lost",
    ):
        table.add_column(name, justify="left" if name in ("topic", "from", "to") else "right")
    table.add_column("offsets", justify="left")
    for name, one in found.items():
        days = sorted(one.days)
        reach = one.partitions.items()
        table.add_row(
            name,
            f"{len(days):,}",
            days[0] if days else "-",
            days[-1] if days else "-",
            *(f"{count:,}" for count in (one.rows, one.files)),
            f"{one.bytes / 1e6:.1f}",
            *(f"{count:,}" for count in (one.repeats, one.refused, one.lost)),
            " ".join(f"{p}:{at['begin']}-{at['next']}" for p, at in reach if at["records"]),
        )
    Console().print(table)


@app.command()
def verify(folder: Folder = None, as_json: AsJson = False) -> None:
    """Read everything: columns, order, offsets, ids, counts; and the topics, where Kafka answers.

    Exits 1 where something is not as it should be.
    """
    from dataclasses import asdict

    from deploy.stack import resolve
    from flows.verify import verify as verified
    from schemas.settings import Settings

    settings = resolve(Settings.read())
    root = _root(settings, folder)
    found = verified(root, settings.kafka if settings.kafka.bootstrap else None)
    if as_json:
        print(json.dumps({"archive": str(root), **asdict(found)}))
    else:
        beside = f"{found.behind:,} offsets behind Kafka" if found.kafka else "Kafka was not asked"
        print(
            f"{root}: {found.rows:,} rows and {found.apart:,} records set apart in "
            f"{found.files:,} files, {beside}: {found.differences:,} differences"
        )
        if found.first is not None:
            print(f"first: {found.first}")
    if found.differences:
        raise typer.Exit(1)


@app.command()
def compact(
    folder: Folder = None,
    before: Annotated[
        str | None, typer.Option(help="Days before this one, YYYY-MM-DD. Default: today, UTC.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Merge the files of each day that is over into one. `archive run` may go on meanwhile."""
    from dataclasses import asdict

    from flows.connectors.compaction import compact as compacted
    from flows.holdings import require_archive
    from schemas.settings import Settings

    until = moment("--before", before) if before is not None else datetime.now(UTC)
    root = _root(Settings.read(), folder)
    require_archive(root)
    done = {topic.value: one for topic, one in compacted(root, until.date()).items() if one.files}
    if as_json:
        topics = {name: asdict(one) for name, one in done.items()}
        print(json.dumps({"archive": str(root), "topics": topics}))
        return
    files, folders = sum(x.files for x in done.values()), sum(x.folders for x in done.values())
    print(f"{root}: {files:,} files merged into {folders:,}")


@app.command()
def export(
    topic: Annotated[str, typer.Argument(help="Its name without prefix: lines, predictions, ...")],
    out: Annotated[Path, typer.Argument(help="File to write.")],
    folder: Folder = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="csv, jsonl or parquet. Default: as the file's name ends."),
    ] = None,
    start: Annotated[str | None, typer.Option(help="First event time, ISO 8601, UTC.")] = None,
    end: Annotated[str | None, typer.Option(help="Event time before which it ends.")] = None,
    game: Annotated[list[str] | None, typer.Option(help="Only this game; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """A topic, or a part of it, as CSV, JSON lines (as on Kafka) or Parquet."""
    from flows.export import Format
    from flows.export import export as exported
    from schemas.errors import ConfigError
    from schemas.settings import Settings
    from schemas.time import to_us

    ending = form or out.suffix.removeprefix(".")
    if ending not in {one.value for one in Format}:
        raise ConfigError("--format", f"{ending!r} is none", "Use csv, jsonl or parquet")
    root = _root(Settings.read(), folder)
    rows = exported(
        root,
        _topic(topic),
        out,
        Format(ending),
        None if start is None else to_us(moment("--start", start)),
        None if end is None else to_us(moment("--end", end)),
        set(game) if game else None,
    )
    if as_json:
        print(json.dumps({"archive": str(root), "out": str(out), "rows": rows}))
    else:
        print(f"{out}: {rows:,} rows")


def _topic(name: str) -> "Topic":
    from schemas.errors import ConfigError
    from schemas.topics import Topic

    try:
        return Topic(name)
    except ValueError:
        raise ConfigError(
            "topic", f"{name!r} is none", f"Use one of {', '.join(one.value for one in Topic)}"
        ) from None
