"""A worker: one flow until its source ends, with its state on disk."""

import os
import shutil
from datetime import timedelta
from pathlib import Path

from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from flows.garbage import rest_the_collector
from schemas.errors import SteamlineError

EPOCH = timedelta(seconds=1)
"""How much is read again after a crash, and how often deliveries are awaited."""


def run(flow: Dataflow, recovery: Path) -> None:
    """One worker until its source ends; state lives in `recovery` and is resumed from it.

    Raises what stopped it: OffsetOutOfRange, DeliveryFailed, DependencyDown, ConfigError.
    """
    rest_the_collector()
    # Whatever its value, Bytewax would serve the flow over HTTP and write into this folder.
    os.environ.pop("BYTEWAX_DATAFLOW_API_ENABLED", None)
    if not any(recovery.glob("*.sqlite3")):
        _make_store(recovery)
    try:
        cli_main(flow, epoch_interval=EPOCH, recovery_config=RecoveryConfig(str(recovery)))
    except BytewaxRuntimeError as wrapped:
        raise _ours(wrapped) from None


def _ours(wrapped: BaseException) -> BaseException:
    """The error of ours that Bytewax has wrapped in its own; else what it raised itself."""
    cause: BaseException | None = wrapped
    while cause is not None and not isinstance(cause, SteamlineError):
        cause = cause.__cause__
    return cause or wrapped


def _make_store(recovery: Path) -> None:
    """An empty recovery store, there all at once: a half made one would never be resumed from."""
    fresh = recovery / "new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    init_db_dir(fresh, 1)
    (made,) = fresh.iterdir()
    made.rename(recovery / made.name)
    fresh.rmdir()
