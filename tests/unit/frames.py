"""Events as the columns of an archive."""

from collections.abc import Iterable

import polars as pl
from pydantic_core import to_json

from flows.connectors.parquet import topic_schema
from models.features.history import Frames
from schemas.events import Event
from schemas.topics import CONTRACTS, INPUTS, Topic


def frames_of(events: Iterable[Event], arrival: bool = True) -> Frames:
    """arrival: keep the order in which they stand, else that of an archive counts."""
    rows: dict[Topic, list[dict[str, object]]] = {topic: [] for topic in (*INPUTS, Topic.RESULTS)}
    topics = {CONTRACTS[topic].model: topic for topic in rows}
    for number, event in enumerate(events):
        row = event.model_dump(mode="json")
        if row.get("context") is not None:
            row["context"] = to_json(row["context"]).decode()
        rows[topics[type(event)]].append(row | {"arrival": number})
    frames = {}
    for topic, found in rows.items():
        schema = topic_schema(topic)
        plain = {
            name: pl.Int64() if name.endswith("_us") else dtype for name, dtype in schema.items()
        }
        frame = pl.DataFrame(found, plain | {"arrival": pl.Int64()}).cast(schema)
        frames[topic] = frame if arrival else frame.drop("arrival")
    return Frames(*(frames[topic] for topic in (*INPUTS, Topic.RESULTS)))
