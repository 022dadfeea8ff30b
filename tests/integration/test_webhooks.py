"""Receivers of every kind, told of what stands on a real broker."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from pydantic import BaseModel
from standardwebhooks.webhooks import Webhook

from deploy.stack.kafka import KafkaBroker
from flows.connectors.kafka import ConfirmedProducer
from flows.connectors.webhook_metrics import WebhookMetrics
from flows.webhooks import Tally, call_webhooks
from schemas.errors import ConfigError, OffsetOutOfRange
from schemas.sections.servers import KafkaSettings
from schemas.sections.webhooks import WebhooksSettings
from schemas.settings import Settings
from schemas.topics import TOPIC_OF, Topic
from tests import samples
from tests.answering import Answering, Reply, answering
from tests.system import Sent, Site, create_topics

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"
SAID = (Topic.STAKES, Topic.ALERTS, Topic.SETTLEMENTS)


def clock_us() -> int:
    return time.time_ns() // 1_000


def endpoint(name: str, url: str, **over: Any) -> dict[str, Any]:
    fields = {"name": name, "url": url, "secrets": [SECRET], "topics": [str(t) for t in SAID]}
    return fields | over


def record(message: BaseModel) -> Sent:
    topic = TOPIC_OF[type(message)]
    value = message.model_dump_json().encode()
    moment: int = getattr(message, "as_of_us", samples.OPEN)
    return Sent(topic, str(getattr(message, "game_id", "")).encode(), value, moment // 1000)


class Hooked:
    """Topics of its own and a receiver."""

    def __init__(self, site: Site, server: Answering) -> None:
        self.site, self.server = site, server

    def settings(self, *endpoints: dict[str, Any], **over: Any) -> Settings:
        fast = {"attempts": 3, "first_wait_seconds": 0.02, "timeout_seconds": 0.5}
        return Settings(
            home=self.site.folder,
            kafka=KafkaSettings(bootstrap=self.site.bootstrap, prefix=self.site.prefix),
            webhooks=WebhooksSettings.model_validate({"endpoints": endpoints} | fast | over),
        )

    def run(
        self,
        settings: Settings,
        once: bool = True,
        stopping: Callable[[], bool] = lambda: False,
        accept_gap: bool = False,
    ) -> Tally:
        producer = ConfirmedProducer(settings.kafka)
        return asyncio.run(call_webhooks(settings, producer, clock_us, stopping, once, accept_gap))

    def send(self, *messages: BaseModel) -> None:
        self.site.send([record(one) for one in messages])

    def heard(self, path: str) -> list[str]:
        """Ids, in the order of their coming; every one verified."""
        ids = []
        for one in self.server.asked:
            if one.path == path:
                said = Webhook(SECRET).verify(one.body, one.headers)
                ids.append(one.headers["webhook-id"])
                kind = {"stakes": "stake_id", "alerts": "alert_id", "settlements": "settlement_id"}
                assert said["data"][kind[said["type"]]] == ids[-1]
        return ids


@pytest.fixture
def hooked(kafka: KafkaBroker, tmp_path: Path) -> Iterator[Hooked]:
    with Site(None, kafka.bootstrap, None, tmp_path) as site, answering() as server:
        create_topics(site.bootstrap, [topic.full(site.prefix) for topic in Topic], 1)
        yield Hooked(site, server)


def nobody() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def test_good_and_bad_receivers_side_by_side(
    hooked: Hooked, caplog: pytest.LogCaptureFixture
) -> None:
    server = hooked.server
    server.on("/good", Reply(204, b""))
    server.on("/flaky", Reply(500), Reply(503), Reply(200))
    server.on("/slow", Reply(200, wait=1.0))
    server.on("/trickle", Reply(200, b"{}" * 50, {"X": "y"}, drip=0.0))
    server.on("/gone", Reply(410))
    server.on("/moved", Reply(302, b"", {"Location": f"{server.url}/elsewhere"}))
    server.on("/elsewhere", Reply(200))
    dead = nobody()
    names = ("good", "flaky", "slow", "trickle", "gone", "moved")
    settings = hooked.settings(
        *(endpoint(name, f"{server.url}/{name}?token=t0ken") for name in names),
        endpoint("dead", dead),
    )
    hooked.send(samples.stake(999))
    assert hooked.run(settings).delivered.total() == 0, "what was there before is not told"
    stakes = [samples.stake(n) for n in (1, 2, 3)]
    hooked.send(*stakes)
    with caplog.at_level(logging.DEBUG):
        tally = hooked.run(settings)
    ids = [one.stake_id for one in stakes]
    assert hooked.heard("/good") == ids
    assert hooked.heard("/trickle") == ids
    assert hooked.heard("/flaky") == [ids[0]] * 3 + ids[1:]
    assert hooked.heard("/slow") == [one for one in ids for _ in range(3)]
    assert hooked.heard("/gone") == ids, "once each"
    assert hooked.heard("/moved") == [one for one in ids for _ in range(3)]
    assert hooked.heard("/elsewhere") == []

    letters = hooked.site.letters()
    why = {name: set() for name in names} | {"dead": set()}  # type: ignore[var-annotated]
    for one in letters:
        name = one["source"].split("-")[1]
        why[name].add((one["reason"], one["detail"]))
    assert why == {
        "good": set(),
        "flaky": set(),
        "trickle": set(),
        "slow": {
            ("webhook_undelivered", "endpoint slow: 3 attempts, the last: no answer for 0.5 s")
        },
        "gone": {("webhook_gone", "endpoint gone: answered 410: it wants no more")},
        "moved": {
            (
                "webhook_undelivered",
                "endpoint moved: 3 attempts, the last: answered 302: redirects are not followed",
            )
        },
        "dead": {("webhook_undelivered", "endpoint dead: 3 attempts, the last: ConnectError")},
    }
    assert len(letters) == 4 * len(ids)
    assert len({one["letter_id"] for one in letters}) == len(letters)
    [first] = [one for one in letters if one["letter_id"] == "webhook-gone-stakes-0-1"]
    assert (first["topic"], first["partition"], first["offset"]) == ("stakes", 0, 1)
    # Secrets: neither what signs nor what an address holds.
    everything = caplog.text + json.dumps(letters)
    for secret in (SECRET, SECRET[6:], "t0ken", dead):
        assert secret not in everything

    shown = generate_latest(WebhookMetrics(tally).registry).decode()
    for line in (
        'steamline_webhooks_delivered_messages_total{endpoint="flaky",topic="stakes"} 3.0',
        'steamline_webhooks_attempts_total{endpoint="flaky",outcome="status_5xx"} 2.0',
        'steamline_webhooks_dead_letters_total{endpoint="gone",reason="webhook_gone"} 3.0',
        'steamline_webhooks_endpoint_up{endpoint="dead"} 0.0',
        'steamline_webhooks_endpoint_up{endpoint="good"} 1.0',
    ):
        assert line in shown
    assert hooked.run(settings).delivered.total() == 0, "nothing is told twice"


def test_filters_and_topics_of_each_endpoint(hooked: Hooked) -> None:
    url = hooked.server.url
    for path in ("/large", "/locks", "/money"):
        hooked.server.on(path, Reply(200))
    settings = hooked.settings(
        endpoint("large", f"{url}/large", topics=["stakes"], min_amount=100.0),
        endpoint("locks", f"{url}/locks", topics=["alerts"], alerts=["locked"]),
        endpoint("money", f"{url}/money", topics=["settlements"]),
    )
    hooked.run(settings)
    locked, steam, won = samples.alert(3), samples.signal(4), samples.settlement("f1")
    small, large, back = samples.stake(1, 0.001), samples.stake(2, 0.02), samples.stake(3, 0.0)
    hooked.send(small, large, locked, steam, won)
    tally = hooked.run(settings)
    assert hooked.heard("/large") == [large.stake_id]
    assert hooked.heard("/locks") == [locked.alert_id]
    assert hooked.heard("/money") == [won.settlement_id]
    assert tally.passed == {("large", "stakes"): 1, ("locks", "alerts"): 1}
    hooked.send(back)
    hooked.run(settings)
    assert hooked.heard("/large")[1:] == [back.stake_id], "over a restart"
    # A topic that is added later is told from then on.
    added = hooked.settings(
        endpoint("locks", f"{url}/locks", topics=["alerts", "stakes"], alerts=["locked"])
    )
    hooked.run(added)
    assert hooked.heard("/locks") == [locked.alert_id]


def test_a_dead_receiver_holds_up_nobody_and_a_stop_is_heard(hooked: Hooked) -> None:
    hooked.server.on("/good", Reply(200))
    hooked.server.on("/ill", Reply(503, b"", {"Retry-After": "3600"}))
    settings = hooked.settings(
        endpoint("ill", f"{hooked.server.url}/ill"),
        endpoint("good", f"{hooked.server.url}/good"),
        attempts=1_000,
        longest_wait_seconds=3_600.0,
    )
    hooked.run(settings)
    stakes = [samples.stake(n) for n in range(1, 21)]
    hooked.send(*stakes)
    ids = [one.stake_id for one in stakes]
    begun = time.monotonic()

    def all_heard() -> bool:
        assert time.monotonic() < begun + 30
        return hooked.heard("/good") == ids and bool(hooked.heard("/ill"))

    hooked.run(settings, once=False, stopping=all_heard)
    assert hooked.heard("/ill") == ids[:1], "an hour is what it asked for"
    hooked.server.on("/ill", Reply(200))
    hooked.run(settings)
    assert hooked.heard("/ill") == [ids[0], *ids], "it is told when it is back"
    assert hooked.heard("/good") == ids
    assert hooked.site.letters() == []


def test_what_is_no_message_is_a_dead_letter_and_the_rest_goes_on(hooked: Hooked) -> None:
    hooked.server.on("/good", Reply(200))
    settings = hooked.settings(endpoint("good", f"{hooked.server.url}/good"))
    hooked.run(settings)
    hooked.site.send([Sent(Topic.STAKES, b"g", b"{", 1_784_000_000_000), record(samples.stake(7))])
    tally = hooked.run(settings)
    assert hooked.heard("/good") == [samples.stake(7).stake_id]
    assert tally.letters == {("good", "malformed_json"): 1}
    [letter] = hooked.site.letters()
    assert letter["value_base64"] == "ew=="


def test_starts_that_cannot_go_well_say_why(hooked: Hooked) -> None:
    with pytest.raises(ConfigError, match="STEAMLINE_WEBHOOKS_ENDPOINTS: names no endpoint"):
        hooked.run(hooked.settings())
    settings = hooked.settings(endpoint("good", f"{hooked.server.url}/good"))
    hooked.run(settings)
    path = settings.home / "webhooks" / "good.json"
    text = path.read_text()
    name = Topic.STAKES.full(hooked.site.prefix)
    path.write_text(text.replace(f'"{name}":{{"0":0}}', f'"{name}":{{"0":9}}'))
    with pytest.raises(OffsetOutOfRange, match="--accept-gap"):
        hooked.run(settings)
    hooked.run(settings, accept_gap=True)
    assert path.read_text() == text
