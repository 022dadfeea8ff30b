"""The one shape of a benchmark's outcome."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def paired(ours: Sequence[float], reference: Sequence[float]) -> float:
    """Middle of the rounds' ratios: a round's two halves meet the same load of the machine."""
    return round(median(one / other for one, other in zip(ours, reference, strict=True)), 3)


@dataclass(frozen=True)
class Result:
    name: str
    ours: float
    reference: float
    unit: str
    ratio: float
    """ours / reference, where rounds alternate that of `paired`"""
    machine: str = field(default_factory=machine)
    detail: dict[str, Any] = field(default_factory=dict)

    def write(self) -> None:
        RESULTS.mkdir(exist_ok=True)
        text = json.dumps(asdict(self), indent=2)
        (RESULTS / f"{self.name}.json").write_text(text)
        print(text)
