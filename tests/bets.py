"""Days of games with bets on them, made by dice: quotes, stakes, fills, starts, results."""

import random
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from flows.steps.bets import SETTLE_INPUTS
from flows.steps.records import Record
from schemas.bets import Fill
from schemas.decisions import Stake
from schemas.events import QuoteStatus
from schemas.markets import SIDES, GameStatus, Market
from schemas.time import US_PER_DAY, US_PER_SECOND
from schemas.topics import TOPIC_OF
from schemas.wire import SCHEMA_VERSION
from tests.samples import OPEN, START, fill, game, line, result, stake
from tests.system import Sent

BOOKS = ("pinnacle", "betmgm", "fanduel")
FIRST_PITCH = (START - OPEN) / US_PER_SECOND
LAST_BET = FIRST_PITCH - 3700
SIMPLE = {Market.MONEYLINE: None, Market.RUN_LINE: -1.5, Market.TOTAL: 8.5}


def game_id(number: int) -> str:
    """Game `number`, three a day."""
    return f"mlb-2026-07-{20 + number // 3}-BOS-NYY-{number % 3 + 1}"


def story(number: int, dice: random.Random) -> Iterable[Any]:
    """Everything that is said about a game, events and bets."""
    later = (number // 3) * 24 * 3600
    of: dict[str, Any] = {"game_id": game_id(number)}
    start_us = START + later * US_PER_SECOND

    def seconds(low: float, high: float) -> float:
        return later + round(dice.uniform(low, high), 3)

    yield game(later, start_time_us=start_us, **of)
    quotes = {}
    for book in BOOKS:
        for market, usual in SIMPLE.items():
            for place in range(4):
                at = later + 1.0 if place == 0 else seconds(2, FIRST_PITCH + 600)
                moved = dice.random() < 0.2 and market is Market.TOTAL
                at_line = 9.0 if moved and place else usual
                home = round(dice.uniform(1.8, 2.1), 2)
                event_id = f"l:{number}:{book}:{market}:{place}"
                extra: dict[str, Any] = {} if usual is None else {"line": at_line}
                one = line(
                    at, home, round(3.85 - home, 2), book, market=market, event_id=event_id,
                    **extra, **of,
                )  # fmt: skip
                quotes[(book, market)] = one
                yield one
        if dice.random() < 0.2:
            yield line(
                seconds(LAST_BET, FIRST_PITCH), None, None, book, status=QuoteStatus.WITHDRAWN,
                event_id=f"w:{number}:{book}", **of,
            )  # fmt: skip
    if number % 3 != 2:
        # Of the third game of a day nobody confirms the quotes, so they are stale at its start.
        for minute in range(20, int(FIRST_PITCH // 60), 20):
            yield game(
                later + minute * 60, source="odds", quotes_stand=True, start_time_us=start_us, **of
            )
    for place in range(6):
        book, market = dice.choice(BOOKS), dice.choice(list(SIMPLE))
        at = seconds(60, LAST_BET)
        bet = {"market": market, "side": dice.choice(SIDES[market]), "book": book}
        yield stake(
            round(at), 0.01, bankroll="ghost", as_of_us=OPEN + round(at * US_PER_SECOND),
            probability=0.58, price=1.95, line=SIMPLE[market],
            amount=dice.randrange(10, 100) * 1.0, **bet, **of,
        )  # fmt: skip
        yield fill(
            seconds(60, FIRST_PITCH), fill_id=f"f:{number}:{place}", line=SIMPLE[market],
            price=round(dice.uniform(1.8, 2.1), 2), amount=Decimal(dice.randrange(100, 9900)) / 100,
            **bet, **of,
        )  # fmt: skip
    if number % 6 == 5:
        yield game(later + FIRST_PITCH, status=GameStatus.CANCELLED, start_time_us=start_us, **of)
        return
    yield game(later + FIRST_PITCH + 30, status=GameStatus.LIVE, start_time_us=start_us, **of)
    over = later + FIRST_PITCH + 3 * 3600 + number
    home, away = dice.sample(range(12), 2)
    yield result(over, home, away, **of)
    if dice.random() < 0.5:
        yield result(over + 3600, away, home, **of)


def season(games: int, seed: int) -> list[Record]:
    """As Kafka gives it, repeats among it, and an event days after that ends all waiting."""
    dice = random.Random(seed)
    said = [one for number in range(games) for one in story(number, dice)]
    said += dice.sample(said, len(said) // 10)
    rank = {topic: place for place, topic in enumerate(SETTLE_INPUTS)}
    said.sort(key=lambda one: (_moment(one), rank[TOPIC_OF[type(one)]]))
    last = games // 3 + 30
    said.append(
        game(last * 24 * 3600, game_id=f"mlb-2026-08-{last - 10}-LAD-SFG-1",
             start_time_us=START + last * US_PER_DAY)
    )  # fmt: skip
    found, offsets = [], Counter[Any]()
    for one in said:
        topic = TOPIC_OF[type(one)]
        value = one.model_dump_json().encode()
        key = one.game_id.encode()
        found.append(Record(topic, 0, offsets[topic], _moment(one), key, value, SCHEMA_VERSION))
        offsets[topic] += 1
    return found


def sent(records: Iterable[Record]) -> list[Sent]:
    return [Sent(one.topic, one.key, one.value, one.timestamp_us // 1000) for one in records]


def _moment(said: Any) -> int:
    if isinstance(said, Fill):
        return said.filled_at_us
    return int(said.as_of_us if isinstance(said, Stake) else said.occurred_at_us)
