"""A deployment that was rolled back in attach, with its timeline."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.events import Message, ProbeCounted
from pipeline.core.health.observation import Activity
from pipeline.core.probe.tally import Answers, ProbeTotals
from pipeline.core.state.deployment import Deployment
from pipeline.core.timeline.record import DeploymentRecord
from pipeline.core.timeline.recorder import TimelineRecorder
from tests.ui.events import rollback_events, up_to_attach, watched
from tests.ui.status_examples import in_flight, rolled_back

BEGAN = 1767496020.0
EVIDENCE = """\
group web-production-r000125
i-00125000000000001 InService, unhealthy in web-tg
console of i-00125000000000001
  app.service: Main process exited, code=exited, status=1/FAILURE
"""
FAILED = Activity(
    id="a1",
    status="Failed",
    description="Launching a new EC2 instance",
    cause="",
    message="We currently do not have sufficient t3.micro capacity",
    began="2026-01-04T03:07:30+00:00",
)


def failed_record(deployment: Deployment | None = None) -> DeploymentRecord:
    """Return the record of a promotion that failed in attach; an event comes every 5 seconds."""
    done = replace(
        deployment or rolled_back(),
        probe=ProbeTotals(requests=950, failures=8),
    )
    seconds = [0.0]
    recorder = _in_attach(done, seconds)
    recorder.report(Message(text="the probe's first failed request, in attach: HTTP 503"))
    for event in rollback_events(done):
        seconds.append(seconds[-1] + 5)
        recorder.report(event)
    return DeploymentRecord(
        deployment=done, timeline=recorder.timeline(), texts=(("evidence.txt", EVIDENCE),)
    )


def running_record(deployment: Deployment) -> DeploymentRecord:
    """Return the record of the same promotion while attach waits."""
    recorder = _in_attach(deployment, [0.0])
    return DeploymentRecord(deployment=deployment, timeline=recorder.timeline())


def _in_attach(deployment: Deployment, seconds: list[float]) -> TimelineRecorder:
    """Return a recorder in the middle of attach; the last of `seconds` is the time."""
    recorder = TimelineRecorder(deployment, lambda: BEGAN + seconds[-1])
    for event in up_to_attach():
        seconds.append(seconds[-1] + 5)
        recorder.report(event)
    seen = replace(
        in_flight().observation, activities={"web-production-r000125": (FAILED,)}, at=9.0
    )
    for number in range(1, 10):
        seconds.append(seconds[-1] + 5)
        counted = (
            Answers(version="1.4.0", status="200", count=50 * number),
            Answers(version="1.5.0", status="200", count=44 * number),
            Answers(version="1.5.0", status="503", count=number),
        )
        totals = ProbeTotals(requests=95 * number, failures=number)
        recorder.report(ProbeCounted(totals=totals, answers=counted))
        recorder.report(watched(f"{number % 3} of 3 members of r000125 healthy", seen))
    return recorder
