"""What is told when a night is judged: what begins, once, by ids that the history alone decides."""

import json
from datetime import UTC, datetime

import pytest

from flows.steps.monitor import MonitorState, judge_night, night_of, nights, reached
from flows.steps.records import Outgoing
from models.evaluation.drift import Finding
from models.evaluation.monitor import Seen
from schemas.decisions import Alert, AlertKind
from schemas.errors import ConfigError
from schemas.markets import Market
from schemas.time import US_PER_DAY, to_us
from schemas.topics import Topic
from tests import samples

SEEN = Seen(samples.GAME, 7, samples.START, True)
NIGHT = to_us(datetime(2026, 7, 21, 8, tzinfo=UTC))
WORSE = ("moneyline", Finding("log_loss", "difference", 0.0123, 0.0))
MOVED = [("features", Finding("stability", f"f{at}", 1.0 + at, 0.25)) for at in range(7)]
NEW = MonitorState.restored(None)


def alerts(out: list[Outgoing]) -> list[Alert]:
    assert all(one.topic is Topic.ALERTS for one in out)
    found = [Alert.model_validate_json(one.value) for one in out]
    assert [one.message_id for one in out] == [one.alert_id for one in found]
    assert [(one.key, one.timestamp_us) for one in out] == [
        (one.game_id, one.as_of_us) for one in found
    ]
    return found


def test_an_alert_says_what_about_which_game_and_when() -> None:
    state, out = judge_night(NEW, NIGHT, [WORSE, *MOVED], SEEN)
    features, moneyline = alerts(out)
    assert moneyline.alert_id == f"{samples.GAME}:7:model_drift:moneyline:log_loss:2026-07-21"
    assert (moneyline.kind, moneyline.market) == (AlertKind.MODEL_DRIFT, Market.MONEYLINE)
    assert (moneyline.position, moneyline.as_of_us, moneyline.simulated) == SEEN[1:]
    assert moneyline.values == {"difference": 0.0123}
    assert "difference 0.0123 (from 0)" in moneyline.detail
    # All that begins of one kind is one alert: a broken source moves dozens of features.
    assert features.market is None
    assert len(features.values) == 7
    assert features.detail.endswith("and 2 more")
    assert state.judged_us == NIGHT


def test_told_when_it_begins_and_again_only_after_it_has_ended() -> None:
    state, told = NEW, []
    lasting: list[list[tuple[str, Finding]]] = [[WORSE], [WORSE], [WORSE, *MOVED[:1]], [], [WORSE]]
    for number, findings in enumerate(lasting):
        night = NIGHT + number * US_PER_DAY
        # Through the file, as after a kill.
        state, out = judge_night(MonitorState.restored(state.packed()), night, findings, SEEN)
        told.append([one.alert_id.rsplit(":", 3)[1] for one in alerts(out)])
    assert told == [["moneyline"], [], ["features"], [], ["moneyline"]]


def test_another_number_of_the_same_kind_is_told_too() -> None:
    state, _ = judge_night(NEW, NIGHT, MOVED[:2], SEEN)
    _, out = judge_night(state, NIGHT + US_PER_DAY, MOVED[1:3], SEEN)
    (alert,) = alerts(out)
    assert alert.values == {"f2": 3.0}
    # No game was seen since, and yet it must not pass for the first alert.
    assert alert.alert_id.endswith("2026-07-22")


def test_the_same_night_gives_the_same_bytes() -> None:
    first, again = (judge_night(NEW, NIGHT, [*MOVED, WORSE], SEEN)[1] for _ in range(2))
    assert first == again


def test_without_a_prediction_nobody_is_told_and_nothing_passes_for_told() -> None:
    state, out = judge_night(NEW, NIGHT, [WORSE], None)
    assert out == []
    _, later = judge_night(state, NIGHT + US_PER_DAY, [WORSE], SEEN)
    assert len(later) == 1


def test_a_night_ends_at_eight_utc() -> None:
    """Ten past one in New York is still that night; nine in the morning is the next."""
    late, morning = (to_us(datetime(2026, 7, 21, hour, tzinfo=UTC)) for hour in (5, 13))
    assert night_of(late) == NIGHT
    assert night_of(morning) == NIGHT + US_PER_DAY
    # What happens at the very end is not known before it.
    assert night_of(NIGHT - 1) == NIGHT
    assert night_of(NIGHT) == NIGHT + US_PER_DAY
    assert reached(NIGHT - 1) == NIGHT - US_PER_DAY
    assert reached(NIGHT) == NIGHT


def test_only_nights_that_brought_results_are_judged() -> None:
    hour = US_PER_DAY // 24
    results = [NIGHT - 5 * hour, NIGHT - 4 * hour, NIGHT + 130 * US_PER_DAY - hour, NIGHT + hour]
    last = NIGHT + 130 * US_PER_DAY
    assert nights(results, None, last) == [last], "at first the newest alone"
    assert nights(results, NIGHT - US_PER_DAY, last) == [NIGHT, NIGHT + US_PER_DAY, last]
    assert nights(results, NIGHT, NIGHT + US_PER_DAY) == [NIGHT + US_PER_DAY]
    assert nights(results, NIGHT + US_PER_DAY, last - US_PER_DAY) == []


def test_the_memory_of_another_version_is_refused() -> None:
    packed = json.dumps(json.loads(NEW.packed()) | {"version": 2})
    with pytest.raises(ConfigError, match="Remove it"):
        MonitorState.restored(packed)
