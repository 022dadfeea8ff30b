"""A slate as fast as it goes, and the numbers of it."""

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from deploy.demo.processes import Progress, Run, read_all
from deploy.demo.slate import Slate
from flows.connectors.kafka import ConfirmedProducer
from flows.connectors.topics import ensure_topics
from flows.replay import Pace, final_scores, replay
from models.evaluation import score_binary
from schemas.decisions import Prediction, Stake
from schemas.markets import Target
from schemas.topics import INPUTS, Topic


@dataclass(frozen=True)
class Summary:
    day: str
    events: int
    dead_letters: int
    games: int
    predictions: int
    stakes: int
    """Messages with an amount above zero: one comes when a stake changes."""
    stakes_refused: int
    model_log_loss: float | None
    """Moneyline, mean over games of the mean over a game's predictions; none without results."""
    market_log_loss: float | None
    """Of the no-vig consensus at the same moments."""
    seconds: float
    """From the first event on until the last was scored."""
    events_per_second: float
    simulated: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def play_once(run: Run, slate: Slate, pace: Pace) -> Summary:
    """Sends the slate, has it scored by a worker, and reads back what came out."""
    kafka = run.settings.kafka
    ensure_topics(kafka)
    scores = final_scores(slate.records(topics=(Topic.RESULTS,)))
    inputs = slate.records(topics=INPUTS)
    producer = ConfirmedProducer(kafka)
    progress = Progress(kafka)
    if pace.held_back:
        _start(run, progress)
        began = time.perf_counter()
        events = replay(inputs, producer, pace)
    else:
        # All of it is there before the first event is read: then two runs read one order.
        events = replay(inputs, producer, pace)
        _start(run, progress)
        began = time.perf_counter()
    run.wait_for(lambda: progress.behind() == 0, "the worker to finish", seconds=600.0)
    seconds = time.perf_counter() - began
    progress.close()
    run.stop()
    return _summary(run, slate, scores, events, seconds)


def _start(run: Run, progress: Progress) -> None:
    run.start_worker()
    run.wait_for(progress.started, "the worker to start")


def _summary(
    run: Run, slate: Slate, scores: dict[str, tuple[int, int]], events: int, seconds: float
) -> Summary:
    kafka = run.settings.kafka
    said = [Prediction.model_validate_json(value) for value in read_all(kafka, Topic.PREDICTIONS)]
    predictions = [one for one in said if not one.shadow]
    stakes = [Stake.model_validate_json(value) for value in read_all(kafka, Topic.STAKES)]
    model, market = _log_losses(predictions, scores)
    return Summary(
        day=slate.day.isoformat(),
        events=events,
        dead_letters=len(read_all(kafka, Topic.DEAD_LETTERS)),
        games=len({prediction.game_id for prediction in predictions}),
        predictions=len(predictions),
        stakes=sum(stake.amount > 0 for stake in stakes),
        stakes_refused=sum(stake.amount == 0 for stake in stakes),
        model_log_loss=model,
        market_log_loss=market,
        seconds=round(seconds, 3),
        events_per_second=round(events / seconds, 1),
        simulated=slate.simulated,
    )


def _log_losses(
    predictions: Iterable[Prediction], scores: dict[str, tuple[int, int]]
) -> tuple[float | None, float | None]:
    rows = [
        prediction
        for prediction in predictions
        if prediction.target is Target.MONEYLINE and prediction.game_id in scores
    ]
    if not rows:
        return None, None
    count: dict[str, int] = defaultdict(int)
    for row in rows:
        count[row.game_id] += 1
    weight = np.array([1.0 / count[row.game_id] for row in rows])
    won = np.array([scores[row.game_id][0] > scores[row.game_id][1] for row in rows])
    model = score_binary(np.array([row.probability for row in rows]), won, weight)
    market = score_binary(np.array([row.market_probability for row in rows]), won, weight)
    return model.log_loss, market.log_loss
