"""Python's garbage collector, out of the way of a long-running flow."""

import gc


def rest_the_collector() -> None:
    """What is alive now lives as long as the worker: looking through it again and again for
    garbage took half of the score flow's time. What flows make has no cycles worth hurrying for.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
