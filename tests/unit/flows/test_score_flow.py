"""The score flow as a graph: alerts come out of it, whatever the batches and the crashes."""

import json
import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, run_main

from flows.connectors.metrics import Metrics
from flows.score import score_flow
from flows.steps.records import FeatureBlob, Outgoing, Record
from flows.steps.score import Scorer
from schemas.decisions import Alert, AlertKind
from schemas.errors import ConfigError
from schemas.events import Event
from schemas.markets import Market, Side
from schemas.sections.scoring import AlertSettings
from schemas.settings import Settings
from schemas.topics import Topic
from schemas.wire import SCHEMA_VERSION
from tests import samples
from tests.unit.boosters import models
from tests.unit.streams import CUTOFF, seconds, splits

BOOKS = ("pinnacle", "circa", "draftkings", "fanduel", "betmgm")
MINUTE = 60.0
AT = {Topic.GAMES: 0, Topic.SPLITS: 0, Topic.LINES: 0}


def story(game_id: str, second: float) -> list[Event]:
    """Three hours of calm against a public on home, then steam to home, calm, and steam again."""
    of = {"game_id": game_id}
    events: list[Event] = [samples.game(second, **of)]

    def board(after: float, home: float, away: float) -> None:
        for place, book in enumerate(BOOKS):
            at = second + after + place
            events.append(samples.line(at, home, away, book=book, settles=book == BOOKS[-1], **of))

    def stands(after: float) -> None:
        events.append(samples.game(second + after, source="odds", quotes_stand=True, **of))

    board(MINUTE, 1.95, 1.95)
    events.append(splits(second + 2 * MINUTE, 80.0, event_id=f"s1:{game_id}", **of))
    for minute in range(15, 195, 15):
        stands(minute * MINUTE)
    events.append(splits(second + 190 * MINUTE, 80.0, event_id=f"s2:{game_id}", **of))
    board(195 * MINUTE, 1.90, 2.00)  # steam to home; and no longer frozen
    stands(205 * MINUTE)
    board(215 * MINUTE, 1.90, 2.00)  # said again: nothing moved in 15 min
    board(235 * MINUTE, 1.80, 2.12)
    return events


def records(games: int = 3) -> list[Record]:
    """Games side by side."""
    return as_records(
        sorted(
            (
                event
                for number in range(1, games + 1)
                for event in story(f"mlb-2026-07-20-BOS-NYY-{number}", number * 7.0)
            ),
            key=lambda event: event.occurred_at_us,
        )
    )


def as_records(events: list[Event]) -> list[Record]:
    """As Kafka gives them."""
    found, offsets = [], Counter[Topic]()
    for event in events:
        topic = {"GameUpdate": Topic.GAMES, "LineMovement": Topic.LINES}.get(
            type(event).__name__, Topic.SPLITS
        )
        found.append(
            Record(
                topic,
                0,
                offsets[topic],
                event.occurred_at_us,
                event.game_id.encode(),
                event.model_dump_json().encode(),
                SCHEMA_VERSION,
            )
        )
        offsets[topic] += 1
    return found


SETTINGS = Settings(alerts=AlertSettings(steam_change=0.005))


def play(
    inputs: list[Any],
    batch: int = 10,
    recovery: Path | None = None,
    epoch: timedelta = timedelta(0),
    meter: Metrics | None = None,
    out: list[Any] | None = None,
) -> list[Outgoing]:
    """What one run writes; goes on from `recovery`."""
    sent: list[tuple[str, list[Outgoing]]] = [] if out is None else out
    vectors: list[FeatureBlob] = []
    source: Any = TestingSource(inputs, batch_size=batch)
    sink: Any = TestingSink(sent)
    flow = score_flow(
        SETTINGS, source, sink, TestingSink(vectors), Scorer(SETTINGS, models()), meter
    )
    if recovery is None:
        run_main(flow)
    else:
        run_main(flow, epoch_interval=epoch, recovery_config=RecoveryConfig(str(recovery)))
    return [message for _, messages in sent for message in messages]


def alerts(messages: list[Outgoing]) -> dict[str, Alert]:
    return {
        message.message_id: Alert.model_validate_json(message.value)
        for message in messages
        if message.topic is Topic.ALERTS
    }


def test_a_games_signals_begin_last_and_begin_anew() -> None:
    found = list(alerts(play(records(1))).values())
    assert [(one.kind, one.market, one.side) for one in found] == [
        (AlertKind.LINE_FREEZE, Market.MONEYLINE, Side.AWAY),
        (AlertKind.STEAM, Market.MONEYLINE, Side.HOME),
        (AlertKind.STEAM, Market.MONEYLINE, Side.HOME),
    ]
    freeze, first, second = found
    assert freeze.values["moneyline_tickets"] == 80.0
    assert first.values["moneyline_steam_15m"] == 5.0
    assert first.position < second.position
    # 5 quotes of the same price each: what is said again is no move.
    assert second.as_of_us == samples.at(7 + 235 * MINUTE + 4)


@pytest.mark.parametrize("batch", [1, 3, 50, 1_000])
def test_batches_change_no_message(batch: int) -> None:
    undisturbed = play(records(), batch=7)
    assert alerts(undisturbed)
    assert sorted(play(records(), batch=batch)) == sorted(undisturbed)


@pytest.mark.parametrize("epoch", [timedelta(0), timedelta(seconds=10)])
def test_crashes_add_no_alert_and_lose_none(tmp_path: Path, epoch: timedelta) -> None:
    """After each batch a snapshot, or none before the crash: then everything is said again."""
    undisturbed = alerts(play(records()))
    init_db_dir(tmp_path, 1)
    inputs: list[Any] = records()
    # A crash while the first steam lasts in some games and has not begun in others, and another.
    steam = sorted(one.as_of_us for one in undisturbed.values() if one.kind is AlertKind.STEAM)
    for moment in (steam[4], steam[1]):
        at = next(n for n, record in enumerate(inputs) if record.timestamp_us > moment)
        inputs.insert(at, TestingSource.ABORT())
    said: list[Outgoing] = []
    for _ in range(3):
        out: list[Any] = []
        play(inputs, batch=4, recovery=tmp_path, epoch=epoch, out=out)
        said += [message for _, messages in out for message in messages]
    assert alerts(said) == undisturbed


def test_a_locked_game_raises_none() -> None:
    quiet = [r for r in records(1) if r.topic is not Topic.LINES]
    jump = [
        samples.line(
            seconds(CUTOFF) + 1 + place,
            1.2,
            4.5,
            book=book,
            game_id="mlb-2026-07-20-BOS-NYY-1",
        )
        for place, book in enumerate(BOOKS)
    ]
    late = [
        Record(
            Topic.LINES,
            0,
            100 + place,
            event.occurred_at_us,
            event.game_id.encode(),
            event.model_dump_json().encode(),
            SCHEMA_VERSION,
        )
        for place, event in enumerate(jump)
    ]
    assert [one.kind for one in alerts(play([*quiet, *late])).values()] == [AlertKind.LOCKED]


def scrape(port: int) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return {
        name: float(value)
        for name, value in re.findall(r"^(steamline_\S+) (\S+)$", text, re.MULTILINE)
    }


def test_a_scrape_says_what_passed() -> None:
    inputs = records()
    broken = inputs[0]._replace(offset=10_000, value=b"{")
    stranger = inputs[0]._replace(offset=10_001, version=b"99")
    meter = Metrics()
    port = meter.serve("127.0.0.1", 0)
    before = scrape(port)
    assert before["steamline_score_rows_total"] == 0
    assert before['steamline_score_source_age_seconds_count{source="context"}'] == 0
    messages = play([*inputs, broken, stranger, broken._replace(offset=10_002)], meter=meter)
    seen = scrape(port)
    topics = Counter(record.topic for record in inputs)
    assert seen['steamline_score_records_total{topic="lines"}'] == topics[Topic.LINES]
    assert seen['steamline_score_records_total{topic="games"}'] == topics[Topic.GAMES] + 3
    assert seen['steamline_score_dead_letters_total{reason="malformed_json"}'] == 2
    assert seen['steamline_score_dead_letters_total{reason="wrong_schema"}'] == 1
    for topic in (Topic.PREDICTIONS, Topic.STAKES, Topic.ALERTS, Topic.DEAD_LETTERS):
        sent = sum(message.topic is topic for message in messages)
        assert seen[f'steamline_score_messages_total{{topic="{topic.value}"}}'] == sent
    kinds = Counter(one.kind for one in alerts(messages).values())
    assert seen['steamline_score_alerts_total{kind="steam"}'] == kinds[AlertKind.STEAM] == 6
    positions = {
        (fields["game_id"], fields["position"])
        for fields in (
            json.loads(m.value) for m in messages if m.topic in (Topic.PREDICTIONS, Topic.STAKES)
        )
    }
    assert seen["steamline_score_rows_total"] == len(positions)
    vectors = seen["steamline_score_vectors_total"]
    assert 3 <= vectors <= len(positions)
    assert seen['steamline_score_vector_completeness_ratio_count{category="market"}'] == vectors
    assert seen['steamline_score_source_age_seconds_count{source="games"}'] == vectors
    newest = max(record.timestamp_us for record in inputs) / 1e6
    assert seen["steamline_score_newest_timestamp_seconds"] == pytest.approx(newest, abs=1e-3)


def test_a_port_that_is_taken_is_a_setting_to_mend() -> None:
    port = Metrics().serve("127.0.0.1", 0)
    with pytest.raises(ConfigError, match="STEAMLINE_SCORE_METRICS_PORT"):
        Metrics().serve("127.0.0.1", port)
