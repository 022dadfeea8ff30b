"""One run that nothing disturbs, against which the disturbed ones are held."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.stack.kafka import KafkaBroker
from flows.connectors.parquet import read_archive
from tests.system import SLOW_BATCH, Decisions, Sent, Site, Trained, sent

DAYS = ("2026-04-09", "2026-04-10")


@dataclass(frozen=True)
class Steady:
    """Two days of games, and what is decided about them when all goes well."""

    records: list[Sent]
    decisions: Decisions

    def of_day(self, day: str) -> "Steady":
        """The part about the games of one day."""
        return Steady(
            [one for one in self.records if one.key is not None and day in one.key.decode()],
            {name: value for name, value in self.decisions.items() if day in name},
        )


@pytest.fixture(scope="session")
def steady(
    kafka: KafkaBroker,
    redis_url: str,
    trained: Trained,
    tmp_path_factory: pytest.TempPathFactory,
) -> Steady:
    records = [
        one
        for one in sent(read_archive(trained.archive))
        if one.key is not None and any(day in one.key.decode() for day in DAYS)
    ]
    with Site(trained, kafka.bootstrap, redis_url, tmp_path_factory.mktemp("steady")) as site:
        site.create()
        site.send(records)
        site.run_to_end()
        assert site.letters() == []
        decisions = site.decisions()
    assert len(decisions) > len(records)
    return Steady(records, decisions)


@pytest.fixture
def site(kafka: KafkaBroker, redis_url: str, trained: Trained, tmp_path: Path) -> Iterator[Site]:
    """Empty topics on the shared broker, to be written in small batches."""
    with Site(trained, kafka.bootstrap, redis_url, tmp_path, SLOW_BATCH) as site:
        site.create()
        yield site


def without_offsets(decisions: Decisions) -> dict[str, dict[str, object]]:
    """Decisions less the one thing that other records in the topics may change."""
    found = {}
    for name, value in decisions.items():
        fields = json.loads(value)
        fields.pop("read_to", None)
        found[name] = fields
    return found


def assert_same(ours: Decisions, steady: Decisions) -> None:
    """By id and by byte, and short when it fails."""
    missing, extra = steady.keys() - ours.keys(), ours.keys() - steady.keys()
    other = [name for name in steady.keys() & ours.keys() if steady[name] != ours[name]]
    first = {
        kind: (len(names), sorted(names)[:3])
        for kind, names in (("missing", missing), ("extra", extra), ("other", other))
        if names
    }
    assert not first, first
