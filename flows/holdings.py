"""What an archive holds."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from flows.archive import read_origin
from flows.connectors.live import newest_note
from flows.connectors.parts import Listing, Part, while_merged
from flows.connectors.rows import REPEAT, REUSED_ID
from schemas.errors import DataMissing
from schemas.topics import Topic


@dataclass
class Day:
    files: int
    rows: int
    bytes: int


@dataclass
class Holding:
    """One topic."""

    rows: int = 0
    files: int = 0
    bytes: int = 0
    days: dict[str, Day] = field(default_factory=dict)
    apart: dict[str, int] = field(default_factory=dict)
    """Reason -> records that are no rows."""
    partitions: dict[int, dict[str, int]] = field(default_factory=dict)
    """As `flows.connectors.live.Reach`; empty for an import."""

    @property
    def repeats(self) -> int:
        return self.apart.get(REPEAT, 0) + self.apart.get(REUSED_ID, 0)

    @property
    def refused(self) -> int:
        return sum(self.apart.values()) - self.repeats

    @property
    def lost(self) -> int:
        return sum(reach["lost"] for reach in self.partitions.values())

    def report(self) -> dict[str, Any]:
        return asdict(self) | {
            "repeats": self.repeats,
            "refused": self.refused,
            "lost": self.lost,
        }


def require_archive(root: Path) -> None:
    if read_origin(root) is None and not any(root.glob("topic=*")):
        raise DataMissing(f"{root}: no archive there. `steamline archive run` makes one")


def holdings(root: Path) -> dict[Topic, Holding]:
    """By topic; those without a file are empty. Raises DataMissing where there is no archive."""
    require_archive(root)
    return {topic: while_merged(lambda topic=topic: _holding(root, topic)) for topic in Topic}  # type: ignore[misc]


def _holding(root: Path, topic: Topic) -> Holding:
    listing = Listing(root, topic.value)
    days = {day: _sized(parts) for day, parts in listing.days().items()}
    apart = listing.apart()
    reasons = (
        pl.scan_parquet([part.path for part in apart], hive_partitioning=False)
        .group_by("reason")
        .len()
        .sort("reason")
        .collect()
        if apart
        else pl.DataFrame(schema={"reason": pl.String, "len": pl.UInt32})
    )
    beside = _sized(apart)
    return Holding(
        rows=sum(day.rows for day in days.values()),
        files=sum(day.files for day in days.values()) + beside.files,
        bytes=sum(day.bytes for day in days.values()) + beside.bytes,
        days=days,
        apart=dict(reasons.iter_rows()),
        partitions={p: r.model_dump() for p, r in newest_note(root, topic).reach.items()},
    )


def _sized(parts: list[Part]) -> Day:
    rows = (
        pl.scan_parquet([part.path for part in parts], hive_partitioning=False)
        .select(pl.len())
        .collect()
        .item()
        if parts
        else 0
    )
    return Day(len(parts), int(rows), sum(part.path.stat().st_size for part in parts))
