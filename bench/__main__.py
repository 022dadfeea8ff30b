"""`make bench`: every benchmark, one after the other. Names as arguments choose some."""

import sys

from bench import score, startup

BENCHMARKS = {"score": score.main, "startup": startup.main}

for name in sys.argv[1:] or BENCHMARKS:
    BENCHMARKS[name]()
