"""The worker killed, stopped and started: what it decides is what an undisturbed one decides.

All input is in the topics before the first start, so its order is settled.
"""

import random
import signal
import subprocess
import sys
import time

import pytest

from tests.chaos.conftest import Steady, assert_same, without_offsets
from tests.system import SLOW, Lag, Site, count_of

KILLS = 4


def test_killed_at_any_moment_it_decides_the_same(site: Site, steady: Steady) -> None:
    dice = random.Random(20_260_410)
    site.send(steady.records)
    end, out = len(steady.records), len(steady.decisions)
    resumed_at, killed_at = [], []
    count = count_of(site)
    with Lag(site) as lag:
        for _ in range(KILLS):
            before = count()
            worker = site.worker(**SLOW)
            worker.wait_for(lambda before=before: count() > before, "a decision")  # type: ignore[misc]
            resumed_at.append(lag.done())
            target = before + dice.randrange(out // 8, out // 4)
            worker.wait_for(lambda target=target: count() >= target, f"{target} decisions")  # type: ignore[misc]
            worker.kill()
            killed_at.append(lag.done())
        assert lag.behind() > 0, "all was over before the last kill"
        site.run_to_end()
        repeats = count() - out
    print(f"{end} events, resumed at {resumed_at}, killed at {killed_at}, {repeats} repeats")
    assert_same(site.decisions(), steady.decisions)
    assert site.letters() == []
    # Otherwise this shows less than it says: it must have resumed in the middle, and have
    # written again what was out before the kill.
    assert sum(0 < done < end for done in resumed_at) >= 2, resumed_at
    assert repeats > 0


def test_asked_to_stop_it_drains_and_goes_on_later(site: Site, steady: Steady) -> None:
    site.send(steady.records)
    stopped_at, took = [], []
    count = count_of(site)
    with Lag(site) as lag:
        for number in (signal.SIGTERM, signal.SIGINT):
            before = count()
            worker = site.worker(**SLOW)
            worker.wait_for(lambda before=before: count() > before, "a decision")  # type: ignore[misc]
            target = before + len(steady.decisions) // 4
            worker.wait_for(lambda target=target: count() >= target, f"{target} decisions")  # type: ignore[misc]
            took.append(worker.stop(number))
            stopped_at.append(lag.done())
            assert "Traceback" not in worker.said
        assert 0 < stopped_at[0] < stopped_at[1] < len(steady.records)
    site.run_to_end()
    print(f"stopped at {stopped_at} within {[round(one, 1) for one in took]} s")
    assert max(took) < 10
    assert_same(site.decisions(), steady.decisions)
    assert count() == len(steady.decisions), "a clean stop leaves nothing to be done twice"


def test_killed_while_starting_it_starts_again(site: Site, last_day: Steady) -> None:
    dice = random.Random(7)
    site.send(last_day.records)
    for _ in range(3):
        worker = site.worker()
        time.sleep(dice.uniform(0.2, 3.0))  # wherever it is by then
        worker.kill()
    site.run_to_end()
    assert_same(without_offsets(site.decisions()), without_offsets(last_day.decisions))


@pytest.mark.long
def test_killed_while_making_its_recovery_store_it_starts_again(
    site: Site, last_day: Steady
) -> None:
    site.send(last_day.records)
    # SQLite makes the file first and its tables after: a kill in between, as an accomplice does it.
    script = f"""
import os, signal, flows.worker
from pathlib import Path

def make_half(folder, count):
    (folder / "part-0.sqlite3").touch()
    os.kill(os.getpid(), signal.SIGKILL)

flows.worker.init_db_dir = make_half
flows.worker.run(None, Path({str(site.recovery)!r}))
"""
    died = subprocess.run([sys.executable, "-c", script], env=site.env, check=False)
    assert died.returncode == -signal.SIGKILL
    site.run_to_end()
    assert_same(without_offsets(site.decisions()), without_offsets(last_day.decisions))
