"""Show progress as lines, for pipes and CI systems; with groups and annotations on GitHub."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TextIO

from pipeline.core.events import (
    BuildEnded,
    BuildStarted,
    DeploymentBegan,
    DeploymentEnded,
    Event,
    Message,
    PhaseBegan,
    PhaseEnded,
    RollbackBegan,
    StepBegan,
    Watched,
)
from pipeline.core.state.deployment import Deployment, PhaseRun
from pipeline.core.times import format_duration
from pipeline.ui import deployment_text, github
from pipeline.ui.text import one_line

SILENCE = 60.0
"""Seconds after which an unchanged reason is repeated: CI systems end silent jobs."""
_DURATION = re.compile(r"\d+(?:\.\d+)?(?: ?(?:s|m|h|min|seconds|minutes)\b)(?: \d+[sm]\b)?")


class PlainProgress:
    """Progress lines: one for each event, with the time since the build or deployment began.

    A reason to wait is a new line only if it changes other than in its durations.
    """

    def __init__(
        self,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        *,
        on_github: bool = False,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._began = clock()
        self._on_github = on_github
        self._in_group = False
        self._reason = ""
        self._failure = ""
        self._last_line = self._began
        self.says_endings = True

    def report(self, event: Event) -> None:
        """Write the event's lines; a closed stream does not end the work."""
        if isinstance(event, BuildStarted | DeploymentBegan):
            self._began = self._clock()
        for line in self._lines(event):
            self._write(line)

    def close(self) -> None:
        """End the open group, if any."""
        for line in self._end_group():
            self._write(line)

    def _write(self, line: str) -> None:
        with suppress(OSError):
            print(line, file=self._stream, flush=True)

    def _lines(self, event: Event) -> Iterator[str]:
        match event:
            case Message(text=text):
                yield one_line(text)
            case BuildStarted(name=name, log=log):
                yield f"building {name}\nfull log: {log}"
            case StepBegan(build=build, text=text):
                yield self._at(f"{one_line(build)}: {one_line(text, 160)}")
            case BuildEnded(seconds=seconds, how=how):
                yield f"packer {how} after {format_duration(seconds)}"
            case _:
                yield from self._deployment(event)

    def _deployment(self, event: Event) -> Iterator[str]:
        match event:
            case DeploymentBegan(deployment=deployment, phases=phases):
                request = deployment_text.format_request(deployment)
                yield f"{one_line(deployment.environment)}: {request}"
                yield f"deployment {one_line(deployment.id)}: {', '.join(phases)}"
            case PhaseBegan(name=name, limit=limit):
                yield from self._begin(name, limit)
            case Watched(phase=phase, waiting=waiting, observation=observation):
                yield from self._wait(phase, waiting or "; ".join(observation.unreadable))
            case PhaseEnded(run=run):
                yield from self._end(run)
            case RollbackBegan(reason=reason, phases=phases):
                shown = bool(self._failure) and self._failure in reason
                because = "" if shown else f": {one_line(reason)}"
                yield self._at(f"rolling back ({', '.join(phases)}){because}")
            case DeploymentEnded(deployment=deployment):
                yield from self._over(deployment)

    def _begin(self, name: str, limit: float) -> Iterator[str]:
        self._reason, self._last_line = "", self._clock()
        yield from self._end_group()
        if self._on_github:
            self._in_group = True
            yield github.group(name)
        yield self._at(f"{one_line(name)}: started, limit {format_duration(limit)}")

    def _wait(self, phase: str, waiting: str) -> Iterator[str]:
        reason = one_line(waiting, 400)
        if not reason:
            return
        without_durations = _DURATION.sub("", reason)
        silent = self._clock() - self._last_line
        if without_durations != self._reason or silent >= SILENCE:
            self._reason, self._last_line = without_durations, self._clock()
            yield self._at(f"{one_line(phase)}: {reason}")

    def _end(self, run: PhaseRun) -> Iterator[str]:
        yield from self._end_group()
        self._failure = run.fault
        result = f"failed: {one_line(run.fault)}" if run.fault else "done"
        yield self._at(f"{one_line(run.name)}: {result} ({format_duration(run.seconds)})")

    def _over(self, deployment: Deployment) -> Iterator[str]:
        yield from self._end_group()
        if self.says_endings:
            yield deployment_text.format_ending(deployment)
        if not self._on_github or deployment.outcome is None:
            return
        outcome = deployment_text.format_outcome(deployment)
        title = f"{deployment.kind} {deployment.environment}: {outcome}"
        if deployment.pause:
            serving = deployment_text.format_serving(deployment)
            yield github.notice(title, f"{serving}. {deployment_text.format_pause(deployment)}")
        elif deployment_text.succeeded(deployment):
            yield github.notice(title, deployment_text.format_serving(deployment))
        else:
            failure = deployment_text.format_failure(deployment)
            texts = (deployment_text.format_serving(deployment), failure)
            yield github.error(title, ". ".join(text for text in texts if text))

    def _end_group(self) -> Iterator[str]:
        if self._in_group:
            self._in_group = False
            yield github.end_group()

    def _at(self, text: str) -> str:
        return f"{format_duration(self._clock() - self._began):>7}  {text}"
