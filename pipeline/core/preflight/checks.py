"""Check whether a deployment may begin, and return all findings at once, with remedies.

Pure: `adapters/aws/preflight` reads the facts. This module checks the account, the load
balancers and the new group; `fleet_checks` checks the existing groups. A finding blocks if it
would harm the serving group or fail the deployment halfway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer
from pipeline.core.preflight.credentials import credential_findings
from pipeline.core.preflight.facts import BalancerFacts, Facts, Failure, Proposal, SubnetFacts
from pipeline.core.preflight.finding import Finding
from pipeline.core.preflight.fleet_checks import allow_unhealthy_hint, fleet_findings
from pipeline.core.preflight.pair_checks import pair_findings
from pipeline.core.preflight.permission_checks import permission_findings

VCPUS = "L-1216C47A"
"""The quota "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", in vCPUs."""


def findings(facts: Facts, proposal: Proposal) -> tuple[Finding, ...]:
    """Return the blocking findings and the notices about a deployment.

    A fact that could not be read is a finding itself, and no check uses it.
    """
    found = [
        *_unread(facts.failures),
        *_identity(facts, proposal),
        *credential_findings(facts.credentials, proposal.seconds, "a deployment"),
        *_balancers(facts, proposal),
        *pair_findings(proposal.place, proposal.environment.serving, facts.observation),
        *fleet_findings(facts, proposal),
        *_alarms(facts, proposal),
        *_batches(facts, proposal),
        *_probe(facts, proposal),
        *_instance_hooks(facts, proposal),
    ]
    if proposal.green:
        found += permission_findings(facts, proposal)
        found += [*_image(facts, proposal), *_type(facts, proposal), *_capacity(facts, proposal)]
    return tuple(found)


def refusal(found: Sequence[Finding]) -> RefusedError:
    """Return the one error of all blocking findings, each with its remedy."""
    blocking = [each for each in found if each.blocking]
    if len(blocking) == 1:
        return RefusedError(blocking[0].where, blocking[0].what, blocking[0].remedy)
    texts = [_indented(f"{each.where}: {each.what}\nnext: {each.remedy}") for each in blocking]
    return RefusedError(
        "preflight",
        "\n".join(texts),
        f"fix these {len(blocking)} problems, then run the command again",
    )


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _unread(failures: Sequence[Failure]) -> Iterator[Finding]:
    """Combine failures with the same remedy: without credentials, every call fails."""
    for remedy in dict.fromkeys(each.remedy for each in failures):
        alike = [each for each in failures if each.remedy == remedy]
        yield Finding(
            where=", ".join(dict.fromkeys(each.where for each in alike)),
            what="\n".join(dict.fromkeys(each.what for each in alike)),
            remedy=remedy,
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
            what=f"is {proposal.account}, but the credentials are of account {account} "
            f"({facts.identity.arn})",
            remedy=_use_credentials_of(proposal.account),
        )
    elif document and account != document:
        yield Finding(
            where=f"environment {proposal.place.environment}",
            what=f"is in account {document}, but the credentials are of account {account} "
            f"({facts.identity.arn})",
            remedy=_use_credentials_of(document),
        )
    elif not proposal.account:
        yield Finding(
            where=table,
            what=f"is not set, so any account is accepted; the credentials are of {account}",
            remedy=f'add to [environments.{proposal.place.environment}]: account = "{account}"',
            blocking=False,
        )


def _use_credentials_of(account: str) -> str:
    return f"use credentials of account {account}, then check them: {commands.WHO_AM_I}"


def _balancers(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    for absent in proposal.absent:
        yield _absent(absent, proposal)
    for each in facts.balancers or ():
        yield from _balancer(each, facts.subnets, proposal)


def _batches(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Check that the pipeline may shrink the serving group, as batches do."""
    blue = facts.observation.groups.get(proposal.blue) if facts.observation else None
    if not proposal.batches or blue is None:
        return
    why = "its size is counted in weights" if blue.weighted else ""
    if proposal.replaces_adopted:
        why = "ami-pipeline did not create it, and never resizes it"
    if why:
        table = f"[environments.{proposal.place.environment}.promote]"
        yield Finding(
            where=f"server group {blue.name}",
            what=f"cannot shrink in batches: {why}",
            remedy=f'set strategy = "overlap" in {table}',
        )


def _absent(balancer: Balancer, proposal: Proposal) -> Finding:
    region = proposal.place.region
    kind, service, operation = _KINDS[balancer.kind]
    listing = commands.aws(service, operation, {"region": region})
    return Finding(
        where=f"{kind} {balancer.name}",
        what=f"does not exist in {region}",
        remedy=f"fix its name in [environments.{proposal.place.environment}]; list them: {listing}",
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
            what=f"has targets of type {facts.target_type}, but a group registers instances",
            remedy="use a target group of target type instance",
        )
    paired = {each.identifier for pair in proposal.place.pairs for each in pair.targets}
    if not facts.listeners and facts.balancer.identifier not in paired:
        yield Finding(
            where=where,
            what="no listener forwards to it, so its targets never become healthy",
            remedy=f"add a listener or a rule that forwards to {facts.balancer.name}",
        )
    elif subnets:
        yield from _zones(where, facts, subnets)


_KINDS = {
    "elb": ("load balancer", "elb", "describe-load-balancers"),
    "elbv2": ("target group", "elbv2", "describe-target-groups"),
}


def _zones(where: str, facts: BalancerFacts, subnets: Sequence[SubnetFacts]) -> Iterator[Finding]:
    """Check the zones: a target in a zone that its load balancer has not enabled stays `unused`."""
    foreign = sorted({each.id for each in subnets if facts.vpc and each.vpc != facts.vpc})
    if foreign:
        yield Finding(
            where=where,
            what=f"is in {facts.vpc}, but {', '.join(foreign)} {_are(foreign)} in another VPC",
            remedy="set subnet_ids in [terraform.inputs] to subnets of that VPC",
        )
        return
    missing = sorted({each.zone for each in subnets} - facts.zones)
    if facts.zones and missing:
        yield Finding(
            where=where,
            what=f"is not enabled in {', '.join(missing)}, where instances will be launched",
            remedy=f"enable a subnet of {', '.join(missing)} on the load balancer, "
            "or remove those subnets from subnet_ids in [terraform.inputs]",
        )


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _alarms(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Check the alarms: one that is firing already would end the soak of any release."""
    for line in facts.alarms:
        name, _, reason = line.partition(": ")
        what = f"is already firing: {reason}" if reason else "is already firing"
        options = {"region": proposal.place.region, "alarm-names": name}
        listing = commands.aws("cloudwatch", "describe-alarms", options)
        yield Finding(
            where=f"alarm {name}",
            what=f"{what}; this deployment ignores it" if proposal.allow_unhealthy else what,
            remedy=f"wait until it is OK: {listing}{allow_unhealthy_hint(proposal)}",
            blocking=not proposal.allow_unhealthy,
        )


def _probe(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Check the probe: failures of the serving release must not end the next one's deployment."""
    if facts.probe_failure:
        what = f"{proposal.probe_url} fails before any change: {facts.probe_failure}"
        ignored = "; this deployment only counts the probe's failures"
        yield Finding(
            where="[promote.probe] url",
            what=what + ignored if proposal.allow_unhealthy else what,
            remedy=f"see the answer: {commands.shell('curl', '-i', proposal.probe_url)}"
            f"{allow_unhealthy_hint(proposal)}",
            blocking=not proposal.allow_unhealthy,
        )


def _instance_hooks(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Tell that hooks could not run on the serving members; green's image may have the agent."""
    asked = facts.unmanaged or {}
    unmanaged = {each: why for each, why in asked.items() if why}
    if unmanaged:
        member, why = min(unmanaged.items())
        some = f"{len(unmanaged)} of {len(asked)} members of {proposal.blue} get no commands"
        yield Finding(
            where=proposal.instance_hook,
            what=f"runs on instances, but {some}: {member}: {why}",
            remedy="give the role of the instance profile AmazonSSMManagedInstanceCore and the "
            f"image the SSM Agent; check: {commands.managed_node(member)}",
            blocking=False,
        )


def _other() -> str:
    return f"promote another image; list them: {commands.images()}"


def _image(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    where, region = f"image {proposal.image_id}", proposal.place.region
    listing = commands.aws(
        "ec2", "describe-images", {"region": region, "image-ids": proposal.image_id}
    )
    if proposal.image_id in facts.missing:
        yield Finding(
            where=where,
            what=f"does not exist in {region}, or this account has no permission to use it",
            remedy=f"{_other()}; check it in AWS: {listing}",
        )
    image = facts.image
    if image is None:
        return
    if image.state != "available":
        because = f": {image.reason}" if image.reason else ""
        yield Finding(
            where=where,
            what=f"is {image.state}{because}",
            remedy=_instead(image.state, listing),
        )
    if facts.identity and image.owner != facts.identity.account and not proposal.recorded:
        yield Finding(
            where=where,
            what=f"belongs to account {image.owner} and was not baked by ami-pipeline: "
            "its content is not trusted",
            remedy=f"promote an image that ami-pipeline baked; list them: {commands.images()}",
        )
    if facts.type and image.architecture not in facts.type.architectures:
        runs = ", ".join(sorted(facts.type.architectures))
        yield Finding(
            where=where,
            what=f"is built for {image.architecture}, but {facts.type.name} runs {runs}",
            remedy=f"set instance_type in [environments.{proposal.place.environment}] to one that "
            f"runs {image.architecture}, or bake for {runs}",
        )
    if image.deprecated:
        yield Finding(
            where=where,
            what="is deprecated: it can be launched, but is out of date",
            remedy=f"bake a new image: {commands.bake()}",
            blocking=False,
        )


def _instead(state: str, listing: str) -> str:
    return f"wait until it is available: {listing}" if state == "pending" else _other()


def _type(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    if proposal.instance_type in facts.missing:
        region = proposal.place.region
        yield Finding(
            where=f"[environments.{proposal.place.environment}] instance_type",
            what=f"{proposal.instance_type} does not exist in {region}",
            remedy="use another type; list them: "
            + commands.aws("ec2", "describe-instance-types", {"region": region}),
        )


def _capacity(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Check that the account has room for a second fleet beside the serving one."""
    count, region = wanted_count(facts, proposal), proposal.place.region
    if proposal.blue and not proposal.overlap:
        count = 0  # the serving group makes room first
    yield from _addresses(facts, proposal, count)
    if facts.group_quota and facts.group_quota.free < 1:
        yield Finding(
            where=f"Auto Scaling in {region}",
            what=f"has {facts.group_quota.used} groups, and the quota is {facts.group_quota.limit}",
            remedy=f"delete unused groups, or raise the quota: {_quotas('autoscaling', region)}",
        )
    vcpus = count * facts.type.vcpus if facts.type else 0
    if facts.vcpus and facts.vcpus.free < vcpus:
        yield Finding(
            where=f"EC2 in {region}",
            what=f"{count} more {proposal.instance_type} need {vcpus} vCPUs; "
            f"{facts.vcpus.used} of the quota of {facts.vcpus.limit} are in use",
            remedy=f"raise the quota: {_raise_vcpus(region, facts.vcpus.used + vcpus)}",
        )
    yield from _targets(facts, count, region)


def _quotas(service: str, region: str) -> str:
    options = {"service-code": service, "region": region}
    return commands.aws("service-quotas", "list-service-quotas", options)


def _raise_vcpus(region: str, value: int) -> str:
    options = {
        "service-code": "ec2",
        "quota-code": VCPUS,
        "region": region,
        "desired-value": str(value),
    }
    return commands.aws("service-quotas", "request-service-quota-increase", options)


def wanted_count(facts: Facts, proposal: Proposal) -> int:
    """Return the number of instances of the new group: as many as the serving group has.

    One at least: it proves the release even if the serving group is scaled to zero.
    """
    serving = [each for each in facts.groups or () if each.name == proposal.blue]
    return max(1, serving[0].desired) if serving and proposal.blue else proposal.count


def _addresses(facts: Facts, proposal: Proposal, count: int) -> Iterator[Finding]:
    for subnet in sorted(facts.missing):
        if subnet.startswith("subnet-"):
            yield Finding(
                where=f"subnet {subnet}",
                what=f"does not exist in {proposal.place.region}",
                remedy="fix subnet_ids in [terraform.inputs]",
            )
    free = sum(each.free for each in facts.subnets or ())
    if facts.subnets and free < count:
        names = ", ".join(each.id for each in facts.subnets)
        yield Finding(
            where=f"subnets {names}",
            what=f"have {free} free addresses, but {count} more instances will be launched",
            remedy="free addresses, or add a subnet to subnet_ids in [terraform.inputs]",
        )


def _targets(facts: Facts, count: int, region: str) -> Iterator[Finding]:
    if facts.targets is None or facts.observation is None:
        return
    for identifier, targets in facts.observation.targets.items():
        if ":targetgroup/" in identifier and len(targets) + count > facts.targets:
            yield Finding(
                where=f"target group {identifier.split('/')[1]}",
                what=f"has {len(targets)} targets and would get {count} more; "
                f"the quota is {facts.targets}",
                remedy=f"raise the quota: {_quotas('elasticloadbalancing', region)}",
            )
