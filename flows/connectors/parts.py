"""Names of a topic's Parquet files, and which of them count.

An archive that follows Kafka grows by rolls, numbered from 1 in each topic. Roll 7 writes
`part-000000007.parquet` into every folder that it has rows for and renames the last of them to
`part-000000007-end.parquet`: with that one the whole roll counts, without it none of it does.
Files of several rolls in one folder, merged, are `part-000000003-000000007.parquet`: with it, the
files of that folder whose rolls it spans no longer count. So there is nothing beside the data that
says what the data is, and a crash at any moment leaves names that say it right.

An import writes `part-0.parquet`, alone in its folder.
"""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

APART = "apart"
"""Folder beside the days, of records that are no rows: refused, or there already."""

_TRIES = 5
_NAME = re.compile(r"part-(\d+)(?:-(\d+|end))?\.parquet")


class Part(NamedTuple):
    path: Path
    first: int
    last: int
    """Rolls in the file, both included."""
    settled: bool
    """Its being there says that roll `last` is whole."""


def part_name(roll: int, ends: bool) -> str:
    return f"part-{roll:09d}{'-end' if ends else ''}.parquet"


def merged_name(parts: Iterable[Part]) -> str:
    """Of what replaces these."""
    some = list(parts)
    return f"part-{min(p.first for p in some):09d}-{max(p.last for p in some):09d}.parquet"


def part_of(path: Path) -> Part | None:
    """None for a file of another kind, hidden ones included.

    >>> part_of(Path("part-000000003-000000007.parquet"))[1:]
    (3, 7, True)
    """
    found = _NAME.fullmatch(path.name)
    if found is None:
        return None
    first, rest = int(found[1]), found[2]
    last = first if rest in (None, "end") else int(rest)
    return Part(path, first, last, first == 0 or rest is not None)


def settled(parts: Iterable[Part]) -> int:
    """The newest roll that counts; 0 where there is none."""
    return max((part.last for part in parts if part.settled), default=0)


def counting(parts: Iterable[Part], newest: int) -> list[Part]:
    """Those of one folder that count when `newest` is the newest whole roll, by roll."""
    # Merged ones are made of whole rolls only.
    whole = [part for part in parts if part.first < part.last or part.last <= newest]
    return sorted(
        part
        for part in whole
        if not any(
            other.first <= part.first and part.last <= other.last and other[1:3] != part[1:3]
            for other in whole
        )
    )


class Listing:
    """A topic of an archive as it was at one moment; what is added later does not show."""

    def __init__(self, root: Path, topic: str) -> None:
        self.folder = root / f"topic={topic}"
        # Before the folders are looked through: of a whole roll every file is there by then.
        self.newest = settled(_parts(self.folder.glob("*/part-*.parquet")))

    def days(self) -> dict[str, list[Part]]:
        """YYYY-MM-DD -> its files, days without any left out."""
        found = {
            folder.name.removeprefix("date="): self.files(folder)
            for folder in sorted(self.folder.glob("date=*"))
        }
        return {day: parts for day, parts in found.items() if parts}

    def day(self, day: str) -> list[Part]:
        return self.files(self.folder / f"date={day}")

    def apart(self) -> list[Part]:
        return self.files(self.folder / APART)

    def files(self, folder: Path) -> list[Part]:
        # A folder that is changed while it is listed may show neither the old nor the new.
        names = sorted(folder.glob("part-*.parquet"))
        while (again := sorted(folder.glob("part-*.parquet"))) != names:
            names = again
        return counting(_parts(names), self.newest)

    def all(self) -> list[Part]:
        """Every file that counts."""
        return [part for parts in self.days().values() for part in parts] + self.apart()

    def replaced(self, folder: Path) -> list[Path]:
        """Files of a folder whose rolls a merged one spans."""
        parts = _parts(folder.glob("part-*.parquet"))
        counted = set(counting(parts, self.newest))
        return sorted(p.path for p in parts if p not in counted and p.last <= self.newest)

    def unwanted(self) -> list[Path]:
        """Files of a roll that never became whole."""
        parts = _parts(self.folder.glob("*/part-*.parquet"))
        return sorted(p.path for p in parts if p.first == p.last and p.last > self.newest)


def while_merged(read: Callable[[], T]) -> T:
    """What `read` gives, asked again where files that it had listed were merged away meanwhile."""
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            return read()
    return read()


def _parts(paths: Iterable[Path]) -> list[Part]:
    return [part for path in paths if (part := part_of(path)) is not None]
