"""`steamline run`: the flows; `cli/context.py` adds the one that ends by itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flows.connectors.metrics import Metrics
    from flows.connectors.traced import BatchSpans
    from schemas.sections.observing import TracesSettings
    from schemas.sections.scoring import ScoreSettings

LAST_LOOK_SECONDS = 5.0

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
    from flows.connectors.registry_beside import RegistryBeside
    from flows.connectors.topics import ensure_topics
    from flows.connectors.traced import TracedSink, TracedSource
    from flows.models import ModelWatch, current_challengers, current_models
    from flows.score import score_flow
    from flows.steps.score import Scorer
    from flows.steps.spans import UNTRACED
    from flows.worker import run
    from schemas.settings import Settings
    from schemas.topics import SCORE_INPUTS

    settings = resolve(Settings.read())
    log_as(settings)
    spans = _spans(settings.traces)
    registry = RegistryBeside.of(settings)
    models = current_models(settings, registry)
    challengers = current_challengers(settings, registry)
    scorer = Scorer(settings, models, challengers, spans or UNTRACED)
    stop = asked_to_stop()
    if not ensure_topics(settings.kafka, stop.is_set):
        return
    meter = _meter(settings.score)
    watch = ModelWatch(registry, scorer, models, meter, challengers)
    watching = Thread(
        target=watch.follow, args=(settings.mlflow.poll_seconds, stop), name="models", daemon=True
    )
    watching.start()
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
    try:
        run(flow, recovery or settings.home / "recovery" / "score")
    finally:
        # Its last look ends first, or it would call the end of that process a fault.
        stop.set()
        watching.join(LAST_LOOK_SECONDS)


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
