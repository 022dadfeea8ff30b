"""`/v1/models` from a real MLflow, beside what MLflow's own client says."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from mlflow import MlflowClient
from pydantic import SecretStr

from api.app import create_app
from models.evaluation.gate import GateRules, gate
from models.registry import VERDICT
from schemas.markets import Target
from schemas.sections.servers import KafkaSettings, MlflowSettings
from schemas.settings import Settings
from tests.integration.test_promotion import NAME, TARGET, client, publish
from tests.integration.test_registry import registry_of
from tests.system import Trained
from tests.unit.api.test_routes import get
from tests.unit.models.evaluation.seasons import season

__all__ = ["client"]


def test_versions_are_told_as_the_registry_has_them(
    trained: Trained, client: MlflowClient, tmp_path: Path
) -> None:
    settings = Settings(
        home=tmp_path,
        kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
        mlflow=MlflowSettings(tracking_uri=SecretStr(trained.tracking_uri), poll_seconds=1e-9),
    )
    app = create_app(settings)
    before = get(app, "/v1/models").json()
    assert (before["source"], before["detail"]) == ("registry", None)
    assert [one["target"] for one in before["models"]] == [target.value for target in Target]
    for told in before["models"]:
        version = client.get_model_version_by_alias(f"steamline-{told['target']}", "champion")
        run = client.get_run(str(version.run_id)).data
        champion = told["champion"]
        assert champion["version"] == version.tags["steamline.name"]
        assert champion["data_fingerprint"] == run.params["data_fingerprint"]
        assert champion["feature_set"] == run.params["feature_set"]
        assert champion["metrics"] == pytest.approx(run.metrics)
        assert champion["simulated"] is True
        assert champion["paper"] is True
    registry = registry_of(trained, tmp_path / "models")
    challenger = publish(registry)
    verdict = gate(season(1, edge=0.0, target="total"), None, GateRules())
    registry.note(challenger, {VERDICT: json.dumps(asdict(verdict))}, {})
    (told,) = get(app, f"/v1/models/{TARGET}").json()["models"]
    assert told["challenger"]["version"] == challenger.name
    assert told["challenger"]["gate"]["passed"] is False
    assert told["challenger"]["gate"]["games"] == verdict.numbers["games"]
    low, high = told["challenger"]["gate"]["market"]["interval"]
    assert low < told["challenger"]["gate"]["market"]["difference"] < high
    registry.promote(challenger, {"steamline.gate": "forced", "steamline.reason": "a test"})
    (told,) = get(app, f"/v1/models/{TARGET}").json()["models"]
    assert told["champion"]["version"] == challenger.name
    assert (told["champion"]["promoted"], told["champion"]["reason"]) == ("forced", "a test")
    assert told["champion"]["paper"] is False
    assert told["challenger"] is None
    assert (
        client.get_model_version_by_alias(NAME, "previous").tags["steamline.name"]
        == (told["previous"]["version"])
    )
