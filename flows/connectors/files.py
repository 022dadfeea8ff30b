"""Files that are there whole or not at all, whatever is killed when, and locks on a folder."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from schemas.errors import ConfigError

NOTE = "steamline"
"""Key in a Parquet file's footer under which its writer's note stands."""


def write_hidden(hidden: Path, rows: pl.DataFrame, note: str) -> None:
    """Parquet with a note in its footer, on the disk when it returns. Raises OSError."""
    # Through memory, so that a full disk is an OSError of ours and not a panic of the engine.
    buffer = BytesIO()
    rows.write_parquet(buffer, compression="zstd", metadata={NOTE: note})
    with hidden.open("wb") as out:
        out.write(buffer.getbuffer())
        out.flush()
        os.fsync(out.fileno())


def read_note(path: Path) -> Any:
    """The JSON document of a file's writer; None where it left none."""
    note = pl.read_parquet_metadata(path).get(NOTE)
    return None if note is None else json.loads(note)


def write_text(path: Path, text: str) -> None:
    """Replaces what stood there."""
    hidden = path.with_name(f".{path.name}.partial")
    with hidden.open("w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    hidden.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """What was renamed in it stays so, even when the power goes."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def sole(folder: Path, task: str, command: str | None = None) -> Iterator[None]:
    """Nobody else does the same there meanwhile; a killed process holds nothing.

    command: as the user knows it; without it, the archive's command of that task.

    Raises ConfigError where somebody does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{task}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                str(folder),
                f"`{command or f'steamline archive {task}'}` is at work there",
                "Stop it first",
            ) from None
        yield
