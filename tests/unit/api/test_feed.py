"""The feed's promises: snapshot first, exact resume, explicit gaps, bounded clients."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.board import Board, Message
from api.feed import Client, Feed
from api.filters import Filter, Kind
from api.snapshot import Rules
from schemas.markets import Market, Side, Target
from tests import samples

RULES = Rules(cutoff_us=3_600_000_000, stale_us=1_800_000_000, heartbeat_ms=1_000)
ALL = Filter()

Event = tuple[str, str | None, Any]
"""Event type, id, data."""


def events(wire: bytes) -> list[Event]:
    """Read SSE by its specification's rules, not by the encoder's habits."""
    found: list[Event] = []
    for block in wire.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
    return found


def kinds(wire: bytes) -> list[str]:
    return [kind for kind, _, _ in events(wire) if kind != "heartbeat"]


def live_feed(*before: Message, ring: int = 100, client_queue: int = 50) -> Feed:
    feed = Feed(Board(), RULES, ring=ring, client_queue=client_queue)
    feed.publish(before)
    feed.source(True, True)
    return feed


def test_snapshot_holds_what_was_read_before_and_is_not_repeated_as_frames() -> None:
    feed = live_feed(samples.game(), samples.line(1), samples.prediction(1))
    client = Client(feed, ALL, None)
    first = events(client.take())
    assert [kind for kind, _, _ in first] == ["snapshot", "heartbeat"]
    (game,) = first[0][2]["games"]
    assert game["schedule"]["home"] == "New York Yankees"
    assert game["lines"] == [json.loads(samples.line(1).model_dump_json())]
    assert game["predictions"][0]["probability"] == 0.55
    assert client.take() == b""


def test_a_frame_is_the_message_as_its_topic_has_it() -> None:
    feed = live_feed()
    client = Client(feed, ALL, None)
    client.take()
    feed.publish([samples.alert(1)])
    assert events(client.take()) == [
        ("alert", f"{feed.epoch}-1", json.loads(samples.alert(1).model_dump_json()))
    ]


def test_a_message_is_encoded_once_for_all_clients() -> None:
    feed = live_feed()
    first, second = Client(feed, ALL, None), Client(feed, ALL, None)
    first.take(), second.take()
    feed.publish([samples.line(1)])
    (one,), (other,) = feed.since(0) or [], feed.since(0) or []
    assert one.wire is other.wire
    assert first.take() == second.take() == one.wire
    assert feed.snapshot(ALL) is feed.snapshot(ALL)


def test_until_caught_up_there_are_heartbeats_and_no_half_snapshot() -> None:
    feed = Feed(Board(), RULES, ring=10, client_queue=10)
    client = Client(feed, ALL, None)
    ((kind, frame_id, beat),) = events(client.take())
    assert (kind, frame_id, beat["stale"]) == ("heartbeat", None, True)
    feed.publish([samples.game()])
    assert client.take() == b""
    feed.source(True, True)
    kind, _, data = events(client.take())[0]
    assert kind == "snapshot"
    assert [game["game_id"] for game in data["games"]] == [samples.GAME]
    assert data["stale"] is False


def test_repeated_and_late_messages_are_not_sent() -> None:
    feed = live_feed(samples.prediction(5))
    client = Client(feed, ALL, None)
    client.take()
    feed.publish([samples.prediction(5), samples.prediction(4)])
    assert client.take() == b""
    feed.publish([samples.prediction(6)])
    assert [data["position"] for _, _, data in events(client.take())] == [6]


def test_resume_goes_on_exactly_after_the_id_and_sends_no_snapshot() -> None:
    feed = live_feed()
    feed.publish(samples.line(second) for second in range(10))
    resumed = Client(feed, ALL, f"{feed.epoch}-7")
    wire = resumed.take()
    assert kinds(wire) == ["line", "line", "line"]
    assert [frame_id for kind, frame_id, _ in events(wire) if kind == "line"] == [
        f"{feed.epoch}-{number}" for number in (8, 9, 10)
    ]


@pytest.mark.parametrize(
    ("last_id", "why"),
    [
        ("00000000-3", "restarted"),
        ("rubbish", "restarted"),
        ("{epoch}-", "restarted"),
        ("{epoch}-\u0663", "restarted"),  # a digit, but not one of ours
        ("{epoch}--1", "restarted"),
        ("{epoch}-2", "too far behind"),
        ("{epoch}-999", "never given out"),
        ("{epoch}-" + "9" * 5_000, "never given out"),
    ],
)
def test_an_id_that_cannot_be_resumed_gives_a_gap_and_a_snapshot(last_id: str, why: str) -> None:
    feed = live_feed(ring=5)
    feed.publish(samples.line(second) for second in range(10))
    first = events(Client(feed, ALL, last_id.format(epoch=feed.epoch)).take())
    assert [kind for kind, _, _ in first] == ["gap", "snapshot", "heartbeat"]
    assert why in first[0][2]["reason"]
    assert first[0][1] is None  # a gap has no id: it must not be resumed from
    assert first[1][1] == f"{feed.epoch}-10"


def test_the_oldest_id_in_the_ring_still_resumes() -> None:
    feed = live_feed(ring=5)
    feed.publish(samples.line(second) for second in range(10))
    assert kinds(Client(feed, ALL, f"{feed.epoch}-5").take()) == ["line"] * 5
    assert kinds(Client(feed, ALL, f"{feed.epoch}-4").take()) == ["gap", "snapshot"]


def test_a_slow_client_gets_a_gap_and_a_snapshot_and_others_do_not() -> None:
    feed = live_feed(client_queue=10)
    slow, quick = Client(feed, ALL, None), Client(feed, ALL, None)
    slow.take(), quick.take()
    for second in range(11):
        feed.publish([samples.line(second)])
        assert kinds(quick.take()) == ["line"]
    wire = slow.take()
    assert kinds(wire) == ["gap", "snapshot"]
    assert "too slow" in events(wire)[0][2]["reason"]
    feed.publish([samples.line(20)])
    assert kinds(slow.take()) == kinds(quick.take()) == ["line"]


def test_what_a_filter_leaves_out_does_not_make_a_client_slow() -> None:
    feed = live_feed(client_queue=10)
    client = Client(feed, Filter(kinds=frozenset({Kind.ALERT})), None)
    client.take()
    feed.publish([*(samples.line(second) for second in range(40)), samples.alert(1)])
    assert kinds(client.take()) == ["alert"]


def test_a_heartbeat_moves_the_id_of_a_client_whose_filter_lets_nothing_through() -> None:
    feed = live_feed(ring=5)
    alerts = Filter(kinds=frozenset({Kind.ALERT}))
    client = Client(feed, alerts, None)
    client.take()
    for second in range(20):
        feed.publish([samples.line(second)])
        client.take()
    feed.beat()
    ((kind, frame_id, _),) = events(client.take())
    assert (kind, frame_id) == ("heartbeat", f"{feed.epoch}-20")
    feed.publish([samples.alert(1)])
    assert kinds(Client(feed, alerts, frame_id).take()) == ["alert"]


def test_lost_records_give_everybody_a_gap_with_the_reason() -> None:
    feed = live_feed(samples.game())
    client = Client(feed, ALL, None)
    client.take()
    feed.lose("the broker no longer has them")
    wire = client.take()
    assert kinds(wire) == ["gap", "snapshot"]
    assert events(wire)[0][2] == {"reason": "the broker no longer has them"}
    feed.publish([samples.line(1)])
    assert kinds(client.take()) == ["line"]


def test_losing_and_regaining_the_broker_is_told_at_once() -> None:
    feed = live_feed(samples.game())
    client = Client(feed, ALL, None)
    client.take()
    for reachable in (False, True):
        feed.source(reachable, True)
        ((kind, _, beat),) = events(client.take())
        assert kind == "heartbeat"
        assert (beat["broker"], beat["stale"]) == (reachable, not reachable)
        assert beat["newest_us"] == samples.at(0)
    feed.source(True, True)
    assert client.take() == b""


FILTERS = [
    (Filter(games=frozenset({samples.OTHER})), ["game"]),
    (
        Filter(markets=frozenset({Market.TOTAL})),
        ["prediction", "prediction", "stake", "alert", "alert"],
    ),
    (Filter(kinds=frozenset({Kind.STAKE, Kind.ALERT})), ["stake", "alert", "alert", "alert"]),
    (
        Filter(games=frozenset({samples.GAME}), kinds=frozenset({Kind.LINE})),
        ["line"],
    ),
]


@pytest.mark.parametrize(("wanted", "expected"), FILTERS)
def test_filters(wanted: Filter, expected: list[str]) -> None:
    feed = live_feed()
    client = Client(feed, wanted, None)
    client.take()
    feed.publish(
        [
            samples.line(1),
            samples.prediction(1, target=Target.RUNS, line=8.5),
            samples.prediction(1, target=Target.TOTAL, line=8.5),
            samples.prediction(1, target=Target.MONEYLINE),
            samples.stake(1, market=Market.TOTAL),
            samples.alert(1),
            samples.signal(1),
            samples.signal(1, market=Market.TOTAL, side=Side.OVER),
            samples.game(game_id=samples.OTHER),
        ]
    )
    got = kinds(client.take())
    # A message about the whole game passes a market filter.
    assert got == (expected if not wanted.markets else [*expected, "game"])


def test_the_snapshot_is_filtered_too() -> None:
    feed = live_feed(
        samples.game(),
        samples.game(game_id=samples.OTHER),
        samples.line(1),
        samples.line(1, market=Market.TOTAL),
        samples.stake(1),
        samples.alert(1),
        samples.signal(1),
        samples.signal(2, market=Market.TOTAL, side=Side.OVER),
    )
    (game,) = events(Client(feed, ALL, None).take())[0][2]["games"][:1]
    assert [one["position"] for one in game["signals"]] == [1, 2]
    total = Filter(games=frozenset({samples.GAME}), markets=frozenset({Market.TOTAL}))
    (game,) = events(Client(feed, total, None).take())[0][2]["games"]
    assert [one["position"] for one in game["signals"]] == [2]
    assert game["lock"]["kind"] == "locked"
    wanted = Filter(
        games=frozenset({samples.GAME}),
        markets=frozenset({Market.TOTAL}),
        kinds=frozenset({Kind.LINE, Kind.STAKE}),
    )
    (game,) = events(Client(feed, wanted, None).take())[0][2]["games"]
    assert [line["market"] for line in game["lines"]] == ["total"]
    assert (game["stakes"], game["lock"], game["signals"]) == ([], None, [])
    assert game["schedule"]["game_id"] == samples.GAME


def test_line_breaks_and_markup_in_names_stay_inside_the_data() -> None:
    nasty = "A\nevent: gap\r\ndata: {}\n\n</script>\u2028"
    feed = live_feed()
    client = Client(feed, ALL, None)
    client.take()
    feed.publish([samples.game(home=nasty)])
    wire = client.take()
    assert wire.count(b"\n") == 4  # id, event, data, end
    assert b"\r" not in wire
    ((kind, _, data),) = events(wire)
    assert (kind, data["home"]) == ("game", nasty)


def test_a_stream_ends_when_the_server_closes_the_feed() -> None:
    async def run() -> list[bytes]:
        feed = live_feed(samples.game())
        chunks: list[bytes] = []

        async def follow() -> None:
            async for chunk in feed.stream(ALL, None):
                chunks.append(chunk)

        async def until(count: int) -> None:
            while len(chunks) < count:
                await asyncio.sleep(0)

        task = asyncio.create_task(follow())
        await asyncio.wait_for(until(2), 1)
        feed.publish([samples.line(1)])
        await asyncio.wait_for(until(3), 1)
        feed.close()
        await asyncio.wait_for(task, 1)
        return chunks

    retry, *chunks = asyncio.run(run())
    assert retry == b"retry: 2000\n"
    assert kinds(b"".join(chunks)) == ["snapshot", "line"]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_cut_and_resume_gives_what_an_uninterrupted_client_got(data: st.DataObject) -> None:
    """Clients come, go and read at any moment; ids join the pieces without loss or repeat."""
    feed = live_feed(ring=1_000, client_queue=1_000)
    wanted = data.draw(st.sampled_from([ALL, *(one for one, _ in FILTERS)]))
    steady, cut = Client(feed, wanted, None), Client(feed, wanted, None)
    whole, pieces = events(steady.take()), events(cut.take())
    position = 0
    for step in data.draw(st.lists(st.sampled_from(["publish", "read", "cut", "beat"]))):
        if step == "publish":
            position += 1
            burst: list[Message] = [
                samples.line(position),
                samples.prediction(position, target=Target.TOTAL, line=8.5),
                samples.stake(position),
                samples.game(position, game_id=samples.OTHER),
                samples.alert(position),
            ]
            feed.publish(data.draw(st.lists(st.sampled_from(burst), unique_by=id)))
        elif step == "beat":
            feed.beat()
        elif step == "read":
            pieces += events(cut.take())
        else:
            last_id = [frame_id for _, frame_id, _ in pieces if frame_id][-1]
            cut = Client(feed, wanted, last_id)
        whole += events(steady.take())
    pieces += events(cut.take())
    beatless = [[one for one in got if one[0] != "heartbeat"] for got in (whole, pieces)]
    assert beatless[0] == beatless[1]
