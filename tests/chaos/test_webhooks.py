"""The webhooks flow killed in the middle: nothing is lost, and what is repeated has the same id."""

import json
import random
import time
from pathlib import Path

from standardwebhooks.webhooks import Webhook

from deploy.stack.kafka import KafkaBroker
from schemas.topics import Topic
from tests import samples
from tests.answering import Reply, answering
from tests.integration.test_webhooks import SECRET, Hooked, endpoint, record
from tests.system import Site

STAKES = 120
KILLS = 2


def test_killed_at_some_moments(kafka: KafkaBroker, tmp_path: Path) -> None:
    with Site(None, kafka.bootstrap, None, tmp_path) as site, answering() as server:
        site.create()
        server.on("/good", Reply(204, b"", wait=0.02))
        server.on("/flaky", Reply(500), Reply(200), Reply(500), Reply(204, b""))
        hooks = [endpoint(name, f"{server.url}/{name}") for name in ("good", "flaky")]
        site.env["STEAMLINE_WEBHOOKS_ENDPOINTS"] = json.dumps(hooks)
        # Here it runs as the command does, without the seconds that a process takes to start.
        hooked = Hooked(site, server)
        settings = hooked.settings(*hooks)
        hooked.run(settings)
        stakes = [
            samples.stake(n, game_id=f"mlb-2026-07-20-BOS-NYY-{n % 7}") for n in range(STAKES)[1:]
        ]
        dice = random.Random(7)
        for number in range(KILLS):
            site.send([record(one) for one in stakes[number::KILLS]])
            target = server.times("/good") + dice.randrange(5, STAKES // KILLS - 10)
            child = site.start("run", "webhooks")
            child.wait_for(lambda target=target: server.times("/good") >= target, "some told")  # type: ignore[misc]
            child.kill()
        wanted = {one.stake_id for one in stakes}

        def told(path: str) -> set[str]:
            return {one.headers["webhook-id"] for one in server.asked if one.path == path}

        assert told("/good") < wanted, "nothing was left to be killed in"
        begun = time.monotonic()

        def all_told() -> bool:
            assert time.monotonic() < begun + 60, "not all told"
            return told("/good") == told("/flaky") == wanted

        hooked.run(settings, once=False, stopping=all_told)
        bodies: dict[str, set[bytes]] = {}
        for one in server.asked:
            Webhook(SECRET).verify(one.body, one.headers)
            bodies.setdefault(one.headers["webhook-id"], set()).add(one.body)
        assert all(len(some) == 1 for some in bodies.values()), "a repeat is the same message"
        asked = server.times("/good")
        print(f"{len(wanted)} stakes, {asked - len(wanted)} told again after {KILLS} kills")
        hooked.run(settings)
        assert server.times("/good") == asked, "positions cover what was told"
        assert site.read(Topic.DEAD_LETTERS) == []
