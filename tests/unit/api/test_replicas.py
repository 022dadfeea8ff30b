"""Whatever replica a client comes to, and in whatever order that one reads: each news once."""

import json
from collections import defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from api.board import Message
from api.filters import Filter, Options
from api.news import key_of
from schemas.decisions import AlertKind
from schemas.feed import Kind
from schemas.markets import Target
from tests import samples
from tests.fed import IDS, KIND_TOPICS, LAYOUT, Client, Log, Replica, news, place_of
from tests.fed import TOPICS as TOPIC_NAMES


def said(position: int, game: str) -> list[Message]:
    of: dict[str, Any] = {"game_id": game}
    return [
        samples.line(position, **of),
        samples.line(position, 1.7, book="circa", **of),
        samples.prediction(position, target=Target.TOTAL, line=8.5, **of),
        samples.stake(position, **of),
        samples.game(position, **of),
        samples.alert(position, **of),
        samples.alert(position, AlertKind.UNLOCKED, **of),
        samples.signal(position, **of),
        samples.settlement(settled_at_us=samples.at(position), result_id=str(position), **of),
    ]


def news_of(log: Log) -> dict[str, list[str]]:
    """{topic: ids, partition after partition}. All samples of one key have times that differ."""
    found: dict[str, list[str]] = {}
    for (topic, _), records in log.records.items():
        data = [json.loads(one.model_dump_json()) for one in records if one is not None]
        found.setdefault(topic, []).extend(data[number][IDS[topic]] for number in news(topic, data))
    return found


def got_of(read: list[tuple[str, str | None, Any]]) -> dict[str, list[str]]:
    """As `news_of`."""
    lanes: dict[Any, list[str]] = defaultdict(list)
    for kind, _, data in read:
        topic = KIND_TOPICS[kind]
        lanes[topic, sum(data["game_id"].encode()) % 2].append(data[IDS[topic]])
    found: dict[str, list[str]] = {topic: [] for topic in TOPIC_NAMES}
    for topic, partition in LAYOUT.numbers:
        found[topic] += lanes[topic, partition]
    return found


GAMES = [samples.GAME, samples.OTHER]
STEPS = ["send", "send", "late", "read", "read", "take", "move", "restart", "beat"]


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_interleaving_and_any_reconnect_gives_each_news_once(data: st.DataObject) -> None:
    """Two replicas read partitions as they like; clients take, leave and come back anywhere."""
    log = Log()
    size = data.draw(st.integers(2, 30), "ring")
    replicas = [Replica(log, ring=size, client_queue=10_000).live() for _ in range(2)]
    clients = [replicas[number % 2].client() for number in range(3)]
    read: list[list[tuple[str, str | None, Any]]] = [[], [], []]
    for client in clients:
        assert client.kinds() == ["snapshot"]

    def take_from(replica: Replica) -> None:
        for client, seen in zip(clients, read, strict=True):
            if client.feed is replica.feed:
                seen += client.events()

    position = 0
    old: list[Message] = []
    for step in data.draw(st.lists(st.sampled_from(STEPS), max_size=30), "steps"):
        which = data.draw(st.integers(0, 1), "replica")
        replica = replicas[which]
        number = data.draw(st.integers(0, 2), "client")
        if step == "send":
            position += 1
            new = data.draw(
                st.lists(
                    st.sampled_from(said(position, data.draw(st.sampled_from(GAMES)))),
                    unique_by=lambda one: (type(one), key_of(one)),
                )
            )
            old += new
            log.send(*new)
        elif step == "late" and old:
            log.send(*data.draw(st.lists(st.sampled_from(old), max_size=5)))
        elif step == "read":
            place = data.draw(st.sampled_from(sorted(log.records)))
            # Only who falls out of the ring while it is there is a slow one.
            take_from(replica)
            replica.read(place, data.draw(st.integers(1, size)))
        elif step == "take":
            read[number] += clients[number].events()
        elif step == "move":
            if data.draw(st.booleans(), "in the middle of what it gets"):
                before = clients[number].last_id
                some = clients[number].events()
                cut = data.draw(st.integers(0, len(some)))
                read[number] += some[:cut]
                last = [one for _, one, _ in some[:cut]]
                # What came after the cut never arrived.
                last_id = last[-1] if last else before
            else:
                last_id = clients[number].last_id
            clients[number] = replica.client(last_id=last_id)
        elif step == "restart":
            replicas[which] = Replica(log, ring=size, client_queue=10_000).live()
            for index, client in enumerate(clients):
                if client.feed is replica.feed:
                    clients[index] = replicas[which].client(last_id=client.last_id)
        elif step == "beat":
            replica.feed.beat()
    for replica in replicas:
        take_from(replica)
        for place in log.records:
            while replica.read(place, size):
                take_from(replica)
    for seen in read:
        assert got_of(seen) == news_of(log)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_conflation_keeps_the_last_value_of_each_key(data: st.DataObject) -> None:
    """By window or because a client is slow, in memory or out of Kafka: the end is the same."""
    options = data.draw(st.sampled_from([Options(), Options(conflate_ms=1_000)]))
    replica = Replica(ring=data.draw(st.integers(3, 60)), client_queue=3).live()
    client = replica.client(options)
    client.events()
    sent: list[Message] = []
    read: list[tuple[str, str | None, Any]] = []
    for position in range(1, data.draw(st.integers(2, 15))):
        some = data.draw(st.lists(st.sampled_from(said(position, samples.GAME)), unique_by=key_of))
        sent += some
        replica.tell(*some)
        match data.draw(st.sampled_from(["go on", "take", "window", "come back"])):
            case "take":
                read += client.events()
            case "window" if options.conflate_ms:
                replica.feed.view(options).end_window()
                read += client.events()
            case "come back":
                client = replica.client(options, client.last_id)
    if options.conflate_ms:
        replica.feed.view(options).end_window()
    read += client.events()
    last: dict[Any, str] = {}
    for message in sent:
        last[key_of(message)] = message.model_dump_json()
    newest: dict[Any, Any] = {}
    for kind, _, value in read:
        topic = KIND_TOPICS[kind]
        about = [value.get(part) for part in ("game_id", "book", "target", "market", "fill_id")]
        if kind == "alert":
            about = [value["alert_id"]]
        newest[topic, *about] = value
    assert sorted(map(json.dumps, newest.values())) == sorted(
        json.dumps(json.loads(value)) for value in last.values()
    )
    whole = ("alert", "locked", "unlocked", "settlement")
    assert [value for kind, _, value in read if kind == "alert"] == [
        json.loads(one.model_dump_json()) for one in sent if key_of(one)[0] == "alert"
    ]
    ids = [value[IDS[KIND_TOPICS[kind]]] for kind, _, value in read if kind in whole]
    assert sorted(ids) == sorted(
        json.loads(one.model_dump_json())[IDS[place_of(one)[0]]]
        for one in sent
        if key_of(one)[0] in ("alert", "lock", "settlement")
    )


def test_a_filter_that_knows_no_partition_resumes_on_another_replica() -> None:
    log = Log()
    first, second = Replica(log).live(), Replica(log).live()
    options = Options(Filter(kinds=frozenset({Kind.ALERT})))
    client = first.client(options)
    client.take()
    for position in range(1, 4):
        first.tell(samples.line(position), samples.signal(position))
    ids = [one for _, one, _ in client.events()]
    second.read_all()
    back: Client = second.client(options, ids[0])
    assert [data["position"] for _, _, data in back.events()] == [2, 3]
