"""Rising edges: told once, ended, told again; the same after restarts and in any batches."""

import json
from itertools import pairwise

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.steps.alerts import AlertStep, Watched
from flows.steps.records import Outgoing
from models.features.signals import Signal
from schemas.decisions import Alert, AlertKind
from schemas.errors import ConfigError
from schemas.markets import Market, Side
from schemas.topics import Topic
from tests import samples

STEAM = Signal(
    AlertKind.STEAM,
    Market.MONEYLINE,
    Side.HOME,
    ("moneyline_steam_15m", "moneyline_change_15m"),
    (3.0, 0.02),
)
OTHER_WAY = STEAM._replace(side=Side.AWAY)
TOTAL = STEAM._replace(market=Market.TOTAL, side=Side.OVER)
SURE = Signal(
    AlertKind.ARBITRAGE,
    Market.MONEYLINE,
    None,
    ("moneyline_arbitrage_margin",),
    (-0.02,),
    ((2.1, "circa"), (2.0, "betus")),
)
LEAD = Signal(
    AlertKind.LEADER_MOVE,
    Market.MONEYLINE,
    Side.HOME,
    ("moneyline_sharp_lead_15m",),
    (0.02,),
)

# A rule speaks for one side of a market at a time.
ROW = st.tuples(
    st.sampled_from([(), (STEAM,), (OTHER_WAY,)]),
    st.sampled_from([(), (TOTAL,)]),
    st.sampled_from([(), (SURE,)]),
    st.sampled_from([(), (LEAD,)]),
).map(lambda parts: sum(parts, ()))
HISTORY = st.lists(ROW, max_size=25)


def watched(*rows: tuple[Signal, ...]) -> list[Watched]:
    return [
        Watched(samples.GAME, 10 + at, samples.at(at), False, signals)
        for at, signals in enumerate(rows)
    ]


def read(out: list[Outgoing]) -> list[Alert]:
    return [Alert.model_validate_json(message.value) for message in out]


def told(*rows: tuple[Signal, ...]) -> list[tuple[int, AlertKind, Side | None]]:
    alerts = read(AlertStep(None).on_batch(watched(*rows)))
    return [(alert.position, alert.kind, alert.side) for alert in alerts]


def test_one_alert_when_it_begins_none_while_it_lasts_another_when_it_begins_anew() -> None:
    assert told((STEAM,), (STEAM,), (), (STEAM,)) == [
        (10, AlertKind.STEAM, Side.HOME),
        (13, AlertKind.STEAM, Side.HOME),
    ]


def test_the_other_side_is_another_signal() -> None:
    assert [one[2] for one in told((STEAM,), (OTHER_WAY,), (OTHER_WAY,), (STEAM,))] == [
        Side.HOME,
        Side.AWAY,
        Side.HOME,
    ]


def test_markets_and_kinds_do_not_hide_each_other() -> None:
    assert len(told((STEAM,), (STEAM, TOTAL), (STEAM, TOTAL, SURE), (TOTAL, LEAD))) == 4


def test_changed_numbers_are_no_new_signal() -> None:
    stronger = STEAM._replace(numbers=(7.0, 0.05))
    assert len(told((STEAM,), (stronger,))) == 1


def test_the_message_says_what_where_and_by_which_numbers() -> None:
    [row] = watched((STEAM,))
    [message] = AlertStep(None).on_batch([row._replace(simulated=True)])
    assert (message.topic, message.key) == (Topic.ALERTS, samples.GAME)
    assert message.message_id == f"{samples.GAME}:10:steam:moneyline"
    assert message.timestamp_us == samples.at(0)
    assert json.loads(message.value) == {
        "game_id": samples.GAME,
        "position": 10,
        "as_of_us": samples.at(0),
        "simulated": True,
        "alert_id": message.message_id,
        "kind": "steam",
        "detail": "net 3 books to home in 15 min, consensus by 2.0%",
        "market": "moneyline",
        "side": "home",
        "values": {"moneyline_steam_15m": 3.0, "moneyline_change_15m": 0.02},
    }


@given(HISTORY)
def test_never_two_alerts_without_an_end_between(rows: list[tuple[Signal, ...]]) -> None:
    alerts = read(AlertStep(None).on_batch(watched(*rows)))
    assert len({alert.alert_id for alert in alerts}) == len(alerts)
    for condition in {(one.kind, one.market, one.side) for one in alerts}:
        at = [a.position - 10 for a in alerts if (a.kind, a.market, a.side) == condition]
        held = [any(one.condition == condition for one in signals) for signals in rows]
        assert all(held[position] for position in at)
        for first, second in pairwise(at):
            assert not all(held[first:second])
        # And every beginning is told.
        assert len(at) == sum(now and not before for before, now in pairwise([False, *held]))


@given(HISTORY, st.data())
def test_batches_and_restarts_change_nothing(
    rows: list[tuple[Signal, ...]], data: st.DataObject
) -> None:
    history = watched(*rows)
    whole = AlertStep(None).on_batch(history)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=5)))
    parts = [history[a:b] for a, b in pairwise([0, *cuts, len(rows)])]
    step, by_parts = AlertStep(None), list[Outgoing]()
    for part in parts:
        by_parts += step.on_batch(part)
        if data.draw(st.booleans()):
            kept = step.snapshot()
            # Bytewax forgets a step that is idle.
            step = AlertStep(None if step.idle else kept)
            assert AlertStep(kept).snapshot() == kept
    assert by_parts == whole


def test_a_snapshot_of_another_version_stops_the_start() -> None:
    packed = msgpack.packb({"version": 99, "active": []})
    with pytest.raises(ConfigError, match="recovery state"):
        AlertStep(packed)
