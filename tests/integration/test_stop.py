"""The kill switch: real commands, a real worker and a real broker."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.stack.kafka import KafkaBroker
from schemas.topics import SCORE_INPUTS, Topic
from tests.system import Lag, Site, Trained, content, sent, steamline

Stakes = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture
def site(kafka: KafkaBroker, redis_url: str, trained: Trained, tmp_path: Path) -> Iterator[Site]:
    # Few books quote a simulated market, so its vectors are sparse.
    eager = {"STEAMLINE_STAKING_MIN_EDGE": "0.001", "STEAMLINE_STAKING_MIN_COMPLETENESS": "0"}
    with Site(trained, kafka.bootstrap, redis_url, tmp_path, env=eager) as site:
        site.create()
        yield site


def newest(site: Site) -> Stakes:
    """The last word on every market; a game's words are in one partition."""
    stakes = [json.loads(content(message)) for message in site.read(Topic.STAKES)]
    return {(one["game_id"], one["market"]): one for one in stakes}


def standing(stakes: Stakes) -> set[tuple[str, str]]:
    return {name for name, one in stakes.items() if one["amount"] > 0}


def test_a_stop_takes_every_stake_back_and_outlives_a_kill(
    site: Site, trained: Trained, tmp_path: Path
) -> None:
    records = sent(trained.slate.records())
    first, second = len(records) * 6 // 10, len(records) * 7 // 10
    worker = site.worker()
    site.send(records[:first])
    with Lag(site) as lag:
        worker.wait_for(lambda: lag.behind() == 0, "the first part scored", 120)
    before = standing(newest(site))
    assert before, "nothing is staked on, so nothing can be taken back"

    said = steamline(site.env, tmp_path, "stop", "--reason", "a test of the switch")
    assert said.startswith("stopped all bankrolls")
    worker.wait_for(lambda: not standing(newest(site)), "every stake taken back")
    [word] = [json.loads(content(one)) for one in site.read(Topic.BANKROLLS)]
    back = [one for one in site.read(Topic.STAKES) if b'"stopped"' in content(one)]
    stakes = [json.loads(content(one)) for one in back]
    assert {(one["game_id"], one["market"]) for one in stakes} >= before
    assert {one["decided_us"] for one in stakes} == {word["occurred_at_us"]}

    # The slate is of the past and the stop of today: heard but not yet kept, it would be read again
    # after the slate's rest, in the order of time.
    with Lag(site, topics=SCORE_INPUTS) as lag:
        worker.wait_for(lambda: lag.behind() == 0, "the stop kept")
    worker.kill()
    site.send(records[first:second])
    worker = site.worker()
    with Lag(site) as lag:
        worker.wait_for(lambda: lag.behind() == 0, "the second part scored", 120)
    stopped = newest(site)
    assert not standing(stopped)
    assert any(one["decided_us"] != word["occurred_at_us"] for one in stopped.values())

    steamline(site.env, tmp_path, "resume", "--reason", "seen enough")
    worker.wait_for(lambda: bool(standing(newest(site))), "something staked again")
    assert not any("stopped" in one["refusals"] for one in newest(site).values())


def test_a_stop_that_nobody_would_hear_is_refused(site: Site, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli.main", "stop", "--reason", "x", "--bankroll", "mian"]
    done = subprocess.run(
        command, cwd=tmp_path, env=site.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: --bankroll")
    assert "main" in done.stderr
    assert site.read(Topic.BANKROLLS) == []
