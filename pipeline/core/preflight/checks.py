"""Whether a deployment may begin: everything that speaks against it, at once, with its remedy.

Pure: `adapters/survey.py` reads the facts. It judges who we are and what is to be launched
where; `preflight_fleet` judges what is there already. What would hurt the fleet that
serves, or let the deployment fail in the middle, blocks; the rest is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote

from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer
from pipeline.core.preflight.facts import BalancerFacts, Facts, Failure, Proposal, SubnetFacts
from pipeline.core.preflight.finding import Finding
from pipeline.core.preflight.fleet_checks import fleet_findings, or_mend
from pipeline.core.state.deployment import Policy

VCPUS = "L-1216C47A"
"""The quota "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", in vCPUs."""


def findings(facts: Facts, proposal: Proposal) -> tuple[Finding, ...]:
    """Return everything that speaks against the deployment, and what is worth a word besides.

    What could not be read is a finding itself; nothing is concluded from it.
    """
    found = [
        *_unread(facts.failures),
        *_identity(facts, proposal),
        *_credentials(facts, proposal),
        *_balancers(facts, proposal),
        *fleet_findings(facts, proposal),
        *_alarms(facts, proposal),
    ]
    if proposal.green:
        found += [*_image(facts, proposal), *_type(facts, proposal), *_room(facts, proposal)]
    return tuple(found)


def refusal(found: Sequence[Finding]) -> RefusedError:
    """Return the one error of all blocking findings, each with its remedy."""
    blocking = [each for each in found if each.blocking]
    if len(blocking) == 1:
        return RefusedError(blocking[0].where, blocking[0].what, blocking[0].remedy)
    told = [_indented(f"{each.where}: {each.what}\nnext: {each.remedy}") for each in blocking]
    return RefusedError(
        "preflight",
        "\n".join(told),
        f"put these {len(blocking)} right, then run the command again",
    )


def least_lifetime(policy: Policy) -> float:
    """Return how many seconds credentials must last.

    The pauses, a phase that takes all of its time, and as long to put everything back.
    """
    longest = max(policy.deadline, *policy.deadlines.values(), 0.0)
    return policy.soak + policy.observe + 2 * longest


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _unread(failures: Sequence[Failure]) -> Iterator[Finding]:
    """Tell what has the same remedy once: without credentials, every call fails."""
    for now in dict.fromkeys(each.remedy for each in failures):
        alike = [each for each in failures if each.remedy == now]
        yield Finding(
            where=", ".join(dict.fromkeys(each.where for each in alike)),
            what="\n".join(dict.fromkeys(each.what for each in alike)),
            remedy=now,
            blocking=any(each.needed for each in alike),
        )


def _identity(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    if facts.identity is None:
        return
    table = f"[environments.{proposal.place.environment}] account"
    account, document = facts.identity.account, proposal.environment.account
    if proposal.account and account != proposal.account:
        yield Finding(
            where=table,
            what=f"is {proposal.account}, and the credentials are of {account} "
            f"({facts.identity.arn})",
            remedy=f"use credentials of {proposal.account}, then check: aws sts get-caller-identity",
        )
    elif document and account != document:
        yield Finding(
            where=f"environment {proposal.place.environment}",
            what=f"was deployed in account {document} until now, "
            f"and the credentials are of {account} ({facts.identity.arn})",
            remedy=f"use credentials of {document}, then check: aws sts get-caller-identity",
        )
    elif not proposal.account:
        yield Finding(
            where=table,
            what=f"is not set: any account would do; these credentials are of {account}",
            remedy=f'add to [environments.{proposal.place.environment}]: account = "{account}"',
            blocking=False,
        )


def _credentials(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    held = facts.credentials
    if held is None or held.renew or not held.temporary:
        return
    longer = (
        "renew them, for longer (role-duration-seconds of aws-actions/configure-aws-credentials, "
        "aws sso login), then run the command again"
    )
    needed = f"a deployment may take {_minutes(proposal.seconds)}"
    if held.seconds is None:
        yield Finding(
            where="credentials",
            what=f"are temporary and do not say when they end; {needed}",
            remedy="export AWS_CREDENTIAL_EXPIRATION beside them, or see that they last as long",
            blocking=False,
        )
    elif held.seconds < proposal.seconds:
        yield Finding(
            where="credentials", what=f"end in {_minutes(held.seconds)}; {needed}", remedy=longer
        )


def _minutes(seconds: float) -> str:
    minutes = round(seconds / 60)
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def _balancers(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    for absent in proposal.absent:
        yield _absent(absent, proposal)
    for each in facts.balancers or ():
        yield from _balancer(each, facts.subnets, proposal)


def _absent(balancer: Balancer, proposal: Proposal) -> Finding:
    region = proposal.place.region
    kind, api = _KINDS[balancer.kind]
    return Finding(
        where=f"{kind} {balancer.name}",
        what=f"does not exist in {region}",
        remedy=f"correct [environments.{proposal.place.environment}]; see: aws {api} "
        f"--region {region}",
    )


def _balancer(
    facts: BalancerFacts, subnets: Sequence[SubnetFacts] | None, proposal: Proposal
) -> Iterator[Finding]:
    where = f"{_KINDS[facts.balancer.kind][0]} {facts.balancer.name}"
    if not facts.exists:
        yield _absent(facts.balancer, proposal)
        return
    if facts.target_type != "instance":
        yield Finding(
            where=where,
            what=f"takes targets of type {facts.target_type}; groups register instances",
            remedy="name a target group of target type instance",
        )
    if not facts.listeners:
        yield Finding(
            where=where,
            what="no listener sends requests to it, so its targets are never found healthy",
            remedy=f"add a listener or a rule that forwards to {facts.balancer.name}",
        )
    elif subnets:
        yield from _zones(where, facts, subnets)


_KINDS = {
    "elb": ("load balancer", "elb describe-load-balancers"),
    "elbv2": ("target group", "elbv2 describe-target-groups"),
}


def _zones(where: str, facts: BalancerFacts, subnets: Sequence[SubnetFacts]) -> Iterator[Finding]:
    """A target in a zone that its load balancer has not enabled is `unused` for ever."""
    foreign = sorted({each.id for each in subnets if facts.vpc and each.vpc != facts.vpc})
    if foreign:
        yield Finding(
            where=where,
            what=f"is in {facts.vpc}, and not in the VPC of {', '.join(foreign)}",
            remedy="put the groups' subnets (subnet_ids in [terraform.inputs]) into the same VPC",
        )
        return
    detached = sorted({each.zone for each in subnets} - facts.zones)
    if facts.zones and detached:
        yield Finding(
            where=where,
            what=f"is not enabled in {', '.join(detached)}, where instances would be launched",
            remedy=f"enable a subnet of {', '.join(detached)} on the load balancer, "
            "or take those subnets out of subnet_ids",
        )


def _alarms(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """An alarm that rings before we begin would end the soak, whatever we launch."""
    for line in facts.alarms:
        name, _, reason = line.partition(": ")
        what = f"rings already: {reason}" if reason else "rings already"
        observation = f"aws cloudwatch describe-alarms --region {proposal.place.region}"
        yield Finding(
            where=f"alarm {name}",
            what=f"{what}; so it is not watched" if proposal.mends else what,
            remedy=f"wait until it is quiet: {observation} --alarm-names {quote(name)}{or_mend(proposal)}",
            blocking=not proposal.mends,
        )


_OTHER = "promote another, see: ami-pipeline images"


def _image(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    where, region = f"image {proposal.image_id}", proposal.place.region
    observation = f"aws ec2 describe-images --region {region} --image-ids {proposal.image_id}"
    if proposal.image_id in facts.missing:
        yield Finding(
            where=where,
            what=f"is not in {region}, or this account may not use it",
            remedy=f"{_OTHER}; AWS's own word: {observation}",
        )
    image = facts.image
    if image is None:
        return
    if image.state != "available":
        because = f": {image.reason}" if image.reason else ""
        yield Finding(
            where=where,
            what=f"is {image.state}{because}",
            remedy=_instead(image.state, observation),
        )
    if facts.identity and image.owner != facts.identity.account and not proposal.recorded:
        yield Finding(
            where=where,
            what=f"belongs to account {image.owner}, and no bake of ours recorded it: "
            "it could be anybody's",
            remedy="promote an image that was baked here: ami-pipeline images",
        )
    if facts.type and image.architecture not in facts.type.architectures:
        runs = ", ".join(sorted(facts.type.architectures))
        yield Finding(
            where=where,
            what=f"is built for {image.architecture}, and {facts.type.name} runs {runs}",
            remedy=f"set instance_type in [environments.{proposal.place.environment}] to one that "
            f"runs {image.architecture}, or bake for {runs}",
        )
    if image.deprecated:
        yield Finding(
            where=where,
            what="is deprecated: it can be launched, but counts as out of date",
            remedy="bake a new one: ami-pipeline bake",
            blocking=False,
        )


def _instead(state: str, observation: str) -> str:
    return f"wait until it is available: {observation}" if state == "pending" else _OTHER


def _type(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    if proposal.instance_type in facts.missing:
        region = proposal.place.region
        yield Finding(
            where=f"[environments.{proposal.place.environment}] instance_type",
            what=f"AWS knows no {proposal.instance_type} in {region}",
            remedy=f"correct it; what there is: aws ec2 describe-instance-types --region {region}",
        )


def _room(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Two fleets exist at a time: is there room for the second?"""
    count, region = wanted_count(facts, proposal), proposal.place.region
    yield from _addresses(facts, proposal, count)
    if facts.group_room and facts.group_room.left < 1:
        yield Finding(
            where=f"Auto Scaling in {region}",
            what=f"there are {facts.group_room.used} groups, and the quota is "
            f"{facts.group_room.most}",
            remedy="delete groups nobody needs, or raise the quota: aws service-quotas "
            f"list-service-quotas --service-code autoscaling --region {region}",
        )
    vcpus = count * facts.type.vcpus if facts.type else 0
    if facts.vcpus and facts.vcpus.left < vcpus:
        yield Finding(
            where=f"EC2 in {region}",
            what=f"{count} more of {proposal.instance_type} are {vcpus} vCPUs; "
            f"{facts.vcpus.used} of the quota's {facts.vcpus.most} are in use",
            remedy="raise the quota: aws service-quotas request-service-quota-increase "
            f"--service-code ec2 --quota-code {VCPUS} --region {region} "
            f"--desired-value {facts.vcpus.used + vcpus}",
        )
    yield from _targets(facts, count, region)


def wanted_count(facts: Facts, proposal: Proposal) -> int:
    """Return how many instances the new group begins with: as many as serve, if any do."""
    serving = [each for each in facts.groups or () if each.name == proposal.blue]
    return serving[0].desired if serving and proposal.blue else proposal.count


def _addresses(facts: Facts, proposal: Proposal, count: int) -> Iterator[Finding]:
    for subnet in sorted(facts.missing):
        if subnet.startswith("subnet-"):
            yield Finding(
                where=f"subnet {subnet}",
                what=f"does not exist in {proposal.place.region}",
                remedy="correct subnet_ids in [terraform.inputs]",
            )
    free = sum(each.free for each in facts.subnets or ())
    if facts.subnets and free < count:
        names = ", ".join(each.id for each in facts.subnets)
        yield Finding(
            where=f"subnets {names}",
            what=f"have {free} free addresses, and {count} more instances are to be launched",
            remedy="free some, or add a subnet to subnet_ids in [terraform.inputs]",
        )


def _targets(facts: Facts, count: int, region: str) -> Iterator[Finding]:
    if facts.targets is None or facts.observation is None:
        return
    for identifier, targets in facts.observation.targets.items():
        if ":targetgroup/" in identifier and len(targets) + count > facts.targets:
            yield Finding(
                where=f"target group {identifier.split('/')[1]}",
                what=f"has {len(targets)} targets, and the quota is {facts.targets}: "
                f"no room for {count} more",
                remedy="raise the quota: aws service-quotas list-service-quotas "
                f"--service-code elasticloadbalancing --region {region}",
            )
