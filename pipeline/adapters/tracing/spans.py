"""Make spans of a deployment's events: the deployment, its phases, AWS calls and program runs.

The names of attributes are those of OpenTelemetry's semantic conventions if they have one
(deployment, RPC, AWS SDK, CI/CD); the others begin with `ami_pipeline.`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from pipeline.core.events import (
    DeploymentBegan,
    DeploymentEnded,
    Event,
    PhaseBegan,
    PhaseEnded,
    RollbackBegan,
    ToolEnded,
)
from pipeline.core.state.deployment import Deployment, Result

if TYPE_CHECKING:
    from opentelemetry.context import Context

SECOND = 1_000_000_000
"""Nanoseconds, in which spans are timed."""
HTTP_ERROR = 400
GOOD = frozenset({Result.PROMOTED, Result.PROVEN, Result.PAUSED})
"""The results that are no errors; a rollback that a person asked for ends as promoted, too."""


class DeploymentTracer:
    """Makes the spans of the deployments of a run; `parent` is the span of the CI job, if any.

    Calls and programs outside a deployment have no span. Calls may come from any thread.
    """

    def __init__(
        self,
        tracer: Tracer,
        parent: Context | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._tracer = tracer
        self._parent = parent
        self._clock = clock
        self._root: Span | None = None
        self._phase: Span | None = None

    def report(self, event: Event) -> None:
        """Begin or end the span that an event is about."""
        match event:
            case DeploymentBegan(deployment=deployment):
                self._begin(deployment)
            case PhaseBegan(name=name):
                self._phase = self._start(name, self._root)
            case PhaseEnded(run=run):
                _end(self._phase, self._clock(), run.fault)
                self._phase = None
            case RollbackBegan(reason=reason):
                if self._root:
                    self._root.add_event("rollback", {"reason": reason}, timestamp=self._clock())
            case ToolEnded():
                self._tool(event)
            case DeploymentEnded(deployment=deployment):
                self._end(deployment)
            case _:
                pass

    def call_began(self, service: str, action: str, region: str) -> Span | None:
        """Return the span of a call of AWS, None outside a deployment."""
        attributes = {
            "rpc.system": "aws-api",
            "rpc.service": service,
            "rpc.method": action,
            "cloud.region": region,
        }
        name = f"{service}.{action}"
        return self._start(name, self._phase or self._root, attributes, SpanKind.CLIENT)

    def call_ended(self, span: Span | None, status: int, error: str) -> None:
        """End the span of a call; `status` is HTTP's, 0 without an answer."""
        if span is None:
            return
        if status:
            span.set_attribute("http.response.status_code", status)
        if error:
            span.set_attribute("error.type", error)
        _end(span, self._clock(), error or (str(status) if status >= HTTP_ERROR else ""))

    def close(self) -> None:
        """End the spans of a deployment that did not end, because an error left it."""
        _end(self._phase, self._clock(), "the run left the deployment")
        _end(self._root, self._clock(), "the run left the deployment")
        self._root = self._phase = None

    def _begin(self, deployment: Deployment) -> None:
        attributes = {
            "deployment.id": deployment.id,
            "deployment.environment.name": deployment.environment,
            "ami_pipeline.kind": str(deployment.kind),
            "ami_pipeline.release": deployment.green,
            "ami_pipeline.previous": deployment.blue,
            "ami_pipeline.image": deployment.image,
            "service.version": deployment.version,
            "user.name": str(deployment.actor) or deployment.by.user,
            "cicd.pipeline.run.url.full": deployment.by.run,
        }
        name = f"{deployment.kind} {deployment.environment}"
        known = {key: value for key, value in attributes.items() if value}
        self._root = self._tracer.start_span(
            name, context=self._parent, attributes=known, start_time=self._clock()
        )

    def _end(self, deployment: Deployment) -> None:
        root, outcome = self._root, deployment.outcome
        if root is None or outcome is None:
            return
        root.set_attribute("deployment.status", str(outcome.result))
        failure = "" if outcome.result in GOOD else outcome.reason or str(outcome.result)
        _end(root, self._clock(), failure)
        self._root = None

    def _tool(self, event: ToolEnded) -> None:
        parent = self._phase or self._root
        attributes: dict[str, str | int] = {
            "process.executable.name": event.tool,
            "process.exit.code": event.code,
        }
        now = self._clock()
        began = now - int(event.seconds * SECOND)
        name = f"{event.tool} {event.command}"
        span = self._start(name, parent, attributes, start=began)
        _end(span, now, f"exit code {event.code}" if event.code else "")

    def _start(
        self,
        name: str,
        parent: Span | None,
        attributes: Mapping[str, str | int] | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        start: int | None = None,
    ) -> Span | None:
        if parent is None:
            return None
        return self._tracer.start_span(
            name,
            context=set_span_in_context(parent),
            kind=kind,
            attributes=attributes,
            start_time=self._clock() if start is None else start,
        )


def _end(span: Span | None, at: int, failure: str) -> None:
    if span is None:
        return
    if failure:
        span.set_status(Status(StatusCode.ERROR, failure))
    span.end(at)
