"""One run that nothing disturbs, against which the disturbed ones are held."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.stack.kafka import KafkaBroker
from flows.connectors.parquet import read_archive
from tests.system import SLOW_BATCH, Decisions, Sent, Site, Trained, sent

DAYS = ("2026-04-09", "2026-04-10")


@dataclass(frozen=True)
class Steady:
    """Games of some days, and what is decided about them when all goes well."""

    records: list[Sent]
    decisions: Decisions


Undisturbed = Callable[..., Steady]


@pytest.fixture(scope="session")
def undisturbed(
    kafka: KafkaBroker,
    redis_url: str,
    trained: Trained,
    tmp_path_factory: pytest.TempPathFactory,
) -> Undisturbed:
    """Runs some days alone: stakes of one day rest on the other day's games too."""

    def run(*days: str) -> Steady:
        records = [
            one
            for one in sent(read_archive(trained.archive))
            if one.key is not None and any(day in one.key.decode() for day in days)
        ]
        with Site(trained, kafka.bootstrap, redis_url, tmp_path_factory.mktemp("steady")) as site:
            site.create()
            site.send(records)
            site.run_to_end()
            assert site.letters() == []
            decisions = site.decisions()
        assert len(decisions) > len(records)
        return Steady(records, decisions)

    return run


@pytest.fixture(scope="session")
def steady(undisturbed: Undisturbed) -> Steady:
    return undisturbed(*DAYS)


@pytest.fixture(scope="session")
def last_day(undisturbed: Undisturbed) -> Steady:
    return undisturbed(DAYS[-1])


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


def assert_same(ours: Mapping[str, object], steady: Mapping[str, object]) -> None:
    """By id and by value, and short when it fails: pytest would compare for minutes."""
    missing, extra = steady.keys() - ours.keys(), ours.keys() - steady.keys()
    other = [name for name in steady.keys() & ours.keys() if steady[name] != ours[name]]
    first = {
        kind: (len(names), sorted(names)[:3])
        for kind, names in (("missing", missing), ("extra", extra), ("other", other))
        if names
    }
    assert not first, first
