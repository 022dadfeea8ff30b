"""`steamline demo --once --json`: the document that programs rely on."""

import json
import shutil
from pathlib import Path

from deploy.stack.kafka import KafkaBroker
from tests.system import Trained, clean_env, steamline


def test_once_prints_one_document(
    kafka: KafkaBroker, redis_url: str, postgres_dsn: str, trained: Trained, tmp_path: Path
) -> None:
    shutil.copytree(trained.archive, tmp_path / "archive" / "simulator")
    env = clean_env() | {
        "STEAMLINE_HOME": str(tmp_path),
        "STEAMLINE_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "STEAMLINE_REDIS_URL": redis_url,
        "STEAMLINE_POSTGRES_DSN": postgres_dsn,
        "STEAMLINE_MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
    }
    said = json.loads(steamline(env, tmp_path, "demo", "--once", "--json"))
    assert said["simulated"] is True
    assert said["games"] == len(trained.slate.games)
    assert said["dead_letters"] == 0
    assert said["events"] > 1_000
    # Each scored position gives four predictions; stakes are said when they change: on each of
    # three markets once at least, and when it locks.
    stakes = said["stakes"] + said["stakes_refused"]
    assert said["predictions"] % 4 == 0
    assert stakes >= 6 * said["games"]
    assert 0.3 < said["market_log_loss"] < 1.2
    assert 0.3 < said["model_log_loss"] < 1.2
    assert said["events_per_second"] > 0
    assert said["seconds"] > 0
