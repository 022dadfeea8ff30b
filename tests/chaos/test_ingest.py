"""`steamline ingest` killed with -9 at any moment: what it says is what an undisturbed one says."""

import gzip
import json
import random
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.stack.kafka import KafkaBroker
from schemas.time import US_PER_MINUTE
from schemas.topics import Topic
from tests import samples
from tests.answering import Answering, answering
from tests.polled import SAID, Polled, board_rows, quoted, schedule_rows, standing
from tests.system import Ends

VERSIONS = 150
KILLS = 4


class _Site:
    """As much of a site as `Ends` asks for."""

    def __init__(self, polled: Polled) -> None:
        self.bootstrap, self.prefix = polled.bootstrap, polled.prefix


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A schedule and some hours of boards, prices first."""
    folder = tmp_path / "kept"
    folder.mkdir()
    for version in range(1, VERSIONS + 1):
        at_us = samples.OPEN + version * US_PER_MINUTE
        _keep(folder, at_us, "oddsapi", "odds", board_rows(version))
        if version % 20 == 3:
            _keep(folder, at_us + 1, "mlb_stats", "schedule", schedule_rows())
    return folder


def _keep(folder: Path, at_us: int, source: str, endpoint: str, rows: list[list[object]]) -> None:
    document = {
        "source": source,
        "endpoint": endpoint,
        "url": f"http://127.0.0.1/{endpoint}",
        "fetched_at_us": at_us,
        "said_at_us": None,
        "unchanged": False,
        "headers": {},
        "body": json.dumps(rows),
    }
    path = folder / f"{at_us}-{source}-{endpoint}.json.gz"
    path.write_bytes(gzip.compress(json.dumps(document).encode()))


def by_id(events: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Without `settles`: where a kill tore a payload apart, the rest of it settles the game again.

    Twice is harmless, never would not be: what is said last of a torn payload always settles.
    """
    found = {}
    for event in events:
        found[event["event_id"]] = {name: one for name, one in event.items() if name != "settles"}
    return found


def test_killed_while_playing_it_says_the_same(
    kafka: KafkaBroker, recording: Path, tmp_path: Path
) -> None:
    with Polled(kafka.bootstrap, tmp_path) as calm, Polled(kafka.bootstrap, tmp_path) as other:
        calm.run("--from", str(recording))
        wanted = {one["event_id"]: one for one in calm.said()}
        assert len(wanted) == len(calm.said()) > 2_000
        dice = random.Random(20_260_720)
        count = Ends(_Site(other), SAID)  # type: ignore[arg-type]
        killed_at = []
        for left in range(KILLS, 0, -1):
            # A share of what is left: on a fast machine it goes far beyond before the kill comes.
            behind = count()
            share = (len(wanted) - behind) // (2 * left)
            if share < 2:
                break
            child = other.start("--from", str(recording))
            target = behind + dice.randrange(1, share)
            child.wait_for(lambda target=target: count() >= target, f"{target} events")  # type: ignore[misc]
            child.kill()
            killed_at.append(count())
        assert killed_at[0] < len(wanted), "all was over before the first kill"
        other.run("--from", str(recording))
        said = other.said()
        print(f"killed at {killed_at} of {len(wanted)}, {len(said) - len(wanted)} repeats")
        # A request under way when it died may come in after the topics were read back.
        assert len(said) - len(wanted) <= KILLS * 200
        assert by_id(said) == by_id(wanted.values())
        assert standing(said) == quoted(VERSIONS)
        assert other.letters() == calm.letters() == []


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as server:
        made = {"Last-Modified": "Mon, 20 Jul 2026 17:00:00 GMT"}
        server.rows("/schedule", schedule_rows, **made)
        yield server


def test_killed_while_polling_it_says_the_same(
    kafka: KafkaBroker, server: Answering, tmp_path: Path
) -> None:
    dice = random.Random(7)

    def run(polled: Polled, kills: frozenset[int]) -> list[str]:
        child = polled.start()
        for version in range(1, 7):
            server.rows(
                "/odds",
                partial(board_rows, version),
                **{"Last-Modified": f"Mon, 20 Jul 2026 17:{version:02d}:00 GMT"},
            )
            if version in kills:
                asked = server.times("/odds")
                child.wait_for(lambda asked=asked: server.times("/odds") > asked, "a look")  # type: ignore[misc]
                # It is somewhere between the answer and the last confirmation.
                child.wait_for(lambda: dice.random() < 0.3, "any moment")
                child.kill()
                child = polled.start()
            child.wait_for(
                lambda v=version: standing(polled.said([Topic.LINES])) == quoted(v),  # type: ignore[misc]
                f"version {version}",
            )
        child.stop()
        return [one for one in polled.ids() if "-stand-" not in one]

    with Polled(kafka.bootstrap, tmp_path, server.url) as calm:
        wanted = run(calm, frozenset())
    with Polled(kafka.bootstrap, tmp_path, server.url) as other:
        said = run(other, frozenset({2, 3, 5}))
    assert set(said) == set(wanted)
    assert len(wanted) == len(set(wanted))
