"""What the processes tell of themselves."""

from typing import Literal

from pydantic import Field

from schemas.sections.base import Section


class LogSettings(Section):
    """Lines on standard error of every command that runs until it is stopped."""

    format: Literal["text", "json"] = "text"
    """`json`: one object a line, with `event_id` and `game_id` where they are known."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is told."""


class TracesSettings(Section):
    """OpenTelemetry traces of the API's requests and the score flow's batches."""

    endpoint: str | None = Field(default=None, pattern=r"^https?://[^@?#]+$")
    """Address of a collector that takes OTLP over HTTP, as `http://collector:4318`; `/v1/traces` is
    added. Without it nothing is traced."""
    share: float = Field(default=1.0, gt=0.0, le=1.0)
    """Of requests and batches that are traced."""
