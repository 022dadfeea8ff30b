"""`make bench`: every benchmark, one after the other. Names as arguments choose some."""

import sys

from bench import (
    archive,
    curate,
    feature_store,
    features,
    feed,
    gate,
    kelly,
    latency,
    offline,
    replay,
    score,
    startup,
    streams,
    swap,
    train,
)

BENCHMARKS = {
    "score": score.main,
    "startup": startup.main,
    "features": features.main,
    "feature_store": feature_store.main,
    "offline": offline.main,
    "archive": archive.main,
    "curate": curate.main,
    "replay": replay.main,
    "kelly": kelly.main,
    "train": train.main,
    "gate": gate.main,
    "streams": streams.main,
    "swap": swap.main,
    "feed": feed.main,
    "latency": latency.main,
}

# Some start processes of their own, which import this again.
if __name__ == "__main__":
    for name in sys.argv[1:] or BENCHMARKS:
        BENCHMARKS[name]()
