"""`steamline --help` against a bare Python start: what a person waits at the prompt."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench.result import Result

ROUNDS = 15


def _seconds(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    steamline = str(Path(sys.executable).with_name("steamline"))
    ours, reference = [], []
    for _ in range(ROUNDS):
        reference.append(_seconds(sys.executable, "-c", "pass"))
        ours.append(_seconds(steamline, "--help"))
    Result(
        name="startup",
        ours=round(median(ours), 4),
        reference=round(median(reference), 4),
        unit="s",
        ratio=round(median(ours) / median(reference), 2),
        detail={"extra_seconds": round(median(ours) - median(reference), 4)},
    ).write()
