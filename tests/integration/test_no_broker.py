"""A broker that is not there when a flow starts: it is waited for, and SIGTERM is heard."""

import signal
from pathlib import Path

import pytest

from deploy.stack.process import free_port
from tests.system import Child, clean_env

COMMANDS = (("run", "curate"), ("run", "settle"), ("archive", "run"), ("ingest",))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_asked_to_end_before_there_is_a_broker(
    command: tuple[str, ...], database: str, tmp_path: Path
) -> None:
    env = {
        "STEAMLINE_HOME": str(tmp_path),
        "STEAMLINE_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}",
        "STEAMLINE_POSTGRES_DSN": database,
        "STEAMLINE_MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    }
    child = Child(tmp_path / "log", clean_env() | env, *command)
    try:
        child.wait_for(lambda: "waiting for Kafka at 127.0.0.1" in child.said, "to wait")
        child.stop(signal.SIGTERM)  # exit 0; giving up, after 30 s, would be 1
        assert "Traceback" not in child.said
    finally:
        if child.alive():
            child.kill()
