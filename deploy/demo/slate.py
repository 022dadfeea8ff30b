"""Which day is played, from which archive, with which models."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from flows.connectors.manifest import read_manifest
from flows.connectors.parquet import PLAYED, ArchiveRecord, read_archive, scan
from flows.training import read_training_set
from models.features.kernel import FeatureSet
from models.registry import Registry
from schemas.errors import DataMissing, ModelRefused
from schemas.events import day_of
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE, to_us
from schemas.topics import Topic

MIN_GAMES = 8
"""A day with fewer finished games is no slate to show."""

NIGHT = timedelta(hours=8)
"""UTC hour at which no game is on: what is known then trains the models of the day."""

LEAD_US = 240 * US_PER_MINUTE
"""Live play begins this long before the first pitch of the day; what was before is preloaded."""


@dataclass(frozen=True)
class Slate:
    archive: Path
    simulated: bool
    day: date
    games: frozenset[str]
    train_until_us: int
    live_from_us: int

    def records(
        self,
        start_us: int | None = None,
        end_us: int | None = None,
        topics: Sequence[Topic] = PLAYED,
    ) -> Iterator[ArchiveRecord]:
        """The slate's events in event-time order, results included unless `topics` says else."""
        return read_archive(self.archive, topics, start_us, end_us, set(self.games))


def prepare_archive(settings: Settings) -> Path:
    """The real archive where there is data, else a simulated one; made on the first run only.

    Made again when the one that is there was written by another version.
    """
    source = "oddsapi" if settings.data is not None else "simulator"
    archive = settings.home / "archive" / source
    try:
        read_manifest(archive)
        scan(archive, Topic.GAMES)
    except DataMissing:
        command = ["import", "oddsapi"] if settings.data is not None else ["simulate"]
        steamline("data", *command, "--out", str(archive))
    return archive


def choose_slate(archive: Path) -> Slate:
    """The last day of which enough games have a result. Raises DataMissing without one."""
    results = scan(archive, Topic.RESULTS).select("game_id").collect()["game_id"].unique().to_list()
    by_day: dict[date, list[str]] = {}
    for game_id in results:
        by_day.setdefault(day_of(game_id), []).append(game_id)
    days = sorted(day for day, games in by_day.items() if len(games) >= MIN_GAMES)
    if not days:
        raise DataMissing(f"{archive}: no day with {MIN_GAMES} finished games")
    day = days[-1]
    games = by_day[day]
    starts = (
        scan(archive, Topic.GAMES)
        .filter(pl.col("game_id").is_in(games))
        .group_by("game_id")
        .agg(pl.col("start_time_us").last())
        .select(pl.col("start_time_us").cast(pl.Int64).min())
        .collect()
        .item()
    )
    return Slate(
        archive=archive,
        simulated=read_manifest(archive).simulated,
        day=day,
        games=frozenset(games),
        train_until_us=to_us(datetime(day.year, day.month, day.day, tzinfo=UTC) + NIGHT),
        live_from_us=starts - LEAD_US,
    )


def ensure_models(settings: Settings, slate: Slate) -> None:
    """Train on what was known before the day, unless the champions come from just that."""
    try:
        models = Registry.of(settings).cached()
    except ModelRefused:
        models = []  # of another version of Steamline, or damaged
    features = FeatureSet.of(settings).hash
    if models and all(model.card.feature_set == features for model in models):
        data = read_training_set([slate.archive], slate.train_until_us, settings)
        if all(model.card.data_fingerprint == data.fingerprint for model in models):
            return
    until = datetime.fromtimestamp(slate.train_until_us / 1e6, UTC)
    steamline("model", "train", "--archive", str(slate.archive), "--until", until.isoformat())


def steamline(*arguments: str) -> None:
    """Run one of our own commands, shown; its output goes to standard error."""
    print("$ steamline", *arguments, file=sys.stderr, flush=True)
    done = subprocess.run([sys.executable, "-m", "cli.main", *arguments], stdout=sys.stderr)
    if done.returncode:
        raise DataMissing(f"`steamline {' '.join(arguments)}` failed, see above")
