"""Export spans with OpenTelemetry's SDK in the background, for a bounded time at the end.

The SDK reads its own variables: endpoint, headers, timeouts, certificates, sampling, resource.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pipeline import __version__
from pipeline.adapters.aws.client import CallObserver, watch_calls
from pipeline.adapters.tracing.spans import DeploymentTracer

if TYPE_CHECKING:
    from opentelemetry.context import Context

NAME = "ami-pipeline"
FLUSH = 3.0
"""Real seconds that the end of a command waits for the last spans."""


class Tracing:
    """The traces of one run; `tracer` listens to events and to AWS calls."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        # Its warnings would go to stderr, into the progress of the deployment.
        logging.getLogger("opentelemetry").propagate = False
        logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
        self._exporter = CountingExporter(OTLPSpanExporter())
        self._provider = TracerProvider(resource=_resource(environ), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        tracer = self._provider.get_tracer(NAME, __version__)
        self.tracer = DeploymentTracer(tracer, _parent(environ))

    def watch(self, region: str) -> None:
        """Trace the calls of AWS from now on."""
        watch_calls(region, CallObserver(self.tracer.call_began, self.tracer.call_ended))

    def close(self, within: float = FLUSH) -> int:
        """Send what is left for this long at most; return how many spans were not taken.

        A collector that does not answer keeps the SDK's own thread for longer, which is a daemon.
        """
        self.tracer.close()
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(within)
        return self._exporter.lost + self._exporter.under_way


class CountingExporter(SpanExporter):
    """Counts the spans that the collector did not take, and those that it has not answered yet."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.lost = self.under_way = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; what fails is counted."""
        self.under_way = len(spans)
        result = self._exporter.export(spans)
        self.lost += 0 if result is SpanExportResult.SUCCESS else len(spans)
        self.under_way = 0
        return result

    def shutdown(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return what the exporter does."""
        return self._exporter.force_flush(timeout_millis)


def _resource(environ: Mapping[str, str]) -> Resource:
    """Return the resource that the variables describe; its service is this program by default."""
    given = environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    is_named = environ.get("OTEL_SERVICE_NAME") or "service.name=" in given
    return Resource.create({} if is_named else {"service.name": NAME})


def _parent(environ: Mapping[str, str]) -> Context | None:
    """Return the span of the CI job that started this run, if it says so.

    OpenTelemetry Specification, "Environment Variables as Context Propagation Carriers".
    """
    carrier = {
        name: environ[name.upper()]
        for name in ("traceparent", "tracestate")
        if environ.get(name.upper())
    }
    return TraceContextTextMapPropagator().extract(carrier) if carrier else None
