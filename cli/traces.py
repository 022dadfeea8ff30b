"""Where traces go. Called where STEAMLINE_TRACES_ENDPOINT is set, and only then: what it imports
takes a third of a second."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

    from schemas.sections.observing import TracesSettings

SEND_SECONDS = 3.0
"""For one batch of spans: a collector that is away must not hold up the end of a process."""


def tracer_of(settings: "TracesSettings", service: str) -> "Tracer":
    """Of the whole process; what it has not sent yet is sent when the process ends."""
    from opentelemetry import trace

    provider = provider_of(settings, service)
    trace.set_tracer_provider(provider)
    return provider.get_tracer("steamline")


def provider_of(settings: "TracesSettings", service: str) -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    assert settings.endpoint is not None
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"steamline-{service}"}),
        sampler=ParentBasedTraceIdRatio(settings.share),
    )
    address = f"{settings.endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=address, timeout=SEND_SECONDS))
    )
    return provider
