"""Whether the fleet that is there lets a deployment begin: who serves, in which condition.

Beside `preflight`, which judges what is to be launched. Health here is that of one look: the
question is not whether a fleet gets healthy, but whether it was sick before we came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.core.health.observation import Balancer, Observation, ObservedGroup, Target
from pipeline.core.preflight.facts import Facts, GroupFacts, Proposal
from pipeline.core.preflight.finding import Finding

HURTFUL = ("Launch", "Terminate", "AddToLoadBalancer")
"""Processes without which a group can neither be restored nor retired."""

_DRAINING = "deregistration currently in progress"
_REGISTERING = "registration is still in progress"
"""From a classic load balancer's descriptions (API Reference, InstanceState)."""
_PASSING = frozenset({"initial", "draining", "unhealthy.draining"})


def fleet_findings(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Yield what is wrong with the groups that exist."""
    if facts.groups is not None:
        yield from _gone(facts.groups, proposal)
        yield from _serving(facts.groups, proposal)
        yield from _strangers(facts.groups, proposal)
        yield from _unknown(facts.groups, proposal)
        yield from _lost(facts.groups, proposal)
    yield from _names(facts, proposal)
    yield from _condition(facts, proposal)
    if facts.observation is not None:
        yield from sickness(facts.observation, proposal)
        yield from _others(facts, proposal)


def is_lost(facts: Facts, proposal: Proposal) -> bool:
    """Tell whether the group that serves by the document is gone, or AWS deletes it.

    Two answers say so: the list of all groups, and what AWS says of this one.
    """
    if (
        not proposal.blue
        or facts.groups is None
        or facts.observation is None
        or facts.observation.unreadable
    ):
        return False
    listed = next((each for each in facts.groups if each.name == proposal.blue), None)
    seen = facts.observation.groups.get(proposal.blue)
    return all(each is None or each.status for each in (listed, seen))


def missing(facts: Facts, proposal: Proposal) -> frozenset[str]:
    """Return the releases that have a group by the document, and none that AWS lists."""
    there = {each.name for each in facts.groups or ()}
    return frozenset(
        name for name in proposal.environment.releases if proposal.group(name) not in there
    )


def _gone(groups: Iterable[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    """What served was deleted by somebody: there is nothing to be careful of any more."""
    if not proposal.lost:
        return
    where = f"server group {proposal.lost}"
    there = next((each for each in groups if each.name == proposal.lost), None)
    if there and not there.status:
        what = "was gone a moment ago, and is there now"
        remedy = f"run the command again; see: ami-pipeline status -e {proposal.place.environment}"
        yield Finding(where=where, what=what, remedy=remedy)
        return
    yield Finding(
        where=where,
        what=f"served, and {'is being deleted' if there else 'is gone'}: no deployment did that. "
        "There is no group to go back to; the new one begins as a first release does",
        remedy=f"find out who deleted it: {_DELETED}",
        blocking=False,
    )


_DELETED = (
    "aws cloudtrail lookup-events --lookup-attributes "
    "AttributeKey=EventName,AttributeValue=DeleteAutoScalingGroup"
)


def _serving(groups: Iterable[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    """Exactly the release that the document names serves, and no other of ours."""
    blue = proposal.blue
    there = {each.name: each for each in groups}
    if blue and blue not in there:
        yield Finding(
            where=f"server group {blue}",
            what="serves according to the environment's document, but it does not exist",
            remedy=f"ami-pipeline status -e {proposal.place.environment}",
        )
    elif blue and not there[blue].attached:
        yield Finding(
            where=f"server group {blue}",
            what="serves according to the environment's document, "
            "but it is attached to no load balancer",
            remedy=_attach(blue, proposal),
        )
    for each in there.values():
        if each.release and each.name not in {blue, proposal.lost} and each.attached:
            yield _second(each, proposal)


def _second(group: GroupFacts, proposal: Proposal) -> Finding:
    serving = proposal.environment.serving
    detach = _detach(group, proposal)
    if serving:
        what = f"is attached to the load balancers beside {serving}: exactly one may serve"
        return Finding(where=f"server group {group.name}", what=what, remedy=detach)
    if proposal.lost:
        what = f"takes traffic in the place of {proposal.lost}, and no deployment put it there"
        remedy = f"make it what serves: ami-pipeline rollback -e {proposal.place.environment} "
        remedy += f"--to {group.release}; or take it out of service: {detach}"
        return Finding(where=f"server group {group.name}", what=what, remedy=remedy)
    return Finding(
        where=f"server group {group.name}",
        what="serves, but the environment's document says that nothing was ever promoted",
        remedy="correct [state] url, if earlier runs kept their state elsewhere; "
        f"else take the group out of service: {detach}",
    )


def _strangers(groups: Iterable[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    """A group of somebody else's keeps its part of the traffic, whatever we promote.

    Before the first release it is what served until now, and must go on until we serve.
    """
    for each in groups:
        if not each.release and each.attached:
            first = not proposal.environment.serving
            yield Finding(
                where=f"group {each.name}",
                what="is no group of ours, and attached to the same load balancers: "
                "it keeps its part of the traffic",
                remedy=f"{'once this release serves, ' if first else ''}take it out of service: "
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
                what=f"has our name, but the environment's document does not know {each.release}",
                remedy="if nobody needs it: "
                f"{_call('delete-auto-scaling-group', each.name, proposal)} --force-delete",
                blocking=False,
            )


def _lost(groups: Iterable[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    there = {each.name for each in groups}
    for release in proposal.environment.warm:
        name = proposal.group(release)
        if name not in there and name != proposal.lost:
            yield Finding(
                where=f"server group {proposal.group(release)}",
                what="is kept for a rollback according to the environment's document, "
                "but it does not exist",
                remedy=f"ami-pipeline status -e {proposal.place.environment}",
                blocking=False,
            )


def _names(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """The name of green must be free: AWS keeps it while a group is being deleted."""
    name, region = proposal.group(proposal.green), proposal.place.region
    if not name:
        return
    taken = next((each for each in facts.groups or () if each.name == name), None)
    if taken and taken.status:
        yield Finding(
            where=f"server group {name}",
            what=f"is still there: {taken.status}",
            remedy="wait until it is gone: aws autoscaling describe-auto-scaling-groups "
            f"--region {region} --auto-scaling-group-names {name}",
        )
    elif taken:
        yield Finding(
            where=f"server group {name}",
            what="exists already, and a release's number is never used again",
            remedy=f"ami-pipeline recover -e {proposal.place.environment}",
        )
    elif name in (facts.templates or ()):
        yield Finding(
            where=f"launch template {name}",
            what="exists already, and a release's number is never used again",
            remedy=f"ami-pipeline recover -e {proposal.place.environment}",
        )


def _condition(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """The serving group can be left as it is, restored and retired."""
    blue = next((each for each in facts.groups or () if each.name == proposal.blue), None)
    where, cancel = f"server group {proposal.blue}", "cancel-instance-refresh"
    for line in facts.refreshes or ():
        yield Finding(
            where=where,
            what=f"its instances are being replaced: {line}",
            remedy=f"wait until it is over, or: {_call(cancel, proposal.blue, proposal)}",
        )
    if blue is None:
        return
    if blue.status:
        yield Finding(
            where=where,
            what=f"serves, but it is being deleted: {blue.status}",
            remedy=f"find out who deletes it: {_DELETED}",
        )
    if suspended := [each for each in HURTFUL if each in blue.suspended]:
        yield Finding(
            where=where,
            what=f"{', '.join(suspended)} suspended: it could be neither restored nor retired",
            remedy=f"{_call('resume-processes', blue.name, proposal)} "
            f"--scaling-processes {' '.join(suspended)}",
        )
    if proposal.retires:
        yield from _aside(blue, where, proposal)


def _aside(blue: GroupFacts, where: str, proposal: Proposal) -> Iterator[Finding]:
    """Members that Auto Scaling does not terminate keep a group from being deleted without force.

    EC2 Auto Scaling User Guide, "Instance scale-in protection"; API Reference,
    DeleteAutoScalingGroup.
    """
    if blue.standby:
        yield Finding(
            where=where,
            what=f"holds {', '.join(blue.standby)} in standby: the group could not be retired",
            remedy=f"{_call('exit-standby', blue.name, proposal)} "
            f"--instance-ids {' '.join(blue.standby)}",
        )
    if blue.protected:
        yield Finding(
            where=where,
            what=f"protects {', '.join(blue.protected)} from scale-in: "
            "the group could not be retired",
            remedy=f"{_call('set-instance-protection', blue.name, proposal)} "
            f"--no-protected-from-scale-in --instance-ids {' '.join(blue.protected)}",
        )


def sickness(observation: Observation, proposal: Proposal) -> Iterator[Finding]:
    """Yield that the fleet was sick before the deployment began, if it was.

    Members that come or go just now are no sign of it. It blocks, for a rollback could not end
    well, unless the deployment is meant to mend it.
    """
    group = observation.groups.get(proposal.blue)
    if group is None:
        return
    if sick := list(_sick(group, observation, proposal)):
        yield Finding(
            where=f"server group {group.name}",
            what="\n".join(["was sick before this deployment began", *sick]),
            remedy="mend it first; or go back to the release before: "
            f"ami-pipeline rollback -e {proposal.place.environment}{or_mend(proposal)}",
            blocking=not proposal.mends,
        )


def or_mend(proposal: Proposal) -> str:
    """Return how to go on all the same, for a person may know that this image is the mend."""
    if proposal.mends or not proposal.green:
        return ""
    environment, image = proposal.place.environment, proposal.image_id
    command = f"ami-pipeline promote -e {environment} --image {image} --allow-unhealthy"
    return f"; or, if this image is the mend: {command}"


def _sick(group: ObservedGroup, observation: Observation, proposal: Proposal) -> Iterator[str]:
    settled = [each for each in group.members if each.lifecycle == "InService"]
    if not settled:
        yield "it has no instance in service"
    for member in settled:
        if member.health != "Healthy":
            yield f"{member.id} is {member.health} to Auto Scaling"
        for balancer in proposal.place.balancers:
            targets = observation.targets.get(balancer.identifier)
            if balancer.identifier in group.attached and targets is not None:
                said = _complaint(targets.get(member.id))
                yield from [f"{member.id} {said} in {balancer.name}"] if said else []


def _complaint(target: Target | None) -> str:
    """Say what is wrong with a target, in the load balancer's words; nothing if nothing is."""
    if target is None:
        return "is not registered"
    if target.state in _PASSING | {"healthy", "InService"}:
        return ""
    if _REGISTERING in target.description.lower():
        return ""
    words = [each for each in (target.reason, target.description) if each not in {"", "N/A"}]
    return f"is {target.state}" + (f" ({': '.join(words)})" if words else "")


def _others(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Name instances that a person registered: nobody replaces or drains them."""
    if facts.groups is None or facts.observation is None:
        return
    members = frozenset[str]().union(*(each.members for each in facts.groups))
    for balancer in proposal.place.balancers:
        targets = facts.observation.targets.get(balancer.identifier, {})
        alone = [
            each.id
            for each in targets.values()
            if each.id not in members
            and each.state not in _PASSING
            and _DRAINING not in each.description.lower()
        ]
        if alone:
            yield Finding(
                where=f"load balancer {balancer.name}",
                what=f"sends requests to {', '.join(sorted(alone))}, of no group of ours: "
                "it keeps its part of the traffic",
                remedy="deregister it if nobody needs it there",
                blocking=False,
            )


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
    region = proposal.place.region
    return f"aws autoscaling {verb} --region {region} --auto-scaling-group-name {group}"
