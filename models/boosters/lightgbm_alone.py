"""LightGBM without scikit-learn.

Its import looks for scikit-learn, and with it scipy, to offer wrappers that nothing here uses:
3.2 of the 3.4 CPU seconds that `import lightgbm` takes (`python -X importtime`), at every start of
a worker. It does without where the package is missing, so for this one import it is.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


with _hidden("sklearn"):
    import lightgbm

__all__ = ["lightgbm"]
