"""Export the deployments of a run as OpenTelemetry traces, if an endpoint is configured.

Nothing of it delays or fails a deployment: spans are sent in the background, and the end of the
command waits for three seconds at most.
"""

from __future__ import annotations

from contextlib import suppress

from pipeline.app.application import Application
from pipeline.core.events import Event, Message


def start_tracing(app: Application) -> None:
    """Trace deployments from now on; a problem is a message."""
    if not any(name.startswith("OTEL_EXPORTER_OTLP_") for name in app.environ):
        return
    from pipeline.adapters.tracing.configuration import endpoint_of, problem_of, shown

    endpoint = endpoint_of(app.environ)
    if not endpoint:
        return
    if problem := problem_of(app.environ):
        app.report(Message(text=f"traces are not exported: {problem}"))
        return
    try:
        _start(app, shown(endpoint))
    except Exception as error:  # noqa: BLE001 - a wrong variable of OpenTelemetry
        text = f"traces are not exported: {type(error).__name__}: {error}"
        app.report(Message(text=f"{text}; check the variables OTEL_*"))


def _start(app: Application, endpoint: str) -> None:
    """Start; `endpoint` is how messages show it."""
    from pipeline.adapters.tracing.exporter import Tracing

    tracing = Tracing(app.environ)
    tracing.watch(app.settings.region)

    def listen(event: Event) -> None:
        with suppress(Exception):  # a trace is worth less than the deployment
            tracing.tracer.report(event)

    def close() -> None:
        if lost := tracing.close():
            what = f"{lost} spans were not exported: {endpoint} did not take them in time"
            app.report(Message(text=f"{what}; check the collector"))

    app.listeners.add(listen)
    app.at_end.append(close)
