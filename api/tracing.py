"""A span for each request; imported only where traces are asked for."""

from typing import Any

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span

NOT_TRACED = "/v1/feed$,/health$,/ready$,/metrics$"
"""A feed lasts for hours, and the others say nothing by being called."""
_WITH_QUERY = ("http.url", "http.target", "url.full")


def trace_requests(app: FastAPI) -> None:
    """By the process' own tracer provider."""
    FastAPIInstrumentor.instrument_app(
        app,
        server_request_hook=_without_query,
        excluded_urls=NOT_TRACED,
        exclude_spans=["receive", "send"],
    )


def send_rest() -> None:
    """What has not been sent yet: a signal ends the process without another word."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush()


def _without_query(span: Span, scope: dict[str, Any]) -> None:
    """Somebody may have put a key into it."""
    attributes = getattr(span, "attributes", None) or {}
    if "url.query" in attributes:
        span.set_attribute("url.query", "")
    for name in _WITH_QUERY:
        if name in attributes:
            span.set_attribute(name, str(attributes[name]).partition("?")[0])
