"""`steamline run`: the flows; `cli/context.py` adds the one that ends by itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flows.connectors.metrics import Metrics
    from flows.connectors.traced import BatchSpans
    from schemas.sections.observing import TracesSettings
    from schemas.sections.scoring import ScoreSettings

app = typer.Typer(no_args_is_help=True, help="Run a flow.")


@app.command()
def score(
    recovery: Annotated[
        Path | None, typer.Option(help="Recovery folder. Default: HOME/recovery/score.")
    ] = None,
) -> None:
    """Score every game the moment a line moves; resumes where it was stopped or killed."""
    from threading import Thread

    from cli.logs import log_as
    from cli.service import asked_to_stop
    from deploy.stack import resolve
    from flows.connectors.kafka import SCORE_GROUP, KafkaSink, KafkaSource
    from flows.connectors.redis import FeatureSink
    from flows.connectors.topics import ensure_topics
    from flows.connectors.traced import TracedSink, TracedSource
    from flows.models import ModelWatch, current_challengers, current_models
    from flows.score import score_flow
    from flows.steps.score import Scorer
    from flows.steps.spans import UNTRACED
    from flows.worker import run
    from models.registry import Registry
    from schemas.settings import Settings
    from schemas.topics import SCORE_INPUTS

    settings = resolve(Settings.read())
    log_as(settings)
    spans = _spans(settings.traces)
    models = current_models(settings)
    challengers = current_challengers(settings)
    scorer = Scorer(settings, models, challengers, spans or UNTRACED)
    stop = asked_to_stop()
    if not ensure_topics(settings.kafka, stop.is_set):
        return
    meter = _meter(settings.score)
    watch = ModelWatch(Registry.of(settings), scorer, models, meter, challengers)
    Thread(
        target=watch.follow, args=(settings.mlflow.poll_seconds, stop), name="models", daemon=True
    ).start()
    source = KafkaSource(settings.kafka, SCORE_INPUTS, group=SCORE_GROUP, stopping=stop.is_set)
    sink = KafkaSink(settings.kafka)
    flow = score_flow(
        settings,
        source=source if spans is None else TracedSource(source, spans),
        messages=sink if spans is None else TracedSink(sink, spans),
        features=FeatureSink(settings.redis),
        scorer=scorer,
        meter=meter,
        spans=spans or UNTRACED,
    )
    run(flow, recovery or settings.home / "recovery" / "score")


def _spans(settings: "TracesSettings") -> "BatchSpans | None":
    """None where nothing is traced."""
    if settings.endpoint is None:
        return None
    from cli.traces import tracer_of
    from flows.connectors.traced import BatchSpans

    return BatchSpans(tracer_of(settings, "score"))


def _meter(settings: "ScoreSettings") -> "Metrics | None":
    """Metrics on the port that is set; none where none is."""
    if settings.metrics_port is None:
        return None
    from flows.connectors.metrics import Metrics

    metrics = Metrics()
    metrics.serve(settings.metrics_host, settings.metrics_port)
    return metrics
