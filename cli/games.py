"""Where a command finds its games: archives, the database, or both."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from schemas.settings import Settings

Archives = Annotated[
    list[Path] | None,
    typer.Option("--archive", help="Archive folder (see `steamline data`); may be repeated."),
]
Postgres = Annotated[
    bool, typer.Option("--postgres", help="Games in Postgres: `run curate`, `db load`.")
]


@contextmanager
def games(archive: list[Path] | None, postgres: bool, settings: "Settings") -> Iterator[list[Path]]:
    """Archives to read, for as long as it lasts; those of the database are made for it."""
    roots = named(archive, postgres)
    if not postgres:
        yield roots
        return
    from flows.connectors.tables import tables_as_archive

    with tables_as_archive(settings.postgres, settings.home) as tables:
        yield [*roots, tables]


def named(archive: list[Path] | None, postgres: bool) -> list[Path]:
    """The archives. Raises typer.BadParameter where neither they nor the database are named."""
    if not archive and not postgres:
        raise typer.BadParameter("name games: --archive FOLDER, --postgres, or both")
    return archive or []
