"""The API's requests as spans, by the command a user runs."""

import signal
from pathlib import Path

import httpx

from tests.answering import Reply, answering
from tests.system import Child, clean_env
from tests.unit.flows.test_traces import received


def test_a_request_is_a_span_without_what_stood_in_its_query(
    mock_kafka: str, tmp_path: Path
) -> None:
    with answering() as collector:
        collector.on("/v1/traces", Reply(200, b""))
        env = clean_env() | {
            "STEAMLINE_KAFKA_BOOTSTRAP": mock_kafka,
            "STEAMLINE_KAFKA_PREFIX": "traced.",
            "STEAMLINE_HOME": str(tmp_path),
            "STEAMLINE_TRACES_ENDPOINT": collector.url,
            "STEAMLINE_LOG_FORMAT": "json",
        }
        child = Child(tmp_path / "api.log", env, "api", "--port", "0")
        try:
            child.wait_for(lambda: "Board: " in child.said, "listening")
            url = child.said.partition("Board: ")[2].split()[0]
            for path in ("v1/games?key=h1dden", "health", "v1/none?key=h1dden"):
                httpx.get(url + path, timeout=20)
            child.send(signal.SIGTERM)
            child.wait(30)
        finally:
            if child.alive():
                child.kill()
        spans = received(collector)
        assert len(spans) == 2, [one.name for one in spans]
        assert "GET /v1/games" in {one.name for one in spans}
        assert b"h1dden" not in b"".join(one.body for one in collector.asked)
        assert all(line.startswith(("{", "Board")) for line in child.said.splitlines())
