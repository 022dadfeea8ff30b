"""How models are compared, watched and trained again."""

from typing import Literal

from pydantic import Field

from schemas.decisions import ExperimentName
from schemas.sections.base import Measured, Section


class AbSettings(Section):
    """Whether challengers score live games too; docs/evaluation.md says how to judge them."""

    mode: Literal["off", "shadow", "split"] = "off"
    """`shadow`: they score every game beside the champions, and nothing is staked on it. `split`:
    each game has one of both, stakes too."""
    experiment: ExperimentName = "main"
    """Its name: on every message of it, and in the hash that deals games out. Give a new one when
    another pair of models is to be compared on games dealt anew."""
    share: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Of games that challengers have in a split. Raised, they keep those that they had."""


class DriftSettings(Section):
    """From when on a change of features, models or results is worth a word. The smallest samples
    that allow a verdict move by more than these: an alert also needs an interval or a test."""

    days: int = Field(default=14, ge=2)
    """With games, that count as recent."""
    stability: float = Field(default=0.25, gt=0.0)
    """Population stability index of a feature's known values; .25 is the usual mark of a large
    change. A feature that has moved further by nature before needs more."""
    missing: float = Field(default=0.2, gt=0.0, lt=1.0)
    """Share of vectors by which a feature is missing more often."""
    chance: float = Field(default=0.01, gt=0.0, lt=1.0)
    """That one feature or more is called unstable although none is."""
    log_loss_above_market: float = Field(default=0.0, ge=0.0)
    """Log-loss of the model less that of the no-vig price; its interval must be above 0 too."""
    calibration_error: float = Field(default=0.1, gt=0.0, lt=1.0)
    """Mean gap between prediction and result, more than that of the time before. Below some 500
    games chance alone makes half of this."""
    bias: float = Field(default=0.02, ge=0.0, lt=1.0)
    """Mean of result less prediction, either way; its interval must leave out 0 too."""
    importance_moved: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Share of gain, or of contributions, that is now with other features."""
    outlier_share: float = Field(default=0.05, gt=0.0, lt=1.0)
    """Of recent vectors that are strange."""
    outlier_chance: float = Field(default=0.01, gt=0.0, lt=1.0)
    """A vector is strange when an ordinary one is so strange no more often than this."""


class WatchSettings(Measured):
    """When `steamline model watch` trains again, and on what."""

    cron: str = "0 9 * * *"
    """When it looks, UTC: minute, hour, day of month, month, day of week, as in crontab."""
    refresh_days: int = Field(default=7, ge=1, le=60)
    """Models that were trained longer ago are trained again; 3 to 10 follow a season well."""
    retry_games: int = Field(default=50, ge=1)
    """Live games that must be over since the last training before models that are worse than the
    market are trained again: on the same games they would only come out the same."""
    window_days: int | None = Field(default=None, ge=1)
    """Train on games of the newest so many days only; without it, on all that the archives hold."""


class MonitorSettings(Measured):
    """How `steamline run monitor` looks after the models; its thresholds are STEAMLINE_DRIFT_*."""

    poll_seconds: float = Field(default=60.0, gt=0.0)
    """Between looks whether a night has ended that is not judged yet."""
