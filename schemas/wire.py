"""A message on the wire: JSON value, game id as key, and headers that name what it is."""

from schemas.topics import Topic

SCHEMA_VERSION = b"1"

Headers = list[tuple[str, str | bytes | None]]


def headers(topic: Topic, message_id: str) -> Headers:
    """What every record of ours carries beside its value."""
    return [
        ("schema", topic.value.encode()),
        ("version", SCHEMA_VERSION),
        ("id", message_id.encode()),
    ]
