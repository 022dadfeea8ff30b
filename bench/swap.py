"""How long scoring stands still while champions are swapped under it.

A slate of games is scored in a loop, as fast as it goes. In another thread the worker's own
`ModelWatch` looks at a real MLflow in which all four champions have just changed: it has them
downloaded and checked, takes them and hands them over, 100 times. Beside each swap stands an
equally long stretch without one. A pause is the longest batch of a stretch less the median batch
without a swap: what a line movement that comes at the worst moment waits longer. `ours` is its
99th percentile over the swaps, `reference` that over the stretches without.

On a machine that is not idle most of either is other processes' doing. So `held_...` says the same
of the time that a batch worked or waited for this very process (Python's lock): its span, less how
long its thread stood in the system's queue for a core, as the kernel has counted. Of that queue the
swap's own second process is a part: `ours` counts it, `held_...` does not.
"""

import gc
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from pydantic import SecretStr

from bench.result import Result
from flows.connectors.parquet import write_events
from flows.connectors.registry_beside import RegistryBeside
from flows.garbage import rest_the_collector
from flows.models import ModelWatch
from flows.sources.simulated_truth import Slate
from flows.sources.simulator import simulate
from flows.steps.decode import Decoded
from flows.steps.game import GameStep, ToScore
from flows.steps.records import Record
from flows.steps.score import Scorer
from flows.training import read_training_set
from models.boosters.training import Origin, Trained, train_all
from models.features.arrays import Array
from models.features.fold import FoldRules
from models.features.kernel import FeatureSet
from models.registry import GATE, PASSED, Registry, Version
from schemas.events import Event, GameResult
from schemas.sections.servers import MlflowSettings
from schemas.settings import Settings
from schemas.topics import TOPIC_OF

SWAPS = int(os.environ.get("BENCH_SWAPS", "100"))
SCHEDSTAT = Path("/proc/thread-self/schedstat")
SLATE = Slate(seed=5, days=16, games=15, edge=0.2, activity=0.1)


class Span(NamedTuple):
    """A batch, seconds."""

    begin: float
    end: float
    queued: float
    """Of it, for a core."""

    @property
    def whole(self) -> float:
        return self.end - self.begin

    @property
    def held(self) -> float:
        return self.whole - self.queued


Length = Callable[[Span], float]


@dataclass
class Batches:
    spans: list[Span] = field(default_factory=list)

    def pauses(self, stretches: "Stretches", of: Length) -> tuple[Array, Array]:
        """Milliseconds, with a swap and without: the longest of each stretch, less the usual."""
        usual = float(np.median(self.undisturbed(stretches, of)))
        with_swap, without = (
            np.array(
                [
                    max(of(one) for one in self.spans if one.end > b and one.begin < e)
                    for b, e in some
                ]
            )
            for some in (stretches.swaps, stretches.quiet)
        )
        return (with_swap - usual) * 1e3, (without - usual) * 1e3

    def undisturbed(self, stretches: "Stretches", of: Length) -> list[float]:
        return [
            of(one)
            for begin, end in stretches.quiet
            for one in self.spans
            if one.begin >= begin and one.end <= end
        ]


def _queued() -> float:
    """Seconds that this thread has waited for a core so far."""
    return int(SCHEDSTAT.read_text().split()[1]) / 1e9


def _tasks(events: Sequence[Event], rules: FoldRules) -> list[ToScore]:
    """The last position at which each game of the last day is scored."""
    day = max(event.game_id[:14] for event in events)
    mine = [e for e in events if e.game_id[:14] == day and not isinstance(e, GameResult)]
    found = []
    for game_id, some in groupby(sorted(mine, key=_when), key=lambda event: event.game_id):
        decoded = [
            Decoded(one, Record(TOPIC_OF[type(one)], 0, at, 0, game_id.encode(), b"", None))
            for at, one in enumerate(some)
        ]
        scored = [
            one
            for one in GameStep(rules, None).on_batch(decoded)
            if isinstance(one, ToScore) and one.lock_reason is None
        ]
        found.append(scored[-1])
    return found


def _when(event: Event) -> tuple[str, int]:
    return event.game_id, event.occurred_at_us


def _trained(events: Sequence[Event], home: Path, settings: Settings) -> list[list[Trained]]:
    """Two sets of models of the same games."""
    write_events(home / "archive", events)
    data = read_training_set([home / "archive"], None, settings)
    origin = Origin(FeatureSet.of(settings).hash, data.fingerprint, simulated=True)
    return [train_all(data, origin, seed, lambda target: None) for seed in (1, 2)]


@dataclass
class Stretches:
    """Begin and end of looks that swapped, and of stretches as long without one."""

    swaps: list[tuple[float, float]] = field(default_factory=list)
    quiet: list[tuple[float, float]] = field(default_factory=list)


def _swapping(
    registry: Registry, watch: ModelWatch, sets: Sequence[Sequence[Version]], done: threading.Event
) -> Stretches:
    found = Stretches()
    for number in range(SWAPS):
        # Another process's work in life; what is scored meanwhile is not looked at.
        for version in sets[(number + 1) % 2]:
            registry.promote(version, {GATE: PASSED})
        begin = time.perf_counter()
        watch.look()
        end = time.perf_counter()
        found.swaps.append((begin, end))
        time.sleep(end - begin)
        found.quiet.append((end, time.perf_counter()))
    done.set()
    return found


def main() -> None:
    with TemporaryDirectory() as folder:
        home = Path(folder)
        uri = SecretStr(f"sqlite:///{home}/mlflow.db")
        mlflow = MlflowSettings(tracking_uri=uri, artifacts=str(home / "artifacts"))
        settings = Settings(home=home, mlflow=mlflow)
        registry = Registry.of(settings)
        events = list(simulate(SLATE))
        tasks = _tasks(events, FoldRules.of(settings))
        sets = [
            registry.publish(trained, seed)
            for seed, trained in enumerate(_trained(events, home, settings), 1)
        ]
        for version in sets[0]:
            registry.promote(version, {GATE: PASSED})
        models = registry.champions()
        scorer = Scorer(settings, models)
        beside = RegistryBeside.of(settings)
        watch = ModelWatch(beside, scorer, models)
        watch.look()
        batches, done, names = Batches(), threading.Event(), set[str]()
        result: list[Stretches] = []
        thread = threading.Thread(
            target=lambda: result.append(_swapping(registry, watch, sets, done))
        )
        del events
        gc.collect()
        rest_the_collector()
        thread.start()
        while not done.is_set():
            waited, begin = _queued(), time.perf_counter()
            scored = scorer(tasks)
            end = time.perf_counter()
            batches.spans.append(Span(begin, end, _queued() - waited))
            names.add(scored.messages[0].message_id.rsplit(":", 1)[1])
        thread.join()
        beside.close()
        assert len(names) == 2, "both sets must have scored"
    (stretches,) = result
    _write(batches, stretches, len(tasks))


def _write(batches: Batches, stretches: Stretches, games: int) -> None:
    pauses, without = batches.pauses(stretches, lambda one: one.whole)
    held, held_without = batches.pauses(stretches, lambda one: one.held)
    usual = float(np.median(batches.undisturbed(stretches, lambda one: one.whole)))
    looks = [(end - begin) * 1e3 for begin, end in stretches.swaps]
    ours, reference = _p99(pauses), _p99(without)
    Result(
        name="swap",
        ours=ours,
        reference=reference,
        unit="ms, p99 of the longest extra wait of a batch during a swap, and without one",
        ratio=round(ours / reference, 3),
        detail={
            "swaps": len(pauses),
            "games_a_batch": games,
            "batch_ms_p50": round(usual * 1e3, 3),
            "pause_ms_p50": round(float(np.median(pauses)), 2),
            "pause_ms_max": round(float(pauses.max()), 2),
            "without_ms_p50": round(float(np.median(without)), 2),
            "without_ms_max": round(float(without.max()), 2),
            "held_ms_p50": round(float(np.median(held)), 2),
            "held_ms_p99": _p99(held),
            "held_without_ms_p50": round(float(np.median(held_without)), 2),
            "held_without_ms_p99": _p99(held_without),
            "look_ms_p50": round(float(np.median(looks)), 1),
        },
    ).write()


def _p99(pauses: Array) -> float:
    return round(float(np.percentile(pauses, 99)), 2)
