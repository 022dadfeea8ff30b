"""Small simulated archives."""

from collections.abc import Callable
from pathlib import Path

from flows.connectors.parquet import write_events
from flows.sources.simulated_truth import Slate
from flows.sources.simulator import simulate
from schemas.events import Event

SLATE = Slate(seed=5, days=3, games=3, activity=0.2)


def write(root: Path, change: Callable[[Event], Event] = lambda event: event) -> Path:
    """Nine games of three days."""
    write_events(root, map(change, simulate(SLATE)))
    return root
