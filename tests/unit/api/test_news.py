"""News is decided in a partition's order, from what came before in it and nothing else."""

import pytest

from api.board import Message, latest_start
from api.news import Bits, News, Verdict, identity
from schemas.decisions import AlertKind, Role
from schemas.feed import RETAIN_US
from schemas.time import US_PER_SECOND
from tests import samples

NEWS, REPEAT, OLDER = Verdict.NEWS, Verdict.REPEAT, Verdict.OLDER
LATE = (latest_start(samples.GAME) + RETAIN_US - samples.OPEN) / US_PER_SECOND
"""A second later its game is long over."""


@pytest.mark.parametrize(
    "told",
    [
        [(samples.line(1), NEWS), (samples.line(1), REPEAT), (samples.line(0), OLDER)],
        # At one moment the last one stands, and none of them comes twice.
        [
            (samples.line(1, event_id="a"), NEWS),
            (samples.line(1, event_id="b"), NEWS),
            (samples.line(1, event_id="a"), REPEAT),
            (samples.line(2, book="circa"), NEWS),
        ],
        [
            (samples.prediction(5), NEWS),
            (samples.prediction(5, model_version="2"), NEWS),
            (samples.prediction(5), REPEAT),
            (samples.prediction(4), OLDER),
            (
                samples.prediction(6, model_version="3", role=Role.CHALLENGER, experiment="spring"),
                OLDER,
            ),
        ],
        [
            (samples.stake(5, stake_id="a", decided_us=samples.at(9)), NEWS),
            (samples.stake(5, stake_id="b", decided_us=samples.at(8)), OLDER),
            (samples.stake(5, stake_id="c", bankroll="side"), NEWS),
        ],
        [
            (samples.signal(5), NEWS),
            (samples.signal(4), NEWS),  # another signal, not an older state
            (samples.signal(5), REPEAT),
            (samples.alert(5), NEWS),
            (samples.alert(4, AlertKind.UNLOCKED), OLDER),
        ],
        [
            (samples.settlement("a"), NEWS),
            (samples.settlement("a"), REPEAT),
            (samples.settlement("a", result_id="corrected"), NEWS),
            (samples.settlement("b"), NEWS),
            (samples.settlement("b", result_id="x", settled_at_us=samples.START), OLDER),
        ],
        # What somebody fills in about games long gone.
        [
            (samples.line(LATE), NEWS),
            (samples.line(0, book="circa"), NEWS),
            (samples.line(LATE + 1), NEWS),
            (samples.line(0, book="betmgm"), OLDER),
        ],
        # Games are told of one after the other, each from its beginning.
        [
            (samples.line(RETAIN_US / US_PER_SECOND + 60), NEWS),
            (samples.line(0, game_id=samples.OTHER), NEWS),
            (samples.prediction(1), NEWS),
        ],
    ],
)
def test_verdicts(told: list[tuple[Message, Verdict]]) -> None:
    news = News()
    assert [news.hear(message) for message, _ in told] == [verdict for _, verdict in told]


def test_memory_is_bounded_and_forgets_what_was_longest_untouched() -> None:
    news = News(keep=2)
    for second, book in ((1, "a"), (1, "b"), (2, "a"), (1, "c")):
        assert news.hear(samples.line(second, book=book)) is NEWS
    assert news.hear(samples.line(2, book="a")) is REPEAT
    assert news.hear(samples.line(1, book="b")) is NEWS, "forgotten"


def test_each_kind_has_its_own_id() -> None:
    assert identity(samples.line(event_id="e")) == "e"
    assert identity(samples.prediction(prediction_id="p")) == "p"
    assert identity(samples.stake(stake_id="s")) == "s"
    assert identity(samples.alert(alert_id="a")) == "a"
    assert identity(samples.settlement(settlement_id="x")) == "x"


def test_bits_hold_offsets_from_any_base() -> None:
    bits = Bits(1_000)
    kept = {1_000, 1_007, 1_008, 9_999}
    for offset in kept:
        bits.add(offset)
    assert {offset for offset in range(900, 11_000) if offset in bits} == kept
