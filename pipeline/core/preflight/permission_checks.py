"""Check what the probes of permissions showed: a needed one that is denied refuses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.core import commands
from pipeline.core.permissions.probes import Answer, PermissionFacts, ProbeResult, denied
from pipeline.core.preflight.facts import Facts, Proposal
from pipeline.core.preflight.finding import Finding

WHERE = "permissions"


def permission_findings(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Yield the findings about the permissions of a launch; none if it was proven before."""
    found = facts.permissions
    if found is None:
        return
    yield from (_existing(each, proposal) for each in found.existing)
    environment = proposal.place.environment
    group = proposal.blue if proposal.replaces_adopted else ""
    command = commands.permissions("deploy", environment, group)
    policy = f"allow it; the policy of this role: {command}"
    for needed in (True, False):
        if missing := denied(found.results, needed=needed):
            yield Finding(
                where=WHERE, what=_denials(missing, facts), remedy=policy, blocking=needed
            )
    yield from _unknown(found, environment)


def _existing(name: str, proposal: Proposal) -> Finding:
    """Return the finding about a group or template of the name that the probes use."""
    region = proposal.place.region
    kind, _, resource = name.rpartition(" ")
    service, verb, option = _LISTINGS[kind]
    listing = commands.aws(service, verb, {"region": region, option: resource})
    return Finding(
        where=name,
        what="exists, but no release has this number: permissions are proven with its name",
        remedy=f"find out whose it is, and ask for its deletion: {listing}",
    )


_LISTINGS = {
    "group": ("autoscaling", "describe-auto-scaling-groups", "auto-scaling-group-names"),
    "launch template": ("ec2", "describe-launch-templates", "launch-template-names"),
}


def _denials(missing: Sequence[ProbeResult], facts: Facts) -> str:
    """Return a line for each missing permission."""
    caller = f" to {facts.identity.arn}" if facts.identity else ""
    lines = (
        f"{each.action} is denied{caller}" + (f" on {each.resource}" if each.resource else "")
        for each in missing
    )
    return "\n".join(dict.fromkeys(lines))


def _unknown(found: PermissionFacts, environment: str) -> Iterator[Finding]:
    """Yield the notices about what could not be proven."""
    unanswered = [each for each in found.results if each.answer is Answer.UNKNOWN]
    remedy = f"compare it with the policy: {commands.permissions('deploy', environment)}"
    if unanswered:
        lines = (f"{each.action} could not be proven: {each.why}" for each in unanswered)
        yield Finding(where=WHERE, what="\n".join(lines), remedy=remedy, blocking=False)
    if found.unproven:
        what = f"{', '.join(found.unproven)} can be proven only by the change itself"
        yield Finding(where=WHERE, what=what, remedy=remedy, blocking=False)
