"""Check that the serving release of the document serves, and no other release does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.core import commands
from pipeline.core.health.traffic_sources import attach, detach
from pipeline.core.preflight.facts import GroupFacts, Proposal
from pipeline.core.preflight.finding import Finding
from pipeline.core.preflight.remedies import LIST_DELETIONS, describe, scaling


def serving_findings(groups: Iterable[GroupFacts], proposal: Proposal) -> Iterator[Finding]:
    """Yield the findings about a serving group that is gone, and about others that serve."""
    yield from _deleted(groups, proposal)
    yield from _serving(groups, proposal)


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
        remedy=f"find out who deleted it: {LIST_DELETIONS}",
        blocking=False,
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
    elif blue and not proposal.is_worker and not proposal.configured(listed[blue].attached):
        yield Finding(
            where=f"server group {blue}",
            what="is the serving group in the environment's document, "
            "but is attached to no load balancer",
            remedy=attach(
                proposal.place.region,
                blue,
                proposal.place.entries_of(proposal.environment.serving),
            ),
        )
    for each in listed.values():
        serves = each.release and _receives(each, proposal)
        if serves and each.name not in {blue, proposal.lost}:
            yield _second(each, proposal)


def _receives(group: GroupFacts, proposal: Proposal) -> bool:
    """Return True if a group receives traffic from the environment, or a worker may run."""
    if proposal.is_worker:
        return group.maximum > 0 and not group.status
    return bool(proposal.configured(group.attached))


def _second(group: GroupFacts, proposal: Proposal) -> Finding:
    serving, where = proposal.environment.serving, f"server group {group.name}"
    see = describe(group.name, proposal)
    elsewhere = f"fix [state] url, if earlier runs kept their state elsewhere; see: {see}"
    if proposal.is_worker:
        return _second_worker(group, proposal, see)
    if group.release in proposal.environment.adopted and serving:
        return _attached_again(group, proposal)
    if serving:
        what = f"is attached to the load balancers together with {serving}; only one may serve"
        return Finding(where=where, what=what, remedy=_detach(group, proposal) or elsewhere)
    if proposal.lost:
        what = f"receives traffic in place of {proposal.lost}, but no deployment attached it"
        rollback = commands.rollback(proposal.place.environment, to=group.release)
        return Finding(
            where=where, what=what, remedy=f"make it the serving release: {rollback}; see: {see}"
        )
    what = "receives traffic, but the environment's document has no serving release"
    rebuild = commands.state_rebuild(proposal.place.environment)
    lost = f"if the document is lost: {rebuild}; " if proposal.environment.is_empty else ""
    return Finding(where=where, what=what, remedy=lost + elsewhere)


def _attached_again(group: GroupFacts, proposal: Proposal) -> Finding:
    """Report a detached adopted group that its owner has attached again."""
    environment = proposal.environment
    adopted = environment.adopted_group(group.release)
    first = f"{adopted.release_in_owner}, then: " if adopted else ""
    return Finding(
        where=f"server group {group.name}",
        what=f"is adopted ({group.release}) and was attached to the load balancers again, beside "
        f"{environment.serving}; only one may serve",
        remedy=f"{first}{_detach(group, proposal)}",
    )


def _second_worker(group: GroupFacts, proposal: Proposal, see: str) -> Finding:
    """Report a group of workers that runs beside the serving one, or without a document."""
    where, serving = f"server group {group.name}", proposal.environment.serving
    if serving:
        options = "--min-size 0 --max-size 0 --desired-capacity 0"
        stop = f"{scaling('update-auto-scaling-group', group.name, proposal)} {options}"
        what = f"may run instances together with {serving}: its maximum size is {group.maximum}"
        return Finding(where=where, what=what, remedy=f"stop it: {stop}; see: {see}")
    rebuild = commands.state_rebuild(proposal.place.environment)
    lost = f"if the document is lost: {rebuild}; " if proposal.environment.is_empty else ""
    what = "runs, but the environment's document has no serving release"
    elsewhere = f"fix [state] url, if earlier runs kept their state elsewhere; see: {see}"
    return Finding(where=where, what=what, remedy=lost + elsewhere)


def _detach(group: GroupFacts, proposal: Proposal) -> str:
    """Return the command that detaches a group of the document; empty for any other group.

    Another store may have releases of the same app and environment: only this one's are proven.
    """
    if group.release not in proposal.environment.releases:
        return ""
    sources = [each for each in proposal.place.all_balancers if each.identifier in group.attached]
    return detach(proposal.place.region, group.name, sources)
