"""`archive.json`: what an archive holds, what was refused, and a fingerprint of its bytes."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from flows.connectors.parquet import LIVE, PLAYED, scan
from flows.connectors.parts import Listing, while_merged
from schemas.errors import DataMissing

NAME = "archive.json"


class Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    simulated: bool
    events: dict[str, int]
    """Per topic."""
    games: int
    first_us: int | None
    last_us: int | None
    rejected: dict[str, int]
    """Source facts that failed validation, by reason."""
    left_out: dict[str, int]
    """Source rows that are no event of ours on purpose, by reason."""
    fingerprint: str
    """sha256 over the names and bytes of the Parquet files, in path order."""


def fingerprint(root: Path) -> str:
    digest = hashlib.sha256()
    topics = [folder.name.removeprefix("topic=") for folder in root.glob("topic=*")]
    days = [day for topic in topics for day in Listing(root, topic).days().values()]
    for path in sorted(part.path for day in days for part in day):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _counted(reasons: Mapping[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in sorted(reasons.items()) if count}


def break_seal(root: Path) -> None:
    """Take the manifest away before the topics change: no archive.json, no finished archive."""
    (root / NAME).unlink(missing_ok=True)


def seal(
    root: Path,
    source: str,
    simulated: bool,
    rejected: Mapping[str, int],
    left_out: Mapping[str, int],
) -> Manifest:
    """Describe the topics as they are now and write `archive.json`."""
    manifest = _described(root, source, simulated, rejected, left_out)
    partial = root / f".{NAME}.partial"
    partial.write_text(manifest.model_dump_json(indent=2) + "\n")
    partial.replace(root / NAME)
    return manifest


def _described(
    root: Path,
    source: str,
    simulated: bool,
    rejected: Mapping[str, int],
    left_out: Mapping[str, int],
) -> Manifest:
    counts: dict[str, int] = {}
    games: set[str] = set()
    times: list[int] = []
    for topic in PLAYED:
        rows = scan(root, topic)
        time = pl.col("occurred_at_us").cast(pl.Int64)
        ends = rows.select(pl.len(), time.min().alias("first"), time.max().alias("last")).collect()
        counts[topic.value], first, last = ends.row(0)
        times += [one for one in (first, last) if one is not None]
        games.update(rows.select(pl.col("game_id").unique()).collect()["game_id"])
    return Manifest(
        source=source,
        simulated=simulated,
        events=counts,
        games=len(games),
        first_us=min(times, default=None),
        last_us=max(times, default=None),
        rejected=_counted(rejected),
        left_out=_counted(left_out),
        fingerprint=fingerprint(root),
    )


def _following(root: Path) -> Manifest:
    """Of an archive that follows Kafka, as it is now: it is never finished, so never sealed."""
    simulated = any(
        scan(root, topic).select(pl.col("simulated").any()).collect().item() for topic in PLAYED
    )
    parts = [part.path for topic in PLAYED for part in Listing(root, topic.value).apart()]
    reasons = pl.scan_parquet(parts).group_by("reason").len().collect().iter_rows() if parts else ()
    return _described(root, "kafka", simulated, dict(reasons), {})


def read_manifest(root: Path) -> Manifest:
    """Raises DataMissing where there is no finished archive."""
    try:
        return Manifest.model_validate_json((root / NAME).read_bytes())
    except FileNotFoundError:
        if (root / LIVE).exists():
            return while_merged(lambda: _following(root))
        raise DataMissing(
            f"{root / NAME}: missing. Make an archive with `steamline data import` or `simulate`"
        ) from None
    except ValidationError as bad:
        raise DataMissing(f"{root / NAME}: {bad.errors()[0]['msg']}. Import again") from None
