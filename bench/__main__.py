"""`make bench`: every benchmark, one after the other. Names as arguments choose some."""

import sys

from bench import curate, features, score, startup

BENCHMARKS = {
    "score": score.main,
    "startup": startup.main,
    "features": features.main,
    "curate": curate.main,
}

for name in sys.argv[1:] or BENCHMARKS:
    BENCHMARKS[name]()
