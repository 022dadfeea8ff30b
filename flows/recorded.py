"""Live decisions and what they rest on, out of an archive that follows Kafka or the topics."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from flows.connectors.parquet import LIVE, as_json, key_columns, live_rows, read_archive
from flows.connectors.parts import Listing, while_merged
from flows.connectors.topic_reader import TopicReader
from flows.offline import groups
from flows.steps.records import Record
from flows.verify_live import FindModel, Recorded
from models.boosters.scoring import TargetModel
from models.registry import Registry
from schemas.decisions import Prediction, Stake
from schemas.errors import DataMissing, DependencyDown, ModelRefused
from schemas.markets import Target
from schemas.settings import Settings
from schemas.topics import INPUTS, Topic
from schemas.wire import SCHEMA_VERSION

GROUP = "steamline-verify-live"
_BATCH = 20_000


class Stream(NamedTuple):
    """Games some days at a time, then all stakes."""

    games: Iterator[Recorded]
    stakes: Iterator[Stake]


def of_archive(root: Path) -> Stream:
    """Raises DataMissing where the archive is none that follows Kafka: offsets must be known."""
    if not (root / LIVE).exists():
        raise DataMissing(
            f"{root}: does not follow Kafka, so nothing says what was read when. Give an archive "
            "that `steamline archive run` keeps, or none to read the topics"
        )
    return Stream(_games(root), _stakes(root))


def _games(root: Path) -> Iterator[Recorded]:
    for group in groups(root):
        wanted = set(group.game_ids)
        said: dict[str, list[Prediction]] = {game_id: [] for game_id in group.game_ids}
        for record in read_archive(root, [Topic.PREDICTIONS], games=wanted):
            said[record.game_id].append(Prediction.model_validate_json(record.value))
        inputs: dict[str, list[Record]] = {game_id: [] for game_id in group.game_ids}
        for topic in INPUTS:
            for found in _inputs(root, topic, group.game_ids):
                assert found.key is not None
                inputs[found.key.decode()].append(found)
        for game_id in group.game_ids:
            yield Recorded(game_id, inputs[game_id], said[game_id])


def _inputs(root: Path, topic: Topic, games: Sequence[str]) -> list[Record]:
    time, _, game = key_columns(topic)
    assert game is not None

    def read() -> pl.DataFrame:
        parts = [part for day in Listing(root, topic.value).days().values() for part in day]
        if not parts:
            return pl.DataFrame(schema=["partition", "offset", "time", "game", "value"])
        return (
            pl.concat([live_rows(part.path, topic) for part in parts])
            .filter(pl.col(game).is_in(games))
            .select(
                pl.col("kafka_partition").alias("partition"),
                pl.col("kafka_offset").alias("offset"),
                pl.col(time).cast(pl.Int64).alias("time"),
                pl.col(game).alias("game"),
                as_json(topic).cast(pl.Binary).alias("value"),
            )
            .collect()
        )

    return [
        Record(topic, partition, offset, time_us, name.encode(), value, SCHEMA_VERSION)
        for partition, offset, time_us, name, value in while_merged(read).iter_rows()
    ]


def _stakes(root: Path) -> Iterator[Stake]:
    for record in read_archive(root, [Topic.STAKES]):
        yield Stake.model_validate_json(record.value)


def of_topics(settings: Settings) -> Stream:
    """Everything that stands there now, held in memory. Raises DependencyDown without a broker."""
    inputs: dict[str, list[Record]] = {}
    said: dict[str, list[Prediction]] = {}
    stakes: list[Stake] = []
    reader = TopicReader(settings.kafka, [*INPUTS, Topic.PREDICTIONS, Topic.STAKES], GROUP)
    try:
        reader.begin({})
        while not reader.at_end():
            for record in reader.read(_BATCH, 1.0):
                if record.topic is Topic.PREDICTIONS:
                    one = Prediction.model_validate_json(record.value)
                    said.setdefault(one.game_id, []).append(one)
                elif record.topic is Topic.STAKES:
                    stakes.append(Stake.model_validate_json(record.value))
                elif record.key is not None:
                    name = record.key.decode(errors="replace")
                    inputs.setdefault(name, []).append(record)
    finally:
        reader.close()
    games = (
        Recorded(game_id, inputs.get(game_id, []), predictions)
        for game_id, predictions in sorted(said.items())
    )
    return Stream(games, iter(stakes))


def finder(settings: Settings) -> FindModel:
    """Every version that the registry knows, loaded when it is asked for; and the last taken."""
    registry = Registry.of(settings)
    kept = {(model.card.target, model.version): model for model in _cached(registry)}
    listed: dict[Target, dict[str, str]] = {}

    def find(target: Target, version: str) -> TargetModel | None:
        if (target, version) in kept:
            return kept[target, version]
        try:
            if target not in listed:
                listed[target] = {one.name: one.number for one in registry.versions(target)}
            number = listed[target].get(version)
            known = None if number is None else registry.find(target, number)
            model = None if known is None else registry.load(known)
        except (DependencyDown, ModelRefused):
            return None
        if model is None or model.version != version:
            return None
        kept[target, version] = model
        return model

    return find


def _cached(registry: Registry) -> list[TargetModel]:
    try:
        return registry.cached()
    except ModelRefused:
        return []
