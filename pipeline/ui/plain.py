"""Progress as lines: for pipes and CI systems, folded and annotated on GitHub."""

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
from pipeline.ui import github, words
from pipeline.ui.text import duration, one_line

SILENCE = 60.0
"""Seconds after which an unchanged reason is said again: CI systems end jobs that say nothing."""
_PASSING = re.compile(r"\d+(?:\.\d+)?(?= ?(?:s|min|h|seconds|minutes)\b)")


class PlainProgress:
    """One line for each event, with the seconds since the build or the deployment began.

    A waiting reason is a line when it changes, not at each look; that only its seconds changed
    is no change.
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
        self._folded = False
        self._reason = ""
        self._fault = ""
        self._spoke = self._began

    def report(self, event: Event) -> None:
        """Write the event's lines. Nobody reading them any more is no reason to end the work."""
        if isinstance(event, BuildStarted | DeploymentBegan):
            self._began = self._clock()
        for line in self._lines(event):
            self._write(line)

    def close(self) -> None:
        """End the fold that is open, if any."""
        for line in self._unfold():
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
                yield f"packer {how} after {duration(seconds)}"
            case _:
                yield from self._deployment(event)

    def _deployment(self, event: Event) -> Iterator[str]:
        match event:
            case DeploymentBegan(deployment=deployment, phases=phases):
                yield f"{one_line(deployment.environment)}: {words.intent(deployment)}"
                yield f"deployment {one_line(deployment.id)}: {', '.join(phases)}"
            case PhaseBegan(name=name, limit=limit):
                yield from self._begin(name, limit)
            case Watched(phase=phase, waiting=waiting, observation=observation):
                yield from self._wait(phase, waiting or "; ".join(observation.unreadable))
            case PhaseEnded(run=run):
                yield from self._end(run)
            case RollbackBegan(reason=reason, phases=phases):
                told = bool(self._fault) and self._fault in reason
                because = "" if told else f": {one_line(reason)}"
                yield self._at(f"rolling back, to come: {', '.join(phases)}{because}")
            case DeploymentEnded(deployment=deployment):
                yield from self._over(deployment)

    def _begin(self, name: str, limit: float) -> Iterator[str]:
        self._reason, self._spoke = "", self._clock()
        yield from self._unfold()
        if self._on_github:
            self._folded = True
            yield github.group(name)
        yield self._at(f"{one_line(name)}: at most {duration(limit)}")

    def _wait(self, phase: str, waiting: str) -> Iterator[str]:
        reason = one_line(waiting, 400)
        if not reason:
            return
        lasting = _PASSING.sub("", reason)
        silent = self._clock() - self._spoke
        if lasting != self._reason or silent >= SILENCE:
            self._reason, self._spoke = lasting, self._clock()
            yield self._at(f"{one_line(phase)}: {reason}")

    def _end(self, run: PhaseRun) -> Iterator[str]:
        yield from self._unfold()
        self._fault = run.fault
        how = f"failed: {one_line(run.fault)}" if run.fault else "done"
        yield self._at(f"{one_line(run.name)}: {how} ({duration(run.seconds)})")

    def _over(self, deployment: Deployment) -> Iterator[str]:
        yield from self._unfold()
        ending, fault = words.ending(deployment), words.fault(deployment)
        yield self._at(ending)
        if not self._on_github or deployment.outcome is None:
            return
        title = f"{deployment.kind} {deployment.environment}: {deployment.outcome.result}"
        if words.well(deployment):
            yield github.notice(title, words.serving(deployment))
        else:
            told = ". ".join(text for text in (words.serving(deployment), fault) if text)
            yield github.error(title, told)

    def _unfold(self) -> Iterator[str]:
        if self._folded:
            self._folded = False
            yield github.end_group()

    def _at(self, text: str) -> str:
        return f"{self._clock() - self._began:7.1f} s  {text}"
