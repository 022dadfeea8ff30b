"""`steamline verify-live` after a worker was killed twice amid repeats and late events."""

import json
import random
import subprocess
import sys

import pytest

from schemas.topics import Topic
from tests.chaos.conftest import Steady
from tests.system import SLOW, Lag, Sent, Site, count_of, identity, steamline

pytestmark = pytest.mark.long


def muddled(records: list[Sent], dice: random.Random) -> list[Sent]:
    """One in ten comes late, by up to 30 records, and one in twenty comes again."""
    places = [
        (place + (dice.uniform(1, 30) if dice.random() < 0.1 else 0.0), place)
        for place in range(len(records))
    ]
    places += [(place + dice.uniform(0, 40), place) for _, place in places if dice.random() < 0.05]
    return [records[place] for _, place in sorted(places)]


@pytest.fixture
def disturbed(site: Site, last_day: Steady) -> Site:
    """A day scored by a worker that was killed twice."""
    site.send(muddled(last_day.records, random.Random(20_260_410)))
    count = count_of(site)
    with Lag(site) as lag:
        for _ in range(2):
            before = count()
            worker = site.worker(**SLOW)
            worker.wait_for(lambda before=before: count() > before + 40, "40 decisions")  # type: ignore[misc]
            worker.kill()
        assert lag.behind() > 0, "all was over before the last kill"
    site.run_to_end()
    return site


def test_every_decision_is_made_again_and_a_forged_one_is_not(disturbed: Site) -> None:
    said = json.loads(steamline(disturbed.env, disturbed.folder, "verify-live", "--json"))
    predictions = disturbed.read(Topic.PREDICTIONS)
    ids = {identity(Topic.PREDICTIONS, one) for one in predictions}
    assert (said["mismatches"], said["stake_mismatches"], said["first"]) == (0, 0, None)
    assert (said["predictions"], said["unverifiable"]) == (len(ids), 0)
    stakes = {identity(Topic.STAKES, one) for one in disturbed.read(Topic.STAKES)}
    assert said["stakes"] + said["stakes_unverifiable"] == len(stakes)
    assert said["stakes"] > said["stakes_unverifiable"]

    value = json.loads(predictions[-1].value() or b"")
    forged = value | {"prediction_id": value["prediction_id"] + "x"}
    forged_value = json.dumps(forged).encode()
    disturbed.send(
        [
            Sent(
                Topic.PREDICTIONS,
                value["game_id"].encode(),
                forged_value,
                value["as_of_us"] // 1000,
            )
        ]
    )
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "verify-live", "--json"],
        cwd=disturbed.folder,
        env=dict(disturbed.env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr[-2000:]
    assert json.loads(done.stdout)["mismatches"] == 1
