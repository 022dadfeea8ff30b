"""What is kept of the topics: files and tables."""

from pydantic import Field

from schemas.sections.base import Measured


class CurateSettings(Measured):
    """How the topics go into Postgres."""

    batch: int = Field(default=10_000, ge=1, le=100_000)
    """Records of one transaction, at most."""


class ArchiveSettings(Measured):
    """The archive that follows Kafka: when what has come becomes a file, whichever is first."""

    roll_rows: int = Field(default=100_000, ge=1)
    """Records of one topic."""
    roll_bytes: int = Field(default=67_108_864, ge=1)
    """Bytes of one topic, as on Kafka."""
    roll_seconds: float = Field(default=60.0, gt=0.0)
    """Since the first of them."""
