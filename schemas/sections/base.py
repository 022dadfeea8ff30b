"""What every section of the settings is."""

from pydantic import BaseModel, ConfigDict, Field

PREFIX = "STEAMLINE_"


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Measured(Section):
    """A process that can be watched."""

    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """Where it serves Prometheus metrics at /metrics; without it, nowhere."""
    metrics_host: str = "127.0.0.1"
    """Address it listens on for that."""
