"""Check whether the existing groups allow a deployment: which group serves, and its health.

Separate from `checks`, which checks the new group. Health is judged by one observation: the check
only tells whether the fleet was unhealthy before the deployment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pipeline.core import commands
from pipeline.core.health.observation import Balancer, Observation, ObservedGroup, Target
from pipeline.core.preflight.attachment_checks import (
    REQUIRED_OF_ADOPTED,
    Attachments,
    detached_findings,
)
from pipeline.core.preflight.facts import Facts, GroupFacts, Proposal
from pipeline.core.preflight.finding import Finding
from pipeline.core.preflight.ownership_checks import ownership_findings
from pipeline.core.preflight.remedies import LIST_DELETIONS, scaling
from pipeline.core.preflight.serving_checks import serving_findings
from pipeline.core.state.deployment import Kind

REQUIRED_PROCESSES = ("Launch", "Terminate", "AddToLoadBalancer")
"""Auto Scaling processes that a rollback or a retirement needs."""

_DRAINING = "deregistration currently in progress"
_REGISTERING = "registration is still in progress"
"""Texts of a classic load balancer (API Reference, InstanceState)."""
_PASSING = frozenset({"initial", "draining", "unhealthy.draining"})


def fleet_findings(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Yield the findings about the existing groups.

    If the serving group's name belongs to another service, nothing else about it matters.
    """
    if any(each.name == proposal.blue and each.owner for each in facts.groups or ()):
        yield from ownership_findings(facts, proposal)
        return
    if facts.groups is not None:
        yield from serving_findings(facts.groups, proposal)
        yield from _attachments(facts.groups, proposal)
        yield from _missing_warm(facts.groups, proposal)
    yield from ownership_findings(facts, proposal)
    yield from _condition(facts, proposal)
    if facts.observation is not None:
        yield from health_findings(facts.observation, proposal)
        yield from _unmanaged_targets(facts, proposal)


def is_lost(facts: Facts, proposal: Proposal) -> bool:
    """Return True if the serving group was deleted or is being deleted.

    Two responses must agree: the list of all groups, and the observation of this group.
    """
    if (
        not proposal.blue
        or facts.groups is None
        or facts.observation is None
        or facts.observation.unreadable
    ):
        return False
    listed = next((each for each in facts.groups if each.name == proposal.blue), None)
    observed = facts.observation.groups.get(proposal.blue)
    return all(each is None or each.status for each in (listed, observed))


def missing(facts: Facts, proposal: Proposal) -> frozenset[str]:
    """Return the releases of the document whose groups AWS does not list."""
    existing = {each.name for each in facts.groups or ()}
    return frozenset(
        name for name in proposal.environment.releases if proposal.group(name) not in existing
    )


def _attachments(groups: Sequence[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    """Check that the groups of the document receive traffic only from the configuration's."""
    known = {proposal.group(name) for name in proposal.environment.releases}
    listed = {each.name: each for each in groups if each.release and each.name in known}
    yield from _serving_attachments(groups, proposal).findings()
    # An adopted group is its owner's: it may serve elsewhere, and is not deleted.
    owned = {proposal.group(name) for name in proposal.environment.adopted}
    for name, each in listed.items():
        if name not in {proposal.blue, proposal.lost} | owned and not each.status:
            yield from detached_findings(proposal.place, name, each.attached)


def leaving(facts: Facts, proposal: Proposal) -> tuple[Balancer, ...]:
    """Return the load balancers that the serving group is to leave for good."""
    return _serving_attachments(facts.groups or (), proposal).leaving


def _serving_attachments(groups: Iterable[GroupFacts], proposal: Proposal) -> Attachments:
    """Return what the serving group is attached to, and what it is to leave."""
    place, image = proposal.place, proposal.image_id
    blue = (each.attached for each in groups if proposal.blue and each.name == proposal.blue)
    attached = next(blue, frozenset[str]())

    def again(names: Sequence[str]) -> str:
        if proposal.kind is Kind.ROLLBACK:
            return commands.rollback(place.environment, to=image, detach=names)
        return commands.promote(place.environment, image, detach=names)

    return Attachments(
        place=place, group=proposal.blue, attached=attached, detach=proposal.detach, again=again
    )


def _missing_warm(groups: Iterable[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    listed = {each.name for each in groups}
    for release in proposal.environment.warm:
        name = proposal.group(release)
        adopted = release in proposal.environment.adopted
        if name not in listed and name != proposal.lost:
            yield Finding(
                where=f"server group {name}",
                what=f"is {'adopted' if adopted else 'warm'} in the environment's document, "
                "but does not exist",
                remedy=commands.status(proposal.place.environment),
                blocking=False,
            )


def _condition(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Check that a deployment can keep, restore and retire the serving group."""
    blue = next((each for each in facts.groups or () if each.name == proposal.blue), None)
    where = f"server group {proposal.blue}"
    for line in facts.refreshes or ():
        yield Finding(
            where=where,
            what=f"has an active instance refresh: {line}",
            remedy="wait until it ends, or cancel it: "
            + scaling("cancel-instance-refresh", proposal.blue, proposal),
        )
    if blue is None:
        return
    if blue.status:
        yield Finding(
            where=where,
            what=f"serves, but is being deleted: {blue.status}",
            remedy=f"find out who deleted it: {LIST_DELETIONS}",
        )
    is_adopted = proposal.replaces_adopted
    if is_adopted and proposal.is_worker:
        table = f"[environments.{proposal.place.environment}]"
        what = f"is adopted, and {table} names no load balancer: only its owner may stop it"
        yield Finding(where=where, what=what, remedy=f"name its load balancers in {table}")
    needed = (
        REQUIRED_OF_ADOPTED if is_adopted else REQUIRED_PROCESSES[: 2 if proposal.is_worker else 3]
    )
    if suspended := [each for each in needed if each in blue.suspended]:
        yield Finding(
            where=where,
            what=f"has suspended processes ({', '.join(suspended)}): "
            f"it cannot be restored{'' if is_adopted else ' or retired'}",
            remedy=f"{scaling('resume-processes', blue.name, proposal)} "
            f"--scaling-processes {' '.join(suspended)}",
        )
    if proposal.is_worker or (proposal.retires and not is_adopted):
        yield from _unretirable(blue, where, proposal)


def _unretirable(blue: GroupFacts, where: str, proposal: Proposal) -> Iterator[Finding]:
    """Report members that Auto Scaling does not terminate, because they prevent a deletion.

    EC2 Auto Scaling User Guide, "Instance scale-in protection"; API Reference,
    DeleteAutoScalingGroup.
    """
    if blue.standby:
        yield Finding(
            where=where,
            what=f"has {', '.join(blue.standby)} in standby: it cannot be retired",
            remedy=f"{scaling('exit-standby', blue.name, proposal)} "
            f"--instance-ids {' '.join(blue.standby)}",
        )
    if blue.protected:
        effect = "drain waits for them" if proposal.is_worker else "it cannot be retired"
        yield Finding(
            where=where,
            blocking=not proposal.is_worker,  # a worker may protect itself while it works
            what=f"protects {', '.join(blue.protected)} from scale-in: {effect}",
            remedy=f"{scaling('set-instance-protection', blue.name, proposal)} "
            f"--no-protected-from-scale-in --instance-ids {' '.join(blue.protected)}",
        )
    for instance in blue.retained:
        options = {"region": proposal.place.region, "instance-id": instance}
        verb = "terminate-instance-in-auto-scaling-group"
        yield Finding(
            where=where,
            what=f"retains {instance} after an abandoned termination hook: it cannot be retired",
            remedy=f"{commands.aws('autoscaling', verb, options)} "
            "--no-should-decrement-desired-capacity",
        )
    # Terraform deletes the empty group without force, which the other protection permits.
    if blue.protection == "prevent-all-deletion":
        yield Finding(
            where=where,
            what=f"has deletion protection ({blue.protection}): it cannot be retired",
            remedy=f"{scaling('update-auto-scaling-group', blue.name, proposal)} "
            "--deletion-protection none",
        )


def health_findings(observation: Observation, proposal: Proposal) -> Iterator[Finding]:
    """Yield a finding if the serving fleet was unhealthy before the deployment.

    Members that are starting or terminating do not count. The finding blocks, because a rollback
    to this fleet would fail, unless the deployment may begin with an unhealthy fleet.
    """
    group = observation.groups.get(proposal.blue)
    if group is None or not group.desired:
        return  # A schedule or a person scaled it to zero.
    if problems := list(_unhealthy_members(group, observation, proposal)):
        rollback = commands.rollback(proposal.place.environment)
        yield Finding(
            where=f"server group {group.name}",
            what="\n".join(["was unhealthy before this deployment", *problems]),
            remedy="fix it first; or roll back to the release before: "
            f"{rollback}{allow_unhealthy_hint(proposal)}",
            blocking=not proposal.allow_unhealthy,
        )


def allow_unhealthy_hint(proposal: Proposal) -> str:
    """Return how to continue anyway, because this image may be the fix."""
    if proposal.allow_unhealthy or not proposal.green:
        return ""
    environment, image = proposal.place.environment, proposal.image_id
    command = commands.promote(environment, image, allow_unhealthy=True)
    return f"; or, if this image is the fix: {command}"


def _unhealthy_members(
    group: ObservedGroup, observation: Observation, proposal: Proposal
) -> Iterator[str]:
    settled = [each for each in group.members if each.lifecycle == "InService"]
    if not settled:
        yield "it has no instance in service"
    for member in settled:
        if member.health != "Healthy":
            yield f"{member.id} is {member.health} in Auto Scaling"
        for balancer in proposal.place.all_balancers:
            targets = observation.targets.get(balancer.identifier)
            if balancer.identifier in group.attached and targets is not None:
                problem = _target_problem(targets.get(member.id))
                yield from [f"{member.id} {problem} in {balancer.name}"] if problem else []


def _target_problem(target: Target | None) -> str:
    """Return the problem of a target in the load balancer's words, empty if there is none."""
    if target is None:
        return "is not registered"
    if target.state in _PASSING | {"healthy", "InService"}:
        return ""
    if _REGISTERING in target.description.lower():
        return ""
    words = [each for each in (target.reason, target.description) if each not in {"", "N/A"}]
    return f"is {target.state}" + (f" ({': '.join(words)})" if words else "")


def _unmanaged_targets(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Report targets that are in no group: a person registered them, and they stay registered."""
    if facts.groups is None or facts.observation is None:
        return
    members = frozenset[str]().union(*(each.members for each in facts.groups))
    for balancer in proposal.place.all_balancers:
        targets = facts.observation.targets.get(balancer.identifier, {})
        unmanaged = [
            each.id
            for each in targets.values()
            if each.id not in members
            and each.state not in _PASSING
            and _DRAINING not in each.description.lower()
        ]
        if unmanaged:
            yield Finding(
                where=f"load balancer {balancer.name}",
                what=f"sends requests to {', '.join(sorted(unmanaged))}, "
                "which ami-pipeline does not manage",
                remedy="deregister these targets if they are not needed",
                blocking=False,
            )
