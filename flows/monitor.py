"""The monitoring flow: predictions beside what happened, and an alert when they part.

    follow   the newest event in archives or the database            connectors/kept
    wait     until all that is on the topics has got there           connectors/kept
    judge    the drift report as of the end of each night            flows/drift
    tell     what begins, on the topic `alerts`, confirmed           steps/monitor
    keep     what lasts, for the next night

Games are over by night and every number of the report counts whole days, so a night is judged once,
when an event after its end has come. Event time alone decides what it knows: the same history gives
the same alerts, by the same ids, whenever it is judged.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import polars as pl

from flows.connectors.files import write_text
from flows.connectors.kept import Ends
from flows.connectors.parquet import scan
from flows.drift import drift_report
from flows.steps.monitor import MonitorState, judge_night, nights, reached
from flows.steps.records import Producer
from models.boosters.scoring import TargetModel
from models.evaluation.monitor import DriftReport
from schemas.errors import DataMissing
from schemas.settings import Settings
from schemas.time import from_us
from schemas.topics import Topic

log = logging.getLogger(__name__)


class Kept(Protocol):
    """Where predictions and results are: `flows.connectors.kept`."""

    def newest_us(self) -> int | None: ...
    def holds(self, ends: Ends) -> bool: ...
    def archives(self) -> AbstractContextManager[list[Path]]: ...


@dataclass
class Health:
    looks: int = 0
    failed: int = 0
    """Looks that something was in the way of."""
    alerts: int = 0
    judged_us: int | None = None
    """The last night that was judged, event time."""
    report: DriftReport | None = None
    """Of that night; none where there was nothing to judge."""


@dataclass
class Monitor:
    """One look at a time."""

    kept: Kept
    settings: Settings
    models: Callable[[], Sequence[TargetModel]]
    """Those that score now."""
    ends: Callable[[], Ends]
    """What is on the topics now."""
    producer: Producer
    memory: Path
    """A file that says what was judged, and what lasts."""
    health: Health = field(default_factory=Health)

    def __post_init__(self) -> None:
        packed = self.memory.read_text() if self.memory.exists() else None
        self._state = MonitorState.restored(packed)
        self.health.judged_us = self._state.judged_us

    def look(self) -> list[int]:
        """The nights that were judged.

        Raises DependencyDown, ModelRefused or DeliveryFailed: then the night is judged at the next
        look.
        """
        self.health.looks += 1
        newest_us = self.kept.newest_us()
        if newest_us is None or reached(newest_us) <= (self._state.judged_us or 0):
            return []
        if not self.kept.holds(self.ends()):
            log.info("waiting: not all that is on the topics has been kept yet")
            return []
        with self.kept.archives() as archives:
            due = nights(_results_us(archives), self._state.judged_us, reached(newest_us))
            for night_us in due:
                self._judge(archives, night_us)
        self._keep(self._state._replace(judged_us=reached(newest_us)))
        return due

    def _judge(self, archives: Sequence[Path], night_us: int) -> None:
        try:
            report = drift_report(
                archives, self.settings, self.models(), None, night_us, lambda stage: None
            )
        except DataMissing as nothing:
            log.info("%s: nothing to judge: %s", from_us(night_us).date(), nothing)
            self.health.report = None
            return
        if report.found and report.seen is None:
            log.warning("found, and no prediction to tell it with: %s", report.found)
        state, alerts = judge_night(self._state, night_us, report.found, report.seen)
        for alert in alerts:
            log.warning("alert %s", alert.message_id)
            self.producer.send(alert)
        self.producer.confirm()
        # A kill before this tells it again, by the same ids.
        self._keep(state)
        self.health.alerts += len(alerts)
        self.health.report = report
        log.info("%s judged, %d alerts", from_us(night_us).date(), len(alerts))

    def _keep(self, state: MonitorState) -> None:
        self.memory.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.memory, state.packed())
        self._state = state
        self.health.judged_us = state.judged_us


def _results_us(archives: Sequence[Path]) -> list[int]:
    found: list[int] = []
    for root in archives:
        times = scan(root, Topic.RESULTS).select(pl.col("occurred_at_us").cast(pl.Int64))
        found += times.collect()["occurred_at_us"].to_list()
    return found
