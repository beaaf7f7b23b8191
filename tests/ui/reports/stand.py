"""The dashboard on examples: three environments, one of them in the middle of a deployment."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from pipeline.app.reports.dashboard import EnvironmentView, ImagesView
from pipeline.cli.reports import site
from pipeline.core.changes.lineage import Lineage, LineageReport
from pipeline.core.errors import RefusedError
from pipeline.core.image import Image, ImageStatus, Usage
from pipeline.core.overview import Overview, failed_overview, overview_of
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.status import Status
from pipeline.core.timeline.record import DeploymentRecord
from tests.browser.story import failed_release, running_release
from tests.ui.reports.report_examples import failed_record, running_record
from tests.ui.status_examples import NOW, a_deployment, image, in_flight, rolled_back, warm

HISTORY = (
    rolled_back(why="fix for #812"),
    a_deployment(),
    a_deployment(green="r000123", blue="r000122", version="1.3.0", image=image(123)),
)
IMAGES = tuple(
    Image(
        app="web",
        version=version,
        name=f"web-{version}",
        region="eu-central-1",
        ids={"eu-central-1": image(number)},
        source_ami=source,
        created=f"2026-01-0{number - 121}T02:00:00+00:00",
        status=status,
        reason=reason,
    )
    for number, version, source, status, reason in (
        (125, "1.5.0", image(122), ImageStatus.GOOD, ""),
        (124, "1.4.0", image(122), ImageStatus.GOOD, ""),
        (123, "1.3.0", "ami-0aws", ImageStatus.QUARANTINED, "r000123 was rolled back from"),
        (122, "base-7", "ami-0aws", ImageStatus.QUARANTINED, "CVE-2026-0001"),
    )
)


class ExampleReader:
    """Reads examples in place of a store and AWS; `text` replaces what people can write."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.names = ("production", "staging", "lost")

    def overview(self) -> tuple[Overview, ...]:
        found = [overview_of(self.status(name), IMAGES, "") for name in self.names[:2]]
        error = RefusedError("sts:GetCallerIdentity", self.text or "no AWS credentials found", "")
        return (*found, failed_overview("lost", error))

    def status(self, name: str) -> Status:
        found = in_flight() if name == "production" else warm()
        document = replace(found.environment, environment=name)
        if document.deployment:
            document = replace(document, deployment=self.marked(document.deployment))
        releases = {
            each: replace(record, version=self.text or record.version)
            for each, record in document.releases.items()
        }
        return replace(found, environment=replace(document, releases=releases))

    def marked(self, deployment: Deployment) -> Deployment:
        """Return a deployment with the text in place of what a person can write."""
        if not self.text:
            return deployment
        by = replace(deployment.by, user=self.text, host=self.text, run=self.text)
        outcome = deployment.outcome and replace(
            deployment.outcome, reason=self.text, phase=self.text
        )
        return replace(
            deployment, version=self.text, why=self.text, by=by, outcome=outcome, reason=self.text
        )

    def environment(self, name: str) -> EnvironmentView:
        if name == "lost":
            error = self.text or "sts:GetCallerIdentity: no AWS credentials found"
            document = self.status("staging").environment
            return EnvironmentView(
                name=name, document=document, status=None, error=error, history=(), running=None
            )
        document = self.status(name).environment
        flight = document.deployment
        return EnvironmentView(
            name=name,
            document=document,
            status=self.status(name),
            error="",
            history=tuple(map(self.marked, HISTORY)),
            damaged=(self.text,) if self.text else (),
            running=self.running(flight) if flight else None,
        )

    def running(self, flight: Deployment) -> DeploymentRecord:
        return running_record(flight) if self.text else running_release()

    def deployment(self, name: str) -> DeploymentRecord:
        if name == failed_release().deployment.id:
            return running_release()
        if name != HISTORY[0].id:
            raise RefusedError(f"report {name}", "there is no such deployment", "")
        return failed_record(self.marked(HISTORY[0]))

    def images(self) -> ImagesView:
        images = tuple(
            replace(each, version=self.text or each.version, reason=self.text or each.reason)
            for each in IMAGES
        )
        documents = tuple(self.status(name).environment for name in self.names[:2])
        report = LineageReport(
            app="web",
            lineage=Lineage(images=images),
            uses={image(124): (Usage(kind="group", name=self.text or "web-production-r000124"),)},
            sources={},
        )
        return ImagesView(report=report, environments=documents, error=self.text)


def example_site(text: str = "") -> site.DashboardSite:
    """Return the dashboard of the examples, at the time of the examples."""
    app: Any = SimpleNamespace(settings=SimpleNamespace(app="web"))
    built = site.DashboardSite(app, now=lambda: NOW)
    reader: Any = ExampleReader(text)
    built._reader = reader
    return built
