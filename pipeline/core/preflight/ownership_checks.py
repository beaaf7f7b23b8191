"""Check whose the groups and launch templates are that this deployment meets.

A group of another app or environment on the same load balancer always blocks. No remedy here
deletes or detaches anything that is not proven to be ours and without traffic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.core import commands
from pipeline.core.health.traffic_sources import describe_sources
from pipeline.core.preflight.facts import Facts, GroupFacts, Proposal
from pipeline.core.preflight.finding import Finding
from pipeline.core.preflight.remedies import describe, scaling
from pipeline.core.state.ownership import another_name

_NEVER_REUSED = "already exists, but the number of a release is never reused"
_ANOTHER_STORE = "fix [state] url, if another store has the releases of this app and environment"


def ownership_findings(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Yield the findings about resources that are not, or may not be, this environment's."""
    groups = facts.groups or ()
    yield from _taken(groups, proposal)
    yield from _others(groups, proposal)
    yield from _unmanaged(groups, proposal)
    yield from _unknown(groups, proposal)
    yield from _next_name(facts, proposal)


def _taken(groups: Iterable[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    """Report another service's groups that have the names of this environment's releases."""
    names = {proposal.group(each): each for each in proposal.environment.releases}
    for each in groups:
        if each.owner and each.name in names:
            yield Finding(
                where=f"server group {each.name}",
                what=f"has the name of {names[each.name]}, but belongs to {each.owner} by its tags",
                remedy=_rename(proposal, each.owner),
            )


def _others(groups: Iterable[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    """Report groups of another app or environment on this environment's load balancers."""
    table = f"[environments.{proposal.place.environment}]"
    for each in groups:
        if each.owner and (here := proposal.configured(each.attached)):
            yield Finding(
                where=f"server group {each.name}",
                what=f"belongs to {each.owner} ({_size(each)}) and receives traffic from "
                f"{describe_sources(here)}, which {table} names, too",
                remedy=f"name the load balancers of this environment in {table}; "
                f"see: {describe(each.name, proposal)}",
            )


def _unmanaged(groups: Iterable[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    """Report unmanaged groups, which keep receiving traffic after a promotion.

    Before the first release such a group serves, and must do so until the first release does.
    """
    first = not proposal.environment.serving
    for each in groups:
        if not each.release and not each.owner and (here := proposal.configured(each.attached)):
            when = "when this release serves, ask its owner to detach it" if first else ""
            yield Finding(
                where=f"group {each.name}",
                what=f"is not managed by ami-pipeline ({_size(each)}) and will keep receiving "
                f"traffic from {describe_sources(here)}",
                remedy=f"{when or 'ask its owner to detach it'}; "
                f"see: {describe(each.name, proposal)}",
                blocking=not first,
            )


def _unknown(groups: Iterable[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    """Report our own groups that the document does not know and that do not serve here."""
    known = {proposal.group(name) for name in proposal.environment.releases}
    known |= {proposal.blue, proposal.group(proposal.green)}
    for each in groups:
        if not each.release or each.status or each.name in known:
            continue
        if proposal.configured(each.attached):
            continue  # `fleet_checks` reports it.
        traffic = f" and receives traffic from {describe_sources(each.attached)}"
        yield Finding(
            where=f"server group {each.name}",
            what=f"belongs to {each.release}, which is not in the environment's document"
            f"{traffic if each.attached else ''}",
            remedy=f"see: {describe(each.name, proposal)}"
            if each.attached
            else f"if it is not needed, delete it: {_delete(each.name, proposal)}",
            blocking=False,
        )


def _next_name(facts: Facts, proposal: Proposal) -> Iterator[Finding]:
    """Check that green's name is free: AWS reserves it while a group is being deleted."""
    name = proposal.group(proposal.green)
    if not name:
        return
    group = next((each for each in facts.groups or () if each.name == name), None)
    template = next((each for each in facts.templates or () if each.name == name), None)
    if group:
        yield _group_of_next(group, proposal)
    elif template and template.release:
        options = {"region": proposal.place.region, "launch-template-name": name}
        delete = commands.aws("ec2", "delete-launch-template", options)
        yield Finding(
            where=f"launch template {name}",
            what=_NEVER_REUSED,
            remedy=f"{_ANOTHER_STORE}; if it is not needed, delete it: {delete}",
        )
    elif template:
        yield _foreign(f"launch template {name}", template.owner, proposal)


def _group_of_next(group: GroupFacts, proposal: Proposal) -> Finding:
    where, see = f"server group {group.name}", describe(group.name, proposal)
    if group.status:
        what = f"still exists: {group.status}"
        return Finding(where=where, what=what, remedy=f"wait until it is deleted: {see}")
    if not group.release:
        return _foreign(where, group.owner, proposal)
    unneeded = f"if it is not needed, delete it: {_delete(group.name, proposal)}"
    remedy = f"{_ANOTHER_STORE}; {f'see: {see}' if group.attached else unneeded}"
    return Finding(where=where, what=_NEVER_REUSED, remedy=remedy)


def _foreign(where: str, owner: str, proposal: Proposal) -> Finding:
    """Return what is wrong with a resource of green's name that is not this environment's."""
    whose = f"it belongs to {owner}" if owner else "it has no tags of ami-pipeline"
    what = f"has the name of the next release, {proposal.green}, but {whose}"
    return Finding(where=where, what=what, remedy=_rename(proposal, owner or "another service"))


def _rename(proposal: Proposal, owner: str) -> str:
    return another_name(proposal.place.app, proposal.place.environment, owner)


def _size(group: GroupFacts) -> str:
    return f"{group.desired} instance{'' if group.desired == 1 else 's'}"


def _delete(group: str, proposal: Proposal) -> str:
    return f"{scaling('delete-auto-scaling-group', group, proposal)} --force-delete"
