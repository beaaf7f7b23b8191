"""Read what AWS says about a promotion before it begins: the facts for preflight."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.signals import require_metrics
from pipeline.core.deploy.plan import PromoteRequest
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.deploy.selection.release import size_instead
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.hooks.hook import Runs
from pipeline.core.image import Image
from pipeline.core.preflight.additions import Given
from pipeline.core.preflight.checks import findings, refusal
from pipeline.core.preflight.credentials import least_lifetime
from pipeline.core.preflight.facts import Facts, Proposal
from pipeline.core.preflight.fleet_checks import is_lost
from pipeline.core.state.deployment import Kind
from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.core.terraform.plan_guard import Plan, key_of, releases_of


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A reader of the facts about the promotion of an image."""

    reader: EnvironmentReader
    request: PromoteRequest
    image: Image
    kind: Kind = Kind.PROMOTE

    def facts(
        self, document: Environment, green: str, lost: ReleaseRecord | None = None
    ) -> tuple[Facts, Proposal]:
        """Return what AWS reports about the proposal; `lost` is a serving release that is gone."""
        from pipeline.adapters.aws.preflight.reader import PreflightReader
        from pipeline.app.environment.signals import probe_check
        from pipeline.app.permission_check import PermissionCheck

        reader = self.reader
        proposal = self._proposal(document, green, lost)
        alarms = reader.policy.alarms
        survey = PreflightReader(
            reader.clients,
            reader.groups,
            reader.describe_balancers,
            checks=[reader.terraform(document).program, *self._analysis(document, green)],
            alarms=partial(reader.alarms.ringing, alarms) if alarms else None,
            # A rollback only counts: it must not wait for the answers of a release that fails.
            probe=None if self.kind in {Kind.DRILL, Kind.ROLLBACK} else probe_check(reader),
            permissions=PermissionCheck.of(reader),
        )
        facts = survey.facts(proposal)
        seconds = least_lifetime(replace(reader.policy, delays=facts.delays))
        return facts, replace(proposal, seconds=seconds)

    def _analysis(self, document: Environment, green: str) -> Iterator[Callable[[], None]]:
        """Yield what proves that the metrics of the analysis can be read."""
        reader, analysis = self.reader, self.reader.policy.analysis
        if analysis is None or self.kind is Kind.ROLLBACK:
            return
        reader.clients.cloudwatch(reader.app.settings.region)
        reader.clients.elbv2(reader.app.settings.region)
        yield partial(require_metrics, reader, analysis, document, green)

    def _proposal(self, document: Environment, green: str, lost: ReleaseRecord | None) -> Proposal:
        reader = self.reader
        settings = reader.app.settings.environment(self.request.environment)
        from pipeline.app.permission_check import launch_of

        existing, absent = reader.found_balancers
        proposal = Proposal(
            place=reader.place(existing, document),
            environment=document,
            image_id=self.image.id,
            instance_type=settings.instance_type,
            count=size_instead(settings.size, lost).desired,
            seconds=least_lifetime(reader.policy),
            account=settings.account or "",
            green=green,
            recorded=bool(self.image.name),
            subnets=configured_subnets(reader),
            allow_unhealthy=self.kind is Kind.ROLLBACK or self.request.allow_unhealthy,
            retires=reader.policy.keep == 0,
            absent=absent,
            launch=launch_of(reader, self.image.id, configured_subnets(reader)),
            kind=self.kind,
            detach=self.request.detach,
            overlap=reader.policy.overlap,
            batches=reader.policy.batches is not None,
            probe_url=reader.policy.probe.url if reader.policy.probe else "",
            instance_hook=next(
                (str(each) for each in reader.policy.hooks if each.run is Runs.INSTANCE), ""
            ),
        )
        if lost is None:
            return proposal
        return replace(proposal, lost=proposal.group(lost.release.name))


def require_rebuildable(reader: EnvironmentReader, document: Environment, image: Image) -> None:
    """Raise RefusedError if preflight would refuse the promotion of a new image.

    Before a bake there is no new image, so the serving one, `image`, stands for it, and findings
    about that image do not count. If nothing serves, only the load balancers are checked.
    """
    if not document.serving:
        _ = reader.balancers
        return
    request = PromoteRequest(environment=reader.environment)
    survey = Survey(reader=reader, request=request, image=image, kind=Kind.REBUILD)
    facts, proposal = survey.facts(document, f"r{document.next:06}")
    if is_lost(facts, proposal):
        return
    about_image = f"image {image.id}"
    found = [each for each in findings(facts, proposal) if each.where != about_image]
    if any(each.blocking for each in found):
        raise refusal(found)


def configured_subnets(reader: EnvironmentReader) -> tuple[str, ...]:
    """Return the subnet ids that the configuration passes to Terraform."""
    given = reader.app.settings.terraform_for(reader.environment).inputs.get("subnet_ids", ())
    listed = given if isinstance(given, (list, tuple)) else ()
    return tuple(each for each in listed if isinstance(each, str) and each.startswith("subnet-"))


def given_to(plan: Plan, release: str, inputs: Mapping[str, Any] | None) -> Given:
    """Return what a plan creates for a release; `inputs` are the shipped module's, else None."""
    planned: dict[str, set[str]] = {}
    for each in plan.changes:
        if each.action == "create" and release in releases_of(each.address):
            planned.setdefault(each.kind, set()).add(key_of(each.address, release))
    hooks, tags = None, None
    if inputs is not None:
        listed = inputs.get("lifecycle_hooks", ())
        hooks = frozenset(str(each.get("name", "")) for each in listed if isinstance(each, Mapping))
        tags = frozenset(inputs.get("tags", {}))
    return Given(
        planned={kind: frozenset(keys) for kind, keys in planned.items()}, hooks=hooks, tags=tags
    )


def serving_group(
    reconciler: Reconciler, document: Environment, facts: Facts
) -> ObservedGroup | None:
    """Return the group of the serving release as AWS reported it, if it did."""
    if facts.observation is None:
        return None
    return facts.observation.groups.get(reconciler.observer.group(document.serving))
