"""The webhooks flow killed in the middle: nothing is lost, and what is repeated has the same id."""

import json
import random
from pathlib import Path

from standardwebhooks.webhooks import Webhook

from deploy.stack.kafka import KafkaBroker
from schemas.topics import Topic
from tests import samples
from tests.answering import Reply, answering
from tests.integration.test_webhooks import SECRET, endpoint, record
from tests.system import Site, wait_for

STAKES = 300
KILLS = 3


def test_killed_at_some_moments(kafka: KafkaBroker, tmp_path: Path) -> None:
    with Site(None, kafka.bootstrap, None, tmp_path) as site, answering() as server:
        site.create()
        server.on("/good", Reply(204, b"", wait=0.002))
        server.on("/flaky", Reply(500), Reply(200), Reply(500), Reply(204, b""))
        hooks = [endpoint(name, f"{server.url}/{name}") for name in ("good", "flaky")]
        site.env |= {
            "STEAMLINE_WEBHOOKS_ENDPOINTS": json.dumps(hooks),
            "STEAMLINE_WEBHOOKS_FIRST_WAIT_SECONDS": "0.05",
        }
        site.start("run", "webhooks", "--once").wait()
        stakes = [
            samples.stake(n, game_id=f"mlb-2026-07-20-BOS-NYY-{n % 7}") for n in range(1, STAKES)
        ]
        dice = random.Random(7)
        for number in range(KILLS):
            site.send([record(one) for one in stakes[number::KILLS]])
            before = server.times("/good")
            child = site.start("run", "webhooks")
            target = before + dice.randrange(5, STAKES // KILLS - 5)
            child.wait_for(lambda target=target: server.times("/good") >= target, "some told")  # type: ignore[misc]
            child.kill()
        # Not `--once`: it would end at what the topics hold, which is what is left to tell.
        last = site.start("run", "webhooks")
        wanted = {one.stake_id for one in stakes}

        def told(path: str) -> set[str]:
            return {one.headers["webhook-id"] for one in server.asked if one.path == path}

        for path in ("/good", "/flaky"):
            last.wait_for(lambda path=path: told(path) == wanted, f"all told at {path}")  # type: ignore[misc]
        last.stop()
        bodies: dict[str, set[bytes]] = {}
        for one in server.asked:
            Webhook(SECRET).verify(one.body, one.headers)
            bodies.setdefault(one.headers["webhook-id"], set()).add(one.body)
        assert all(len(some) == 1 for some in bodies.values()), "a repeat is the same message"
        asked = server.times("/good")
        print(f"{len(wanted)} stakes, {asked - len(wanted)} told again after {KILLS} kills")
        again = site.start("run", "webhooks", "--once")
        assert again.wait() == 0
        assert server.times("/good") == asked, "positions cover what was told"
        assert site.read(Topic.DEAD_LETTERS) == []
        wait_for(lambda: not again.alive(), "ended")
