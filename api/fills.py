"""`POST /v1/fills`: a bet that was really made, onto the topic `fills`.

Nothing is kept here. Told again under the same key it is a message with the same id, and whoever
reads the topic counts it once; other terms under one key are refused there, as a dead letter.
"""

import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import Annotated

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from fastapi import APIRouter, Header, HTTPException
from pydantic import ConfigDict

from api.problems import Problem
from models.staking.recording import fill_id_of, why_not
from schemas.bets import Fill
from schemas.events import EventId, Name
from schemas.settings import Settings
from schemas.time import US_PER_MS
from schemas.topics import Topic
from schemas.wire import headers

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0
"""How long a request waits until the broker has it."""
_AGAIN = "whether it is recorded is not known: send it again under the same key"


class FillRequest(Fill):
    """A bet as taken; the id may be left to the header `Idempotency-Key`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "game_id": "mlb-2026-07-20-BOS-NYY-1",
                "bankroll": "main",
                "market": "run_line",
                "side": "away",
                "book": "pinnacle",
                "line": -1.5,
                "price": 1.91,
                "amount": "25.00",
                "filled_at_us": 1784580000000000,
                "stake_id": "mlb-2026-07-20-BOS-NYY-1:812:run_line:7:main:0123456789ab",
            }
        }
    )

    fill_id: EventId = ""
    """Yours, of this bet and no other. Without it, made of `source` and the header."""
    source: Name = "api"


class FillWriter:
    """One producer for all requests, made when the first one comes."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError when no broker is configured."""
        self._topic = Topic.FILLS.full(settings.kafka.prefix)
        self._config = {
            **settings.kafka.client_config(),
            "enable.idempotence": True,
            "acks": "all",
            "message.timeout.ms": round(PATIENCE_SECONDS * 1_000),
            "linger.ms": 0,
            "partitioner": "murmur2_random",
        }
        self._lock = Lock()
        self._producer: Producer | None = None

    def write(self, fill: Fill) -> None:
        """Returns once the broker has it. Raises HTTPException where nobody knows that."""
        producer = self._ready()
        reports: list[KafkaError | None] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            reports.append(error)

        try:
            producer.produce(
                self._topic,
                fill.model_dump_json().encode(),
                fill.game_id.encode(),
                headers=headers(Topic.FILLS, fill.fill_id),
                timestamp=fill.filled_at_us // US_PER_MS,
                on_delivery=delivered,
            )
        except BufferError:
            raise HTTPException(503, "too many bets wait for Kafka: nothing was recorded") from None
        until = time.monotonic() + 2 * PATIENCE_SECONDS
        while not reports and time.monotonic() < until:
            producer.poll(0.05)
        if reports != [None]:
            log.warning("fill %s: %s", fill.fill_id, reports[0] if reports else "no report")
            raise HTTPException(503, f"Kafka has not confirmed the bet; {_AGAIN}")

    def _ready(self) -> Producer:
        with self._lock:
            if self._producer is None:
                producer = Producer(self._config, logger=log)
                try:
                    # Of all topics: to ask for one by its name may create it.
                    known = producer.list_topics(timeout=PATIENCE_SECONDS).topics
                except KafkaException:
                    raise HTTPException(
                        503, "Kafka does not answer: nothing was recorded"
                    ) from None
                if self._topic not in known:
                    raise HTTPException(
                        503,
                        f"there is no topic {self._topic}: nothing was recorded. "
                        "`steamline run ledger` makes it",
                    )
                self._producer = producer
            return self._producer


def build(
    settings: Settings,
    clock_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
) -> APIRouter:
    """Raises ConfigError when no broker is configured."""
    writer = FillWriter(settings)
    router = APIRouter()

    @router.post(
        "/v1/fills",
        status_code=202,
        tags=["staking"],
        responses={
            422: {"model": Problem, "description": "The bet is wrong; the detail says where"},
            503: {"model": Problem, "description": "Kafka has not confirmed it; send it again"},
        },
    )
    def fill(  # not async: it waits for the broker, in a thread of the pool
        request: FillRequest,
        idempotency_key: Annotated[
            str | None,
            Header(min_length=1, max_length=63, description="Yours, of this bet and no other"),
        ] = None,
    ) -> Fill:
        """Record a bet that was made. When this answers, Kafka has it; it is booked once."""
        named = fill_id_of(request.source, idempotency_key) if idempotency_key else ""
        if named and request.fill_id and request.fill_id != named:
            raise HTTPException(
                422, f"fill_id: {request.fill_id} and Idempotency-Key are two ids: give one"
            )
        fill_id = request.fill_id or named
        if not fill_id:
            raise HTTPException(
                422, "Idempotency-Key: is missing: without it a bet sent twice would count twice"
            )
        made = Fill.model_validate(request.model_dump() | {"fill_id": fill_id})
        wrong = why_not(made, settings, clock_us())
        if wrong is not None:
            raise HTTPException(422, wrong)
        writer.write(made)
        return made

    return router
