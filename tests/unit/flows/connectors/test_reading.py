"""What the client reports in place of a record: what ends a reader, and what passes."""

from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, Message

from flows.connectors.reading import Complaints, Mend, take
from schemas.errors import DependencyDown, OffsetOutOfRange

MEND = Mend("kept", "mend the loss", "mend what is new")


class Said:
    """Of partition 3 of `lines`, at offset 7."""

    def __init__(self, code: int | None) -> None:
        self._error = None if code is None else KafkaError(code)

    def error(self) -> KafkaError | None:
        return self._error

    def topic(self) -> str:
        return "lines"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 7


def taken(code: int | None, complain: Any = None) -> tuple[str, int, int, bool] | None:
    return take(cast(Message, Said(code)), MEND, complain or Complaints())


def test_a_record_and_an_end() -> None:
    assert taken(None) == ("lines", 3, 7, True)
    assert taken(KafkaError._PARTITION_EOF) == ("lines", 3, 7, False)  # noqa: SLF001


@pytest.mark.parametrize(
    "code",
    [KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET],  # noqa: SLF001
)
def test_what_is_gone_ends_it(code: int) -> None:
    with pytest.raises(OffsetOutOfRange, match=r"lines partition 3: .* kept, .*; mend the loss"):
        taken(code)


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,  # noqa: SLF001
    ],
)
def test_a_broker_that_refuses_ends_it(code: int) -> None:
    with pytest.raises(DependencyDown, match="Kafka refuses this client"):
        taken(code)


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    ],
)
def test_what_passes_is_told_and_waited_for(code: int) -> None:
    told: list[str] = []
    assert taken(code, lambda text, *args: told.append(text % args)) is None
    assert len(told) == 1
    assert "trying again" in told[0]
