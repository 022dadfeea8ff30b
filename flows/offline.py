"""An archive's features without a fold: some days of games at a time, through columns."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import polars as pl

from flows.connectors.parquet import scan
from flows.steps.decode import DAYS_AFTER_GAME, DAYS_BEFORE_GAME
from models.boosters.dataset import Sample, sample
from models.evaluation.rows import game_day
from models.features.catalogue import NAMES
from models.features.fold import FoldRules
from models.features.history import Frames, History
from models.features.kernel import FeatureSet
from models.features.layout import MARKETS
from schemas.errors import DataMissing
from schemas.settings import Settings
from schemas.topics import INPUTS, Topic

GROUP_EVENTS = 100_000
"""Events in memory at once, unless a single day of games has more."""

_UTC = pl.Datetime("us", "UTC")


class Group(NamedTuple):
    """Games of consecutive days."""

    game_ids: list[str]
    events: int
    first_us: int
    last_us: int


def groups(root: Path, until_us: int | None = None, games: int | None = None) -> list[Group]:
    """All games of the archive, or the first so many, by day.

    until_us: events from then on do not exist. Raises DataMissing where there is no archive.
    """
    parts = [
        _rows(root, topic, until_us)
        .group_by("game_id")
        .agg(
            pl.len().alias("events"),
            pl.col("occurred_at_us").min().alias("first"),
            pl.col("occurred_at_us").max().alias("last"),
        )
        for topic in INPUTS
    ]
    found = (
        pl.concat(parts)
        .group_by("game_id")
        .agg(pl.col("events").sum(), pl.col("first").min(), pl.col("last").max())
        .with_columns(pl.col("first", "last").cast(pl.Int64), day=game_day())
        .collect(engine="streaming")
        .sort("day", "game_id")[:games]
    )
    made: list[Group] = []
    for _, day in found.group_by("day", maintain_order=True):
        group = Group(
            day["game_id"].to_list(),
            int(day["events"].sum()),
            *day.select(pl.col("first").min(), pl.col("last").max()).row(0),
        )
        if made and made[-1].events + group.events <= GROUP_EVENTS:
            before = made.pop()
            group = Group(
                before.game_ids + group.game_ids,
                before.events + group.events,
                min(before.first_us, group.first_us),
                max(before.last_us, group.last_us),
            )
        made.append(group)
    return made


def read_frames(root: Path, group: Group, until_us: int | None = None) -> Frames:
    """What a group's games consist of, as far as the decode step would let it in."""
    wanted = pl.col("game_id").is_in(group.game_ids)
    games, splits, lines = (
        _rows(root, topic, until_us, group.first_us, group.last_us).filter(wanted).collect()
        for topic in INPUTS
    )
    results = _rows(root, Topic.RESULTS, until_us).filter(wanted).collect()
    return Frames(games, splits, lines, results)


def _rows(
    root: Path,
    topic: Topic,
    until_us: int | None,
    first_us: int | None = None,
    last_us: int | None = None,
) -> pl.LazyFrame:
    rows = scan(root, topic, first_us, last_us)
    if until_us is not None:
        rows = rows.filter(pl.col("occurred_at_us") < pl.lit(until_us).cast(_UTC))
    if topic is Topic.RESULTS:
        return rows
    away = (pl.col("occurred_at_us").dt.date() - game_day()).dt.total_days()
    return rows.filter(away.is_between(-DAYS_BEFORE_GAME, DAYS_AFTER_GAME))


def samples(
    root: Path,
    settings: Settings,
    minutes: Sequence[int],
    until_us: int | None = None,
    over: bool = True,
) -> Iterator[tuple[Group, Sample]]:
    """Decisions of each group of games, in turn."""
    rules, features = FoldRules.of(settings), FeatureSet.of(settings)
    for group in groups(root, until_us):
        history = History.of(read_frames(root, group, until_us), rules)
        yield group, sample(history, features, minutes, over)


def table_of(part: Sample) -> pl.DataFrame:
    """One row a decision: what it is, its labels, the market then, the vector by names."""
    consensus = {
        f"no_vig_{market}": part.features.consensus[:, place]
        for place, market in enumerate(MARKETS)
    }
    line = {f"line_{market}": part.features.line[:, place] for place, market in enumerate(MARKETS)}
    vectors = pl.DataFrame(part.features.vectors, schema=dict.fromkeys(NAMES, pl.Float32))
    rows = part.rows.select(
        "game_id",
        pl.col("as_of_us", "start_us").cast(_UTC).name.map(lambda name: name.removesuffix("_us")),
        "position",
        "home_score",
        "away_score",
    )
    return pl.concat([rows.with_columns(**consensus, **line), vectors], how="horizontal")


def write_table(parts: Iterator[Sample], out: Path) -> int:
    """Parquet, a group of games at a time; nothing stands at `out` until all of it does.

    Returns the number of rows. Raises DataMissing without any.
    """
    count = 0
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as work:
        pieces = []
        for number, part in enumerate(parts):
            if part.rows.height:
                pieces.append(Path(work) / f"{number:06d}.parquet")
                table_of(part).write_parquet(pieces[-1], compression="lz4")
                count += part.rows.height
        if not pieces:
            raise DataMissing("no game was scored before the decision times")
        whole = Path(work) / "whole.parquet"
        pl.scan_parquet(pieces).sink_parquet(whole, compression="zstd")
        whole.replace(out)
    return count
