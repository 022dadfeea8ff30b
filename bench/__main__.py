"""`make bench`: every benchmark, one after the other. Names as arguments choose some."""

import sys

from bench import score

BENCHMARKS = {"score": score.main}

for name in sys.argv[1:] or BENCHMARKS:
    BENCHMARKS[name]()
