"""Check whether the existing groups allow a deployment: which group serves, and its health.

Separate from `checks`, which checks the new group. Health is judged by one observation: the check
only tells whether the fleet was unhealthy before the deployment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.core import commands
from pipeline.core.health.observation import Balancer, Observation, ObservedGroup, Target
from pipeline.core.preflight.facts import Facts, GroupFacts, Proposal
from pipeline.core.preflight.finding import Finding

REQUIRED_PROCESSES = ("Launch", "Terminate", "AddToLoadBalancer")
"""Auto Scaling processes that a rollback or a retirement needs."""

_DRAINING = "deregistration currently in progress"
_REGISTERING = "registration is still in progress"
"""Texts of a classic load balancer (API Reference, InstanceState)."""
_PASSING = frozenset({"initial", "draining", "unhealthy.draining"})


def fleet_findings(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Yield the findings about the existing groups."""
    if facts.groups is not None:
        yield from _deleted(facts.groups, proposal)
        yield from _serving(facts.groups, proposal)
        yield from _unmanaged(facts.groups, proposal)
        yield from _unknown(facts.groups, proposal)
        yield from _missing_warm(facts.groups, proposal)
    yield from _names(facts, proposal)
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


def _deleted(groups: Iterable[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    """Report a serving group that was deleted outside ami-pipeline."""
    if not proposal.lost:
        return
    where = f"server group {proposal.lost}"
    listed = next((each for each in groups if each.name == proposal.lost), None)
    if listed and not listed.status:
        what = "did not exist when this command began, but exists now"
        remedy = f"run the command again; see: {commands.status(proposal.place.environment)}"
        yield Finding(where=where, what=what, remedy=remedy)
        return
    yield Finding(
        where=where,
        what=f"was serving and {'is being' if listed else 'was'} deleted outside ami-pipeline. "
        "A rollback is not possible; the new group starts like a first release",
        remedy=f"find out who deleted it: {_DELETED}",
        blocking=False,
    )


_DELETED = commands.aws(
    "cloudtrail",
    "lookup-events",
    {"lookup-attributes": "AttributeKey=EventName,AttributeValue=DeleteAutoScalingGroup"},
)


def _serving(groups: Iterable[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    """Check that the serving release of the document is the only release that serves."""
    blue = proposal.blue
    listed = {each.name: each for each in groups}
    if blue and blue not in listed:
        yield Finding(
            where=f"server group {blue}",
            what="is the serving group in the environment's document, but does not exist",
            remedy=commands.status(proposal.place.environment),
        )
    elif blue and not listed[blue].attached:
        yield Finding(
            where=f"server group {blue}",
            what="is the serving group in the environment's document, "
            "but is attached to no load balancer",
            remedy=_attach(blue, proposal),
        )
    for each in listed.values():
        if each.release and each.name not in {blue, proposal.lost} and each.attached:
            yield _second(each, proposal)


def _second(group: GroupFacts, proposal: Proposal) -> Finding:
    serving = proposal.environment.serving
    detach = _detach(group, proposal)
    if serving:
        what = f"is attached to the load balancers together with {serving}; only one may serve"
        return Finding(where=f"server group {group.name}", what=what, remedy=detach)
    if proposal.lost:
        what = f"receives traffic in place of {proposal.lost}, but no deployment attached it"
        rollback = commands.rollback(proposal.place.environment, to=group.release)
        remedy = f"make it the serving release: {rollback}; or detach it: {detach}"
        return Finding(where=f"server group {group.name}", what=what, remedy=remedy)
    return Finding(
        where=f"server group {group.name}",
        what="receives traffic, but the environment's document has no serving release",
        remedy="fix [state] url, if earlier runs kept their state elsewhere; "
        f"else detach the group: {detach}",
    )


def _unmanaged(groups: Iterable[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    """Report unmanaged groups, which keep receiving traffic after a promotion.

    Before the first release such a group serves, and must do so until the first release does.
    """
    for each in groups:
        if not each.release and each.attached:
            first = not proposal.environment.serving
            yield Finding(
                where=f"group {each.name}",
                what="is not managed by ami-pipeline and will keep receiving traffic",
                remedy=f"{'when this release serves, ' if first else ''}detach it: "
                f"{_detach(each, proposal)}",
                blocking=not first,
            )


def _unknown(groups: Iterable[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    known = {proposal.group(name) for name in proposal.environment.releases}
    known |= {proposal.blue, proposal.group(proposal.green)}
    for each in groups:
        if each.release and not each.attached and not each.status and each.name not in known:
            yield Finding(
                where=f"server group {each.name}",
                what=f"belongs to {each.release}, which is not in the environment's document",
                remedy=f"if it is not needed, delete it: {_force_delete(each.name, proposal)}",
                blocking=False,
            )


def _missing_warm(groups: Iterable[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    listed = {each.name for each in groups}
    for release in proposal.environment.warm:
        name = proposal.group(release)
        if name not in listed and name != proposal.lost:
            yield Finding(
                where=f"server group {proposal.group(release)}",
                what="is warm in the environment's document, but does not exist",
                remedy=commands.status(proposal.place.environment),
                blocking=False,
            )


def _names(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Check that green's name is free: AWS reserves it while a group is being deleted."""
    name, region = proposal.group(proposal.green), proposal.place.region
    if not name:
        return
    taken = next((each for each in facts.groups or () if each.name == name), None)
    if taken and taken.status:
        yield Finding(
            where=f"server group {name}",
            what=f"still exists: {taken.status}",
            remedy=f"wait until it is deleted: {_describe(name, region)}",
        )
    elif taken:
        yield Finding(
            where=f"server group {name}",
            what="already exists, but the number of a release is never reused",
            remedy=commands.recover(proposal.place.environment),
        )
    elif name in (facts.templates or ()):
        yield Finding(
            where=f"launch template {name}",
            what="already exists, but the number of a release is never reused",
            remedy=commands.recover(proposal.place.environment),
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
            + _call("cancel-instance-refresh", proposal.blue, proposal),
        )
    if blue is None:
        return
    if blue.status:
        yield Finding(
            where=where,
            what=f"serves, but is being deleted: {blue.status}",
            remedy=f"find out who deleted it: {_DELETED}",
        )
    if suspended := [each for each in REQUIRED_PROCESSES if each in blue.suspended]:
        yield Finding(
            where=where,
            what=f"has suspended processes ({', '.join(suspended)}): "
            "it cannot be restored or retired",
            remedy=f"{_call('resume-processes', blue.name, proposal)} "
            f"--scaling-processes {' '.join(suspended)}",
        )
    if proposal.retires:
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
            remedy=f"{_call('exit-standby', blue.name, proposal)} "
            f"--instance-ids {' '.join(blue.standby)}",
        )
    if blue.protected:
        yield Finding(
            where=where,
            what=f"protects {', '.join(blue.protected)} from scale-in: it cannot be retired",
            remedy=f"{_call('set-instance-protection', blue.name, proposal)} "
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
            remedy=f"{_call('update-auto-scaling-group', blue.name, proposal)} "
            "--deletion-protection none",
        )


def health_findings(observation: Observation, proposal: Proposal) -> Iterator[Finding]:
    """Yield a finding if the serving fleet was unhealthy before the deployment.

    Members that are starting or terminating do not count. The finding blocks, because a rollback
    to this fleet would fail, unless the deployment may begin with an unhealthy fleet.
    """
    group = observation.groups.get(proposal.blue)
    if group is None:
        return
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
        for balancer in proposal.place.balancers:
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
    for balancer in proposal.place.balancers:
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


def _force_delete(group: str, proposal: Proposal) -> str:
    return f"{_call('delete-auto-scaling-group', group, proposal)} --force-delete"


def _describe(group: str, region: str) -> str:
    options = {"region": region, "auto-scaling-group-names": group}
    return commands.aws("autoscaling", "describe-auto-scaling-groups", options)


def _attach(group: str, proposal: Proposal) -> str:
    sources = _sources(proposal.place.balancers)
    return f"{_call('attach-traffic-sources', group, proposal)} --traffic-sources {sources}"


def _detach(group: GroupFacts, proposal: Proposal) -> str:
    sources = _sources(
        each for each in proposal.place.balancers if each.identifier in group.attached
    )
    return f"{_call('detach-traffic-sources', group.name, proposal)} --traffic-sources {sources}"


def _sources(balancers: Iterable[Balancer]) -> str:
    return " ".join(f"Identifier={each.identifier},Type={each.kind}" for each in balancers)


def _call(verb: str, group: str, proposal: Proposal) -> str:
    options = {"region": proposal.place.region, "auto-scaling-group-name": group}
    return commands.aws("autoscaling", verb, options)
