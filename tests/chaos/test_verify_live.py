"""`steamline verify-live` after a worker was killed twice amid repeats and late events, once with
its broker killed too, and then read from Kafka and from an archive that follows it."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.demo.slate import MIN_GAMES, choose_slate
from deploy.stack.kafka import KafkaBroker
from schemas.topics import Topic
from tests.chaos.conftest import Steady
from tests.system import (
    SLOW,
    SLOW_BATCH,
    Lag,
    Sent,
    Site,
    Trained,
    count_of,
    identity,
    sent,
    steamline,
)

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


def test_a_real_slate_scored_while_worker_and_broker_are_killed(
    own_kafka: KafkaBroker, redis_url: str, trained: Trained, real_archive: Path, tmp_path: Path
) -> None:
    slate, dice = choose_slate(real_archive), random.Random(20_260_411)
    in_order = sent(slate.records())
    records = muddled(in_order, dice)
    third = len(records) // 3
    with Site(trained, own_kafka.bootstrap, redis_url, tmp_path, SLOW_BATCH) as site:
        site.create()
        count = count_of(site)
        with Lag(site) as lag:
            site.send(records[:third])
            worker = site.worker(**SLOW)
            worker.wait_for(lambda: count() > third // 4, "decisions")
            worker.kill()
            worker = site.worker(**SLOW)
            before = count()
            worker.wait_for(lambda: count() > before, "decisions after the first kill")
            own_kafka.kill()
            own_kafka.start()
            # What a source sends again after it has lost the broker.
            site.send([*dice.sample(records[:third], third // 10), *records[third : 2 * third]])
            before = count()
            worker.wait_for(lambda: count() > before, "decisions after the broker", 120)
            worker.kill()
            assert lag.behind() > 0, "all was over before the last kill"
            worker = site.worker()
            site.send(records[2 * third :])
            worker.wait_for(lambda: lag.behind() == 0, "all input scored", 300)
        worker.stop()

        predictions = site.read(Topic.PREDICTIONS)
        ids = {identity(Topic.PREDICTIONS, one) for one in predictions}
        stakes = {identity(Topic.STAKES, one) for one in site.read(Topic.STAKES)}
        games = {json.loads(one.value() or b"")["game_id"] for one in predictions}
        assert len(games) >= MIN_GAMES
        archive = site.folder / "live"
        steamline(site.env, site.folder, "archive", "run", "--archive", str(archive), "--once")
        by = {
            "Kafka": steamline(site.env, site.folder, "verify-live", "--json"),
            "archive": steamline(
                site.env, site.folder, "verify-live", "--json", "--archive", str(archive)
            ),
        }
    print(f"{len(in_order)} events, {len(records)} sent, of {len(games)} games: {by}")
    for said in map(json.loads, by.values()):
        assert (said["mismatches"], said["stake_mismatches"], said["first"]) == (0, 0, None)
        assert (said["predictions"], said["unverifiable"]) == (len(ids), 0)
        assert said["stakes"] + said["stakes_unverifiable"] == len(stakes)
        assert said["stakes"] > said["stakes_unverifiable"]
