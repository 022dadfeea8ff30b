"""What does not keep its contract is refused with a reason, never shown and never a crash."""

import json

import pytest

from api.decode import Decoder
from schemas.errors import RejectedEvent
from schemas.settings import Settings
from schemas.time import US_PER_SECOND
from schemas.topics import Topic
from tests import samples

DECODER = Decoder.of(Settings())
LINE = json.loads(samples.line(1).model_dump_json())


def wire(**over: object) -> bytes:
    return json.dumps({**LINE, **over}).encode()


def test_american_prices_come_out_decimal() -> None:
    raw = wire(odds_format="american", price_home_over=-110, price_away_under=-110)
    message = DECODER.message(Topic.LINES, raw, samples.at(1))
    # The published decimal price of -110 is 1.909.
    assert json.loads(message.model_dump_json())["price_home_over"] == pytest.approx(
        1.909, abs=5e-4
    )


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "schema"),
        (b"{", "schema"),
        (b"\xff\xfe", "schema"),
        (b"[1]", "schema"),
        (wire(surprise=1), "schema"),
        (wire(price_home_over=None), "schema"),
        (wire(price_home_over=1.01, price_away_under=1.01), "schema"),
        (wire(book="corner shop"), "unknown_book"),
        (wire(game_id="mlb-2026-13-01-BOS-NYY-1"), "game_id"),
        (wire(occurred_at_us=samples.at(1) + 301 * US_PER_SECOND), "future"),
        (b" " * 65_536 + wire(), "oversized"),
    ],
)
def test_bad_records_are_refused_with_a_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(RejectedEvent) as refused:
        DECODER.message(Topic.LINES, raw, samples.at(1))
    assert refused.value.reason == reason


def test_five_minutes_ahead_of_the_broker_is_within_tolerance() -> None:
    raw = wire(occurred_at_us=samples.at(1) + 300 * US_PER_SECOND)
    assert DECODER.message(Topic.LINES, raw, samples.at(1)).game_id == samples.GAME
