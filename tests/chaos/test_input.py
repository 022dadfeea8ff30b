"""Hostile and repeated input: what is good is decided on as if alone, the rest is accounted for."""

import json
from base64 import b64decode
from collections import Counter
from pathlib import Path

from deploy.stack.kafka import KafkaBroker
from schemas.topics import Topic
from tests.chaos.conftest import Steady, assert_same, without_offsets
from tests.chaos.hostile import SPOILS, Hostile, spoil
from tests.system import Sent, Site, Trained

GOOD = 1_000


def first_of_two_games(last_day: Steady) -> list[Sent]:
    """The first thousand events of two games, in the order of time."""
    day = last_day.records
    games = sorted({one.key for one in day if one.key is not None})[:2]
    found = [one for one in day if one.key in games][:GOOD]
    assert len(found) == GOOD
    return found


def interleaved(good: list[Sent]) -> tuple[list[Sent], list[Hostile]]:
    """A hostile record behind every good one, at the good one's time."""
    lines = [one for one in good if one.topic is Topic.LINES]
    hostile: list[Hostile] = []
    out: list[Sent] = []
    # The nearest honest line that is not ahead: what is spoilt must be wrong in just one way.
    current, ahead = lines[0], iter(lines[1:])
    models: list[Sent] = []
    for one in good:
        if one.topic is Topic.LINES and one is not lines[0]:
            current = next(ahead)
        models.append(current)
    for one, bad in zip(good, spoil(models, GOOD), strict=True):
        out += [one, bad.record]
        hostile.append(bad)
    return out, hostile


def test_hostile_events_are_kept_whole_and_change_nothing(
    kafka: KafkaBroker, redis_url: str, trained: Trained, tmp_path: Path, last_day: Steady
) -> None:
    good = first_of_two_games(last_day)
    mixed, hostile = interleaved(good)
    with Site(trained, kafka.bootstrap, redis_url, tmp_path) as alone:
        alone.create()
        alone.send(good)
        alone.run_to_end()
        expected = alone.decisions()
        assert alone.letters() == []
    assert len(expected) > GOOD
    with Site(trained, kafka.bootstrap, redis_url, tmp_path) as site:
        site.create()
        places = site.send(mixed)[1::2]
        site.run_to_end()
        letters = {(one["topic"], one["partition"], one["offset"]): one for one in site.letters()}
        ours = site.decisions()
    assert_same(without_offsets(ours), without_offsets(expected))

    assert len(letters) == len(hostile) == GOOD
    wrong = []
    for place, bad in zip(places, hostile, strict=True):
        letter, record = letters[place], bad.record
        key = letter["key_base64"]
        assert (None if key is None else b64decode(key)) == record.key
        assert b64decode(letter["value_base64"]) == (record.value or b"")
        assert letter["timestamp_us"] == record.timestamp_ms * 1_000
        assert letter["letter_id"] == "-".join(str(part) for part in place)
        if letter["reason"] != bad.reason:
            wrong.append((letter["reason"], bad.reason, (record.value or b"")[:80]))
    assert not wrong, wrong[:5]
    print(Counter(letter["reason"] for letter in letters.values()))
    assert len(SPOILS) < GOOD / 10, "every kind came up many times"


def test_everything_sent_three_times_is_decided_once(site: Site, last_day: Steady) -> None:
    """Each twice in a row, as a producer without idempotence does; then the whole day anew."""
    twice = [one for one in last_day.records for _ in range(2)]
    site.batch = 10_000
    site.send(twice)
    site.send(last_day.records)
    site.run_to_end()
    assert_same(without_offsets(site.decisions()), without_offsets(last_day.decisions))
    letters = site.letters()
    print(f"{len(last_day.records)} events three times, {len(letters)} too late the third time")
    assert {letter["reason"] for letter in letters} <= {"too_late"}
    assert len(letters) < len(last_day.records)
    sent = {one.value for one in last_day.records}
    assert all(b64decode(letter["value_base64"]) in sent for letter in letters)
    assert len({json.dumps(letter, sort_keys=True) for letter in letters}) == len(letters)
