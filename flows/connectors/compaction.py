"""Compaction: the files of a day into one, at any time, beside a writer and readers."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from flows.connectors.files import read_note, sole, sync_folder, write_hidden
from flows.connectors.live import Note
from flows.connectors.parquet import LINEAGE, arrival, live_rows
from flows.connectors.parts import APART, Listing, Part, merged_name
from schemas.errors import Unwritable
from schemas.topics import Topic


@dataclass
class Merged:
    """What became of one topic."""

    folders: int = 0
    files: int = 0
    """That were replaced."""
    rows: int = 0
    """In what replaced them."""


def compact(root: Path, before: date) -> dict[Topic, Merged]:
    """Merge the files of every day before this one, and what was set apart.

    A merged file's name says which rolls it replaces, so from its renaming on readers take it and
    no longer those; a kill leaves files that do not count and the next call removes. Rows keep
    their order and number: ids were looked through when they were written.
    Raises Unwritable where the disk takes no more; then nothing has changed.
    """
    with sole(root, "compact"):
        return {topic: _topic(root, topic, before) for topic in Topic}


def _topic(root: Path, topic: Topic, before: date) -> Merged:
    listing = Listing(root, topic.value)
    done = Merged()
    for folder in sorted(listing.folder.glob("*")):
        for left in folder.glob(".merged-*"):
            left.unlink()
        name = folder.name.removeprefix("date=")
        parts = listing.files(folder)
        if len(parts) > 1 and (name == APART or name < before.isoformat()):
            if name == APART:
                rows = pl.concat([pl.scan_parquet(part.path) for part in parts]).sort(*LINEAGE)
            else:
                rows = pl.concat([live_rows(part.path, topic) for part in parts])
                rows = rows.sort(arrival(topic))
            done.rows += _merge(folder, parts, rows.collect())
            done.folders += 1
            done.files += len(parts)
        # What is spanned by a merged file, of this run or of one that was killed.
        for path in listing.replaced(folder):
            path.unlink()
    return done


def _merge(folder: Path, parts: list[Part], rows: pl.DataFrame) -> int:
    newest = max(parts, key=lambda part: part.last)
    note = Note.model_validate(read_note(newest.path))
    name = merged_name(parts)
    hidden = folder / f".merged-{name}.partial"
    try:
        write_hidden(hidden, rows, note.model_dump_json())
        hidden.rename(folder / name)
        sync_folder(folder)
    except OSError as full:
        hidden.unlink(missing_ok=True)
        raise Unwritable(
            f"{folder}: {full.strerror}. Nothing has changed there; make room and start again"
        ) from None
    return rows.height
