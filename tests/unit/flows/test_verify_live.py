"""What a worker said, and the same with one thing changed: only the change is found."""

from collections.abc import Callable
from typing import Any

import pytest
from bytewax.testing import TestingSink, TestingSource, run_main

from flows.score import score_flow
from flows.steps.records import Outgoing, Record
from flows.steps.score import Scorer
from flows.verify_live import LiveCheck, Recorded, VerifiedLive
from models.boosters.scoring import TargetModel
from schemas.decisions import Prediction, Stake
from schemas.markets import Target
from schemas.topics import Topic
from tests.unit.flows.test_score_flow import records
from tests.unit.flows.test_stakes_flow import MODELS, SETTINGS

Change = Callable[[Any], Any]


def live(inputs: list[Record], batch: int = 16) -> tuple[list[Prediction], list[Stake]]:
    """What the score flow says."""
    sent: list[tuple[str, list[Outgoing]]] = []
    source: Any = TestingSource(inputs, batch_size=batch)
    sink: Any = TestingSink(sent)
    run_main(score_flow(SETTINGS, source, sink, TestingSink([]), Scorer(SETTINGS, MODELS)))
    said = [one for _, messages in sent for one in messages]
    return (
        [Prediction.model_validate_json(m.value) for m in said if m.topic is Topic.PREDICTIONS],
        [Stake.model_validate_json(m.value) for m in said if m.topic is Topic.STAKES],
    )


def find(target: Target, version: str) -> TargetModel | None:
    return next(
        (one for one in MODELS if (one.card.target, one.version) == (target, version)), None
    )


def verified(
    inputs: list[Record],
    predictions: list[Prediction],
    stakes: list[Stake],
    finding: Callable[[Target, str], TargetModel | None] = find,
) -> VerifiedLive:
    check = LiveCheck(SETTINGS, finding)
    for game_id in sorted({one.game_id for one in predictions}):
        check.game(
            Recorded(
                game_id,
                [one for one in inputs if one.key == game_id.encode()],
                [one for one in predictions if one.game_id == game_id],
            )
        )
    check.stakes(stakes)
    return check.found


@pytest.fixture(scope="module")
def inputs() -> list[Record]:
    return records(3)


@pytest.fixture(scope="module")
def said(inputs: list[Record]) -> tuple[list[Prediction], list[Stake]]:
    return live(inputs)


def test_what_was_said_is_made_again(
    inputs: list[Record], said: tuple[list[Prediction], list[Stake]]
) -> None:
    found = verified(inputs, *said)
    assert (found.wrong, found.first, found.unverifiable) == (0, None, 0)
    assert found.predictions == len({one.prediction_id for one in said[0]}) > 20
    assert found.stakes > 10
    assert sum(one.slate is not None for one in said[1]) > 5


def test_repeats_and_another_order_at_the_live_edge_change_nothing(inputs: list[Record]) -> None:
    """Two neighbours of other topics change places, as where one topic was read ahead."""
    mixed = list(inputs)
    for place in range(5, len(mixed) - 1, 7):
        if mixed[place].topic is not mixed[place + 1].topic:
            mixed[place], mixed[place + 1] = mixed[place + 1], mixed[place]
    predictions, stakes = live([*mixed, *mixed[-9:]])
    found = verified(inputs, [*predictions, *predictions[:5]], [*stakes, *stakes[:3]])
    assert (found.wrong, found.first) == (0, None)
    assert found.predictions == len({one.prediction_id for one in predictions})


@pytest.mark.parametrize(
    "field", ["probability", "market_probability", "fair_price", "odds_age_ms", "completeness"]
)
def test_one_changed_field_of_one_prediction_is_found(
    inputs: list[Record], said: tuple[list[Prediction], list[Stake]], field: str
) -> None:
    predictions, stakes = said
    one = predictions[7]
    value = getattr(one, field)
    # By the last bit.
    changed = value + 1 if isinstance(value, int) else value * (1 + 2**-52)
    wrong = [*predictions[:7], one.model_copy(update={field: changed}), *predictions[8:]]
    found = verified(inputs, wrong, stakes)
    assert (found.mismatches, found.stake_mismatches) == (1, 0)
    assert found.first is not None
    assert found.first.startswith(f"{one.prediction_id}: {field}")


def test_one_cent_of_one_stake_is_found(
    inputs: list[Record], said: tuple[list[Prediction], list[Stake]]
) -> None:
    predictions, stakes = said
    place = next(number for number, one in enumerate(stakes) if one.amount > 0)
    wrong = list(stakes)
    wrong[place] = stakes[place].model_copy(update={"amount": stakes[place].amount + 0.01})
    found = verified(inputs, predictions, wrong)
    assert (found.mismatches, found.stake_mismatches) == (0, 1)
    assert found.first is not None
    assert found.first.startswith(stakes[place].stake_id)


def test_a_lost_event_is_found(
    inputs: list[Record], said: tuple[list[Prediction], list[Stake]]
) -> None:
    lost = next(one for one in inputs if one.topic is Topic.LINES)
    found = verified([one for one in inputs if one is not lost], *said)
    assert found.mismatches > 0


def test_a_model_that_is_gone_verifies_nothing(
    inputs: list[Record], said: tuple[list[Prediction], list[Stake]]
) -> None:
    found = verified(inputs, *said, lambda target, version: None)
    assert (found.predictions, found.mismatches, found.stakes) == (0, 0, 0)
    assert found.unverifiable == len({one.prediction_id for one in said[0]})
    assert found.stakes_unverifiable > 0
