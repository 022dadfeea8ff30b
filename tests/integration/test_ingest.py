"""`steamline ingest` as a process: local server in, real Kafka out."""

import json
import signal
from base64 import b64decode
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from deploy.stack.kafka import KafkaBroker
from schemas.topics import Topic
from tests.answering import Answering, Reply, answering
from tests.polled import GAMES, Polled, board_rows, quoted, schedule_rows, standing
from tests.system import read_topic, wait_for


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as server:
        server.rows("/schedule", schedule_rows)
        server.rows("/odds", lambda: board_rows(1), **{"Last-Modified": made_at(1)})
        yield server


@pytest.fixture
def polled(kafka: KafkaBroker, server: Answering, tmp_path: Path) -> Iterator[Polled]:
    with Polled(kafka.bootstrap, tmp_path, server.url) as polled:
        yield polled


def made_at(version: int) -> str:
    return f"Mon, 20 Jul 2026 17:{version:02d}:00 GMT"


def test_one_look_puts_everything_on_its_topic(polled: Polled, server: Answering) -> None:
    summary = polled.run("--once")
    rows = board_rows(1)
    assert summary["sources"]["oddsapi"]["looks"] == {"new": 1}
    assert summary["sources"]["oddsapi"]["events"] == {"games": len(GAMES), "lines": len(rows)}
    assert summary["sources"]["mlb_stats"]["events"] == {"games": len(GAMES)}
    assert (summary["waiting"], summary["alarms"]) == ([], [])
    assert standing(polled.said([Topic.LINES])) == quoted(1)
    for topic in (Topic.GAMES, Topic.LINES):
        for message in read_topic(polled.bootstrap, topic.full(polled.prefix)):
            value = json.loads(message.value() or b"")
            assert dict(message.headers() or ()) == {
                "schema": topic.value.encode(),
                "version": b"1",
                "id": value["event_id"].encode(),
            }
            assert message.key() == value["game_id"].encode()
            assert message.timestamp()[1] == value["occurred_at_us"] // 1_000
    assert polled.letters() == []


def test_the_same_payload_polled_twice_adds_nothing(polled: Polled) -> None:
    polled.run("--once")
    before = polled.ids()
    summary = polled.run("--once")
    assert summary["sources"]["oddsapi"]["looks"] == {"new": 1}, "it was looked at"
    assert summary["sources"]["oddsapi"]["events"] == {}
    assert polled.ids() == before
    assert polled.letters() == []


def test_the_embedded_broker_does_too(mock_kafka: str, server: Answering, tmp_path: Path) -> None:
    # It cannot find offsets by time: all it has is read back.
    with Polled(mock_kafka, tmp_path, server.url, create=False) as polled:
        polled.run("--once")
        before = polled.ids()
        assert len(before) == 2 * len(GAMES) + len(board_rows(1))
        assert polled.run("--once")["sources"]["oddsapi"]["events"] == {}
        assert polled.ids() == before


def test_a_recording_played_elsewhere_says_the_same(
    polled: Polled, server: Answering, kafka: KafkaBroker, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    for version in (1, 2, 3):
        server.rows("/odds", partial(board_rows, version), **{"Last-Modified": made_at(version)})
        polled.run("--once", "--record", str(kept))
    assert len(list(kept.iterdir())) == 6
    with Polled(kafka.bootstrap, tmp_path) as other:
        summary = other.run("--from", str(kept))
        assert summary["sources"]["oddsapi"]["looks"] == {"new": 3}
        by_id = {one["event_id"]: one for one in polled.said()}
        assert {one["event_id"]: one for one in other.said()} == by_id
        # Once more: it knows it all.
        before = other.ids()
        assert other.run("--from", str(kept))["sources"]["oddsapi"]["events"] == {}
        assert other.ids() == before


def test_one_failing_source_stops_no_other_and_is_told(polled: Polled, server: Answering) -> None:
    server.on("/odds", Reply(500, headers={"Retry-After": "0"}))
    child = polled.start(
        STEAMLINE_INGEST_BREAKER_FAILURES="2",
        STEAMLINE_INGEST_BREAKER_SECONDS="1",
        STEAMLINE_INGEST_METRICS_PORT="0",
    )
    child.wait_for(lambda: "alarm breaker_open: oddsapi" in child.said, "an open breaker")
    asked = server.times("/schedule")
    child.wait_for(lambda: server.times("/schedule") > asked + 2, "the schedule polled on")
    url = next(word for word in child.said.split() if word.endswith("/metrics"))
    metrics = httpx.get(url).text
    assert 'steamline_ingest_alarm_active{alarm="unreachable",source="oddsapi"} 1.0' in metrics
    assert 'steamline_ingest_alarm_active{alarm="unreachable",source="mlb_stats"} 0.0' in metrics
    assert 'steamline_ingest_looks_total{outcome="failed",source="oddsapi"}' in metrics
    # It mends itself.
    server.rows("/odds", lambda: board_rows(1), **{"Last-Modified": made_at(1)})
    child.wait_for(lambda: standing(polled.said([Topic.LINES])) == quoted(1), "prices")
    child.wait_for(lambda: "over: breaker_open: oddsapi" in child.said, "the alarm over")
    child.stop(signal.SIGTERM)
    assert "s3cret" not in child.said
    assert "Traceback" not in child.said


def test_a_changed_payload_is_a_letter_and_an_alarm(polled: Polled, server: Answering) -> None:
    server.on("/odds", Reply(body=b"<html>We have moved</html>"))
    summary = polled.run("--once")
    (alarm,) = summary["alarms"]
    assert (alarm["source"], alarm["alarm"]) == ("oddsapi", "payload_changed")
    (letter,) = polled.letters()
    assert b64decode(letter["value_base64"]) == b"<html>We have moved</html>"
    assert letter["source"] == "oddsapi/odds"


def test_an_answer_too_long_is_a_letter_and_a_failed_look(
    polled: Polled, server: Answering
) -> None:
    server.on("/odds", Reply(body=b"x" * 20_000))
    summary = polled.run("--once", status=1, STEAMLINE_INGEST_MAX_BODY_BYTES="10000")
    assert {one["alarm"] for one in summary["alarms"]} == {"oversized", "unreachable"}
    (letter,) = polled.letters()
    assert (letter["reason"], b64decode(letter["value_base64"])) == ("oversized", b"x" * 10_000)


def test_a_spent_quota_stops_the_looks_and_is_told(polled: Polled, server: Answering) -> None:
    spent = {"X-Requests-Remaining": "50"}
    server.rows("/odds", lambda: board_rows(1), **spent)
    server.on("/sports", Reply(headers=spent))
    child = polled.start()
    child.wait_for(lambda: "alarm quota_spent: oddsapi" in child.said, "the alarm")
    child.wait_for(lambda: server.times("/sports") > 0, "a question that costs nothing")
    assert server.times("/odds") == 1
    child.stop(signal.SIGTERM)
    assert server.times("/odds") == 1


def test_a_hanging_source_does_not_hold_up_the_end(polled: Polled, server: Answering) -> None:
    server.on("/odds", Reply(wait=30.0))
    child = polled.start()
    child.wait_for(lambda: server.times("/odds") > 0, "a question")
    child.stop(signal.SIGTERM)


def test_unchanged_answers_keep_quotes_fresh(polled: Polled, server: Answering) -> None:
    server.rows("/odds", lambda: board_rows(1))
    child = polled.start()
    child.wait_for(lambda: standing(polled.said([Topic.LINES])) == quoted(1), "prices")
    lines = polled.ids([Topic.LINES])

    def confirmed() -> int:
        return sum(bool(one["quotes_stand"]) for one in polled.said([Topic.GAMES]))

    before = confirmed()
    child.wait_for(lambda: confirmed() >= before + 2 * len(GAMES), "confirmations")
    child.stop(signal.SIGTERM)
    assert polled.ids([Topic.LINES]) == lines


def test_prices_before_their_schedule(polled: Polled, server: Answering) -> None:
    server.on("/schedule", Reply(503, headers={"Retry-After": "0"}))
    child = polled.start(STEAMLINE_INGEST_BREAKER_SECONDS="1")
    child.wait_for(lambda: server.times("/odds") > 2, "prices heard")
    assert polled.said() == []
    server.rows("/schedule", schedule_rows)
    child.wait_for(lambda: standing(polled.said([Topic.LINES])) == quoted(1), "prices")
    child.stop(signal.SIGTERM)
    assert polled.letters() == []


def test_wrong_calls_are_one_line(polled: Polled, tmp_path: Path) -> None:
    for arguments, words in (
        (("--from", str(tmp_path / "none")), "no recorded answers"),
        (("--from", str(tmp_path), "--once"), "--from: does not go with"),
    ):
        child = polled.start(*arguments)
        assert child.wait(60) == 1
        assert "error: " in child.said
        assert words in child.said
        assert "Traceback" not in child.said
    wait_for(lambda: not any(one.alive() for one in polled.children), "the end")
