"""The broker away for a while: the worker waits, and loses nothing."""

import time
from pathlib import Path

from deploy.stack.kafka import KafkaBroker
from tests.chaos.conftest import Steady, assert_same
from tests.system import PARTITIONS, SLOW, SLOW_BATCH, Lag, Site, Trained, count_of

AWAY_SECONDS = 20.0
MAX_IN_FLIGHT_BATCHES = 5
"""That an idempotent producer has under way to a broker."""


def test_broker_killed_in_the_middle_and_back(
    own_kafka: KafkaBroker, redis_url: str, trained: Trained, tmp_path: Path, steady: Steady
) -> None:
    with Site(trained, own_kafka.bootstrap, redis_url, tmp_path, SLOW_BATCH) as site:
        site.create()
        site.send(steady.records)
        count = count_of(site)
        worker = site.worker(**SLOW)
        target = len(steady.decisions) // 4
        worker.wait_for(lambda: count() > target, f"{target} decisions")
        pid, done = worker.pid, count()
        assert done < len(steady.decisions), "it was over before the broker went"
        own_kafka.kill()
        time.sleep(AWAY_SECONDS)
        assert worker.alive()
        own_kafka.start()
        begun = time.monotonic()
        worker.wait_for(lambda: count() > done, "decisions again", 60)
        recovered = time.monotonic() - begun
        with Lag(site) as lag:
            worker.wait_for(lambda: lag.behind() == 0, "all input scored", 120)
        assert (worker.alive(), worker.pid) == (True, pid)
        worker.stop()
        print(f"{done} of {len(steady.decisions)} out, then {recovered:.1f} s after it was back")
        assert_same(site.decisions(), steady.decisions)
        # A broker killed between writing a batch and answering for it may take it again: the same
        # ids and bytes, which every reader drops. More than what was in flight would be a defect.
        repeats = count() - len(steady.decisions)
        assert 0 <= repeats <= MAX_IN_FLIGHT_BATCHES * PARTITIONS * SLOW_BATCH, repeats
        assert "Connection refused" in worker.said, "it should have told of the trouble"
        assert "Traceback" not in worker.said
