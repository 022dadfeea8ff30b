"""What one client is promised: snapshot first, exact resume, explicit gaps, bounded memory."""

import asyncio
import json

import pytest

from api.board import Message
from api.filters import Filter, Options
from api.tokens import Position, Shape
from schemas.decisions import AlertKind, SideQuote
from schemas.feed import Kind
from schemas.markets import Market, Side, Target
from tests import samples
from tests.fed import LAYOUT, RULES, Log, Replica, events


def only(*kinds: Kind) -> Options:
    return Options(Filter(kinds=frozenset(kinds)))


def test_snapshot_holds_what_was_read_before_and_is_not_repeated_as_frames() -> None:
    replica = Replica()
    replica.log.send(samples.game(), samples.line(1), samples.prediction(1))
    client = replica.live().client()
    first = events(client.take())
    assert [kind for kind, _, _ in first] == ["snapshot", "heartbeat"]
    (game,) = first[0][2]["games"]
    assert game["schedule"]["home"] == "New York Yankees"
    assert game["lines"] == [json.loads(samples.line(1).model_dump_json())]
    assert game["predictions"][0]["probability"] == 0.55
    assert client.take() == b""


def test_a_frame_is_the_message_as_its_topic_has_it() -> None:
    replica = Replica().live()
    client = replica.client()
    client.take()
    sent: list[Message] = [
        samples.alert(1),
        samples.alert(2, AlertKind.UNLOCKED),
        samples.signal(2),
        samples.settlement(),
    ]
    replica.tell(*sent)
    assert [(kind, data) for kind, _, data in client.events()] == [
        (kind, json.loads(message.model_dump_json()))
        for kind, message in zip(["locked", "unlocked", "alert", "settlement"], sent, strict=True)
    ]


def test_a_message_is_encoded_once_for_all_clients() -> None:
    replica = Replica().live()
    first, second = replica.client(), replica.client()
    first.take(), second.take()
    replica.tell(samples.line(1), samples.line(2))
    (one,), (other,) = first.follower.take(), second.follower.take()
    assert one is other, "joined once, too"
    view = replica.feed.view(Options())
    assert view.snapshot() is view.snapshot()


def test_until_caught_up_there_are_heartbeats_and_no_half_snapshot() -> None:
    replica = Replica()
    client = replica.client()
    ((kind, frame_id, beat),) = events(client.take())
    assert (kind, frame_id, beat["stale"]) == ("heartbeat", None, True)
    replica.tell(samples.game())
    assert client.take() == b""
    replica.feed.source(True, True)
    ((kind, _, data),) = client.events()
    assert kind == "snapshot"
    assert [game["game_id"] for game in data["games"]] == [samples.GAME]
    assert data["stale"] is False


def test_repeated_and_late_messages_are_not_sent() -> None:
    replica = Replica().live()
    replica.tell(samples.prediction(5))
    client = replica.client()
    client.take()
    replica.tell(samples.prediction(5), samples.prediction(4))
    assert client.take() == b""
    replica.tell(samples.prediction(6))
    assert [data["position"] for _, _, data in client.events()] == [6]


def test_resume_goes_on_exactly_after_the_id_and_sends_no_snapshot() -> None:
    replica = Replica().live()
    client = replica.client()
    client.take()
    replica.tell(*(samples.line(second) for second in range(10)))
    ids = [frame_id for _, frame_id, _ in client.events()]
    assert len(set(ids)) == 10
    resumed = replica.client(last_id=ids[6]).events()
    assert [(kind, frame_id) for kind, frame_id, _ in resumed] == [
        ("line", frame_id) for frame_id in ids[7:]
    ]
    assert dict(replica.feed.counts.resumes) == {"ring": 1}


@pytest.mark.parametrize("last_id", ["00000000-3", "rubbish", "-", "{epoch}-", "{epoch}-\u0663"])
def test_what_is_no_id_gives_a_gap_and_a_snapshot(last_id: str) -> None:
    replica = Replica().live()
    replica.tell(*(samples.line(second) for second in range(3)))
    head = replica.feed.head.token
    first = events(replica.client(last_id=last_id.format(epoch=head.split("-")[0])).take())
    assert [kind for kind, _, _ in first] == ["gap", "snapshot", "heartbeat"]
    assert "no id of this feed" in first[0][2]["reason"]
    assert first[0][1] is None  # a gap has no id: it must not be resumed from
    assert first[1][1] == head
    assert dict(replica.feed.counts.gaps) == {"bad_id": 1}


def test_an_id_beyond_the_end_of_kafka_was_never_given_out() -> None:
    replica = Replica().live()
    replica.tell(samples.line(1))
    ahead = Position(LAYOUT, replica.feed.head.offsets)
    ahead.move(0, 99)
    gap, snapshot = replica.client(last_id=ahead.token).events()
    assert "never given out" in gap[2]["reason"]
    assert snapshot[0] == "snapshot"


def test_what_kafka_no_longer_has_is_a_gap_with_the_reason() -> None:
    replica = Replica(ring=3).live()
    client = replica.client()
    client.events()
    replica.tell(*(samples.line(second) for second in range(10)))
    for place in replica.log.low:
        replica.log.low[place] = min(2, len(replica.log.records[place]))
    gap, snapshot = replica.client(last_id=client.last_id).events()
    assert "too old" in gap[2]["reason"]
    assert snapshot[0] == "snapshot"
    assert dict(replica.feed.counts.gaps) == {"gone": 1}


def test_further_behind_than_is_read_for_one_client_is_a_gap() -> None:
    replica = Replica(ring=3, resume_records=5).live()
    client = replica.client()
    client.events()
    replica.tell(*(samples.line(second) for second in range(8)))
    assert replica.client(last_id=client.last_id).kinds() == ["line"] * 8  # 5 of them from Kafka
    replica.tell(samples.line(8))
    gap, _ = replica.client(last_id=client.last_id).events()
    assert "too far behind: 6 records, at most 5" in gap[2]["reason"]


def test_a_slow_client_gets_the_newest_of_each_key_and_every_alert() -> None:
    replica = Replica(client_queue=10).live()
    slow, quick = replica.client(), replica.client()
    slow.take(), quick.take()
    alerts = [samples.signal(position) for position in range(1, 5)]
    for second in range(6):
        replica.tell(samples.line(second), samples.line(second, book="circa"), *alerts[second:][:1])
        assert "line" in quick.kinds()
    read = slow.events()
    assert [data["alert_id"] for kind, _, data in read if kind == "alert"] == [
        one.alert_id for one in alerts
    ]
    assert [(data["book"], data["occurred_at_us"]) for kind, _, data in read if kind == "line"] == [
        ("pinnacle", samples.at(5)),
        ("circa", samples.at(5)),
    ]
    assert replica.feed.counts.conflated == 10
    replica.tell(samples.line(20))
    assert slow.events() == quick.events()


def test_a_client_that_fell_out_of_the_ring_is_a_slow_one_and_not_a_gap() -> None:
    replica = Replica(ring=5).live()
    slow = replica.client()
    slow.take()
    replica.tell(*(samples.line(second) for second in range(8)), samples.signal(1))
    replica.tell(*(samples.line(second) for second in range(8, 30)))
    read = slow.events()
    # The oldest of the ring and the newest of what lies before it are one key: two at most.
    assert [kind for kind, _, _ in read].count("alert") == 1
    assert 1 <= [kind for kind, _, _ in read].count("line") <= 2
    assert read[-1][2]["occurred_at_us"] == samples.at(29)
    replica.tell(samples.line(30))
    assert slow.kinds() == ["line"]
    assert not replica.feed.counts.gaps


def test_what_a_filter_leaves_out_does_not_make_a_client_slow() -> None:
    replica = Replica(client_queue=10).live()
    client = replica.client(only(Kind.ALERT))
    client.take()
    replica.tell(*(samples.line(second) for second in range(40)), samples.signal(1))
    assert client.kinds() == ["alert"]
    assert replica.feed.counts.conflated == 0


def test_a_heartbeat_moves_the_id_of_a_client_whose_filter_lets_nothing_through() -> None:
    replica = Replica(ring=5).live()
    client = replica.client(only(Kind.ALERT))
    client.take()
    replica.tell(*(samples.line(second) for second in range(20)))
    replica.feed.beat()
    ((kind, frame_id, _),) = events(client.take())
    assert (kind, frame_id) == ("heartbeat", replica.feed.head.token)
    replica.tell(samples.signal(1))
    assert replica.client(only(Kind.ALERT), frame_id).kinds() == ["alert"]


def test_lost_records_give_everybody_a_gap_with_the_reason() -> None:
    replica = Replica().live()
    client, catching_up = replica.client(), replica.client()
    client.take(), catching_up.events()
    replica.tell(samples.line(0))
    back = replica.client(last_id=catching_up.last_id)
    replica.feed.lose("the broker no longer has them", {})
    for one in (client, back):
        told = one.events()
        # Who has just come back needs what was lost with the ring, and Kafka still has it.
        assert [kind for kind, _, _ in told] == (["gap", "snapshot"] if one is client else ["line"])
    replica.tell(samples.line(1))
    assert client.kinds() == back.kinds() == ["line"]


def test_losing_and_regaining_the_broker_is_told_at_once() -> None:
    replica = Replica().live()
    replica.tell(samples.game())
    client = replica.client()
    client.take()
    for reachable in (False, True):
        replica.feed.source(reachable, True)
        ((kind, _, beat),) = events(client.take())
        assert kind == "heartbeat"
        assert (beat["broker"], beat["stale"]) == (reachable, not reachable)
        assert beat["newest_us"] == samples.at(0)
    replica.feed.source(True, True)
    assert client.take() == b""


FILTERS = [
    (Filter(games=frozenset({samples.OTHER})), ["game"]),
    (
        Filter(markets=frozenset({Market.TOTAL})),
        ["prediction", "prediction", "stake", "locked", "alert", "settlement"],
    ),
    (
        Filter(kinds=frozenset({Kind.STAKE, Kind.ALERT, Kind.LOCKED})),
        ["stake", "locked", "alert", "alert"],
    ),
    (
        Filter(games=frozenset({samples.GAME}), kinds=frozenset({Kind.LINE})),
        ["line"],
    ),
]


@pytest.mark.parametrize(("wanted", "expected"), FILTERS)
def test_filters(wanted: Filter, expected: list[str]) -> None:
    replica = Replica().live()
    client = replica.client(Options(wanted))
    client.take()
    replica.tell(
        samples.line(1),
        samples.prediction(1, target=Target.RUNS, line=8.5),
        samples.prediction(1, target=Target.TOTAL, line=8.5),
        samples.prediction(1, target=Target.MONEYLINE),
        samples.stake(1, market=Market.TOTAL),
        samples.alert(1),
        samples.signal(1),
        samples.signal(1, market=Market.TOTAL, side=Side.OVER),
        samples.settlement("a"),
        samples.settlement("b", market=Market.TOTAL, side=Side.OVER, line=8.5),
        samples.game(game_id=samples.OTHER),
    )
    # A message about the whole game passes a market filter.
    assert client.kinds() == (expected if not wanted.markets else [*expected, "game"])


def quoted(edge: float | None) -> list[SideQuote]:
    return [SideQuote(side=Side.HOME, book="pinnacle", price=1.9, age_ms=1, edge=edge)]


def test_minimum_edge_tells_when_an_edge_is_gone_and_leaves_out_what_never_had_one() -> None:
    replica = Replica().live()
    replica.tell(samples.stake(1, edge=0.01), samples.prediction(1, best=quoted(0.05)))
    client = replica.client(Options(Filter(min_edge=0.03)))
    (snapshot,) = client.events()
    (game,) = snapshot[2]["games"]
    assert (len(game["stakes"]), len(game["predictions"])) == (0, 1)
    told: list[tuple[Message, bool]] = [
        (samples.stake(2, edge=0.02), False),
        (samples.stake(3, edge=0.03), True),
        (samples.stake(4, edge=0.01), True),  # it takes the place of one that was told
        (samples.stake(5, edge=0.01), False),
        (samples.stake(6, 0.0, edge=None), False),
        (samples.prediction(2, best=quoted(None)), True),
        (samples.prediction(3, best=quoted(0.02)), False),
        (samples.line(1), True),
        (samples.signal(7), True),
        (samples.alert(7), True),
        (samples.settlement(), True),
    ]
    replica.tell(*(message for message, _ in told))
    assert [data for _, _, data in client.events()] == [
        json.loads(message.model_dump_json()) for message, passes in told if passes
    ]


def test_fields_keep_what_is_asked_for_and_the_ids() -> None:
    replica = Replica().live()
    replica.tell(samples.game(), samples.line(1))
    client = replica.client(Options(fields=frozenset({"fair_price", "home"})))
    ((_, _, snapshot),) = client.events()
    (game,) = snapshot["games"]
    assert game["schedule"].keys() == {"game_id", "event_id", "home"}
    assert [line.keys() for line in game["lines"]] == [{"game_id", "event_id"}]
    replica.tell(samples.prediction(1), samples.stake(1), samples.game(1, home="Caf\u00e9"))
    assert [data.keys() for _, _, data in client.events()] == [
        {"game_id", "prediction_id", "fair_price"},
        {"game_id", "stake_id"},
        {"game_id", "event_id", "home"},
    ]


def test_conflated_windows_hold_one_value_a_key_and_all_alerts() -> None:
    replica = Replica().live()
    options = Options(conflate_ms=1_000)
    client, view = replica.client(options), replica.feed.view(options)
    client.take()
    for window in range(3):
        replica.tell(
            *(samples.line(10 * window + second) for second in range(4)),
            samples.signal(10 * window + 1),
            samples.signal(10 * window + 2),
            samples.line(10 * window + 5, book="circa"),
        )
        replica.feed.beat()
        ((kind, frame_id, _),) = events(client.take())
        # In the middle of a window nothing goes out, and the id does not run ahead of it.
        assert kind == "heartbeat"
        assert frame_id != replica.feed.head.token
        view.end_window()
        read = client.events()
        assert [kind for kind, _, _ in read] == ["line", "alert", "alert", "line"]
        assert read[0][2]["occurred_at_us"] == samples.at(10 * window + 3)
        assert read[-1][1] == replica.feed.head.token


def test_the_snapshot_is_filtered_too() -> None:
    replica = Replica().live()
    replica.tell(
        samples.game(),
        samples.game(game_id=samples.OTHER),
        samples.line(1),
        samples.line(1, market=Market.TOTAL),
        samples.stake(1),
        samples.alert(1),
        samples.signal(1),
        samples.signal(2, market=Market.TOTAL, side=Side.OVER),
        samples.settlement(),
        samples.settlement(
            result_id="r:corrected", settled_at_us=samples.START + 4 * 3_600_000_000
        ),
    )
    (game,) = replica.client().events()[0][2]["games"][:1]
    assert [one["position"] for one in game["signals"]] == [1, 2]
    assert [one["result_id"] for one in game["settlements"]] == ["r:corrected"]
    total = Filter(games=frozenset({samples.GAME}), markets=frozenset({Market.TOTAL}))
    (game,) = replica.client(Options(total)).events()[0][2]["games"]
    assert [one["position"] for one in game["signals"]] == [2]
    assert game["lock"]["kind"] == "locked"
    assert game["settlements"] == []
    wanted = Filter(
        games=frozenset({samples.GAME}),
        markets=frozenset({Market.TOTAL}),
        kinds=frozenset({Kind.LINE, Kind.STAKE}),
    )
    (game,) = replica.client(Options(wanted)).events()[0][2]["games"]
    assert [line["market"] for line in game["lines"]] == ["total"]
    assert (game["stakes"], game["lock"], game["signals"]) == ([], None, [])
    assert game["schedule"]["game_id"] == samples.GAME


def test_line_breaks_and_markup_in_names_stay_inside_the_data() -> None:
    nasty = "A\nevent: gap\r\ndata: {}\n\n</script>\u2028"
    for options in (Options(), Options(fields=frozenset({"home"}))):
        replica = Replica().live()
        client = replica.client(options)
        client.take()
        replica.tell(samples.game(home=nasty))
        wire = client.take()
        assert wire.count(b"\n") == 4  # id, event, data, end
        assert b"\r" not in wire
        ((kind, _, data),) = events(wire)
        assert (kind, data["home"]) == ("game", nasty)


def test_a_stream_ends_when_the_server_closes_the_feed() -> None:
    replica = Replica().live()
    replica.tell(samples.game())

    async def run() -> list[bytes]:
        feed = replica.feed
        chunks: list[bytes] = []

        async def follow() -> None:
            async for chunk in feed.stream(Options(), None):
                chunks.append(chunk)

        async def until(count: int) -> None:
            while len(chunks) < count:
                await asyncio.sleep(0)

        task = asyncio.create_task(follow())
        await asyncio.wait_for(until(3), 1)
        replica.tell(samples.line(1))
        await asyncio.wait_for(until(4), 1)
        feed.close()
        await asyncio.wait_for(task, 1)
        return chunks

    retry, *chunks = asyncio.run(run())
    assert retry == b"retry: 2000\n"
    read = [kind for kind, _, _ in events(b"".join(chunks)) if kind != "heartbeat"]
    assert read == ["snapshot", "line"]


def test_a_client_may_have_heartbeats_and_windows_of_its_own() -> None:
    """Their timers run while it is there, and go with it."""
    options = Options(conflate_ms=20, heartbeat_ms=10)
    replica = Replica().live()

    async def run() -> list[str]:
        stream = replica.feed.stream(options, None)
        chunks = [await anext(stream) for _ in range(5)]
        replica.tell(samples.line(1), samples.line(2))
        while b"event: line" not in chunks[-1]:
            chunks.append(await asyncio.wait_for(anext(stream), 2))
        await stream.aclose()
        return [kind for kind, _, _ in events(b"".join(chunks))]

    kinds = asyncio.run(run())
    assert kinds.count("heartbeat") >= 2
    assert kinds.count("line") == 1
    assert replica.feed.view(options).beats == 1, "a new one: the old view went with its client"


def test_the_snapshot_says_how_often_this_client_hears() -> None:
    replica = Replica().live()
    ((_, _, data),) = replica.client(Options(heartbeat_ms=7_000)).events()
    assert data["rules"] == RULES.model_dump() | {"heartbeat_ms": 7_000}


def test_a_starting_replica_fills_its_ring_with_the_latest_whatever_is_read_last() -> None:
    """Partitions come one after the other, and the last one read is not the latest."""
    log = Log()
    log.send(*(samples.line(second) for second in range(0, 40, 2)))
    log.send(*(samples.game(second, game_id=samples.OTHER) for second in range(1, 40, 2)))
    log.send(*(samples.result(second) for second in range(5)))
    replica = Replica(log, ring=6).live()
    kept = replica.feed.ring.since(replica.feed.ring.first) or []
    assert [(one.kind, one.offset) for one in kept] == [
        *(("line", 17), ("game", 17), ("line", 18), ("game", 18), ("line", 19), ("game", 19))
    ]


def test_a_partition_that_comes_while_a_client_reads_the_past_is_no_gap() -> None:
    log = Log()
    replica = Replica(log, ring=2).live()
    client = replica.client()
    client.events()
    replica.tell(*(samples.line(second) for second in range(6)))
    back = replica.client(last_id=client.last_id)

    async def run() -> list[bytes]:
        reading = back.follower.from_kafka()
        found = []
        async for wires in reading:
            found += wires
            more = (*LAYOUT.shapes[:-1], Shape(LAYOUT.shapes[-1].name, "id", 3))
            replica.feed.arrange(replica.feed.layout.grown("c", more), {})
        return found

    assert back.follower.take()[0].startswith(b"id: ")  # a heartbeat: it is away
    read = [kind for kind, _, _ in events(b"".join(asyncio.run(run())))]
    assert read + back.kinds() == ["line"] * 6
    replica.tell(samples.line(6))
    assert back.kinds() == client.kinds()[-1:] == ["line"]
    assert not replica.feed.counts.gaps
