import uuid
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from deploy.stack.kafka import KafkaBroker
from schemas.errors import DependencyDown


def test_a_cluster_id_never_looks_like_an_option(
    kafka_libs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One UUID in 64 begins with a dash when it is written as Kafka does."""
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=0xF8 << 120))
    broker = KafkaBroker(tmp_path / "kafka", kafka_libs)
    broker.start()
    try:
        assert AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=10).brokers
    finally:
        broker.stop()


def test_a_log_that_cannot_be_formatted_is_said_in_kafkas_words(
    kafka_libs: Path, tmp_path: Path
) -> None:
    broker = KafkaBroker(tmp_path / "kafka", kafka_libs)
    (broker.home).mkdir()
    (broker.home / "data").write_text("in the way")
    with pytest.raises(DependencyDown, match=r"could not format its log: .*data"):
        broker.start()
    assert broker.process is None
