"""Rebuild the document of an environment from the tags of its server groups in AWS.

A document can be lost: a CI runner's disk is gone, or a person deletes the file. The tags say which
groups are this environment's, the load balancers say which one serves. What contradicts that is an
error, because a wrong document would let a promotion delete the serving group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer, ObservedGroup
from pipeline.core.health.traffic_sources import attach, describe_sources, detach
from pipeline.core.image import NO_ITEMS, TAG_PREFIX, Image, ImageStatus
from pipeline.core.state.environment import NEXT, Environment, ReleaseRecord, RetiredRelease
from pipeline.core.state.ownership import DEPLOYMENT, another_name, owner_in
from pipeline.core.state.release import Release, Size, is_release, number_of, release_of

RELEASE = TAG_PREFIX + "release"
IMAGE = TAG_PREFIX + "image"
VERSION = TAG_PREFIX + "version"


@dataclass(frozen=True, kw_only=True, slots=True)
class LaunchSource:
    """What a group launches, by its launch template."""

    image: str
    instance_type: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Traces:
    """What AWS and the store show of an environment whose document is lost.

    `groups` are all groups of the region. `sources` says what this environment's groups launch, by
    their names. `releases` are all releases that left a trace: a launch template, an instance, a
    recorded deployment.
    """

    groups: Sequence[ObservedGroup]
    sources: Mapping[str, LaunchSource] = field(default_factory=lambda: NO_ITEMS)
    releases: frozenset[str] = frozenset()

    def with_releases(self, names: Iterable[str]) -> Traces:
        """Return these traces and those of more releases."""
        return replace(self, releases=self.releases | frozenset(names))


@dataclass(frozen=True, kw_only=True, slots=True)
class Rebuilding:
    """A document to write; `where` is its place in the store."""

    where: str
    document: Environment


def require_lost(document: Environment, earlier: int = 0) -> None:
    """Raise RefusedError if the document records anything, or an earlier version of it does.

    `earlier` is the number of that version, 0 for none.
    """
    name = document.environment
    if document.is_empty and not earlier:
        return
    if document.is_empty:
        what = f"the store still has version {earlier} of its document, which says more than tags"
        raise RefusedError(f"environment {name}", what, commands.state_restore(name, earlier))
    serves = f", in which {document.serving} serves" if document.serving else ""
    raise RefusedError(
        f"environment {name}",
        f"has a document{serves}: only a lost one is rebuilt",
        f"{commands.status(name)}; for its earlier versions: {commands.state_show(name)}",
    )


def lost_error(
    document: Environment,
    where: str,
    groups: Iterable[ObservedGroup],
    balancers: Iterable[Balancer],
    earlier: int = 0,
) -> RefusedError | None:
    """Return the error about an empty document beside a group of the environment that serves.

    None if no such group does. `where` is the document's place, `earlier` as in `require_lost`.
    `groups` are those that receive traffic from `balancers`.
    """
    ours, listed = _owner(document), {each.identifier for each in balancers}
    lines = [
        f"server group {each.name} has the tags of {ours} and "
        + (f"receives traffic from {describe_sources(here)}" if here else "runs")
        for each in groups
        if owner_in(each.tags) == ours and _receives(each, listed) and not each.status
        for here in [each.attached & listed]
    ]
    if not lines:
        return None
    name = document.environment
    command = commands.state_restore(name, earlier) if earlier else commands.state_rebuild(name)
    return RefusedError(
        f"[state] {where}",
        "\n".join(["has no release: the document is lost, or in another store", *lines]),
        f"{command}; or fix [state] url, if another store has the document",
    )


def rebuilt(
    wanted: Environment,
    traces: Traces,
    balancers: Sequence[Balancer],
    images: Mapping[str, Image] = NO_ITEMS,
) -> Environment:
    """Return the document that the tags of the environment's groups make up.

    The one group that is attached to its load balancers serves. A detached group with a lower
    number served before it, because the end of each promotion deletes failed ones; it stays warm
    until the next promotion. A detached group with a higher number is kept as failed: no rollback
    leads to it. `images` are the app's, by AMI. Raises RefusedError if tags, names and attachments
    contradict each other.
    """
    groups = _own_groups(wanted, traces.groups, balancers)
    serving = _serving(wanted, groups, balancers)
    records = {name: _record(wanted, name, groups[name], traces) for name in sorted(groups)}
    releases = {
        name: _placed(each, images.get(each.release.ami_id), number_of(serving))
        for name, each in records.items()
    }
    return replace(
        wanted,
        next=_next_number(wanted, traces),
        serving=serving,
        releases=releases,
        retired=_retired(releases, images, serving),
    )


def _own_groups(
    wanted: Environment, groups: Iterable[ObservedGroup], balancers: Iterable[Balancer]
) -> dict[str, ObservedGroup]:
    """Return this environment's groups by release, without those that AWS is deleting."""
    listed = frozenset(each.identifier for each in balancers)
    named = ((_release_of(wanted, each, listed), each) for each in groups)
    found = {release: each for release, each in named if release and not each.status}
    if found:
        return found
    raise RefusedError(
        f"environment {wanted.environment}",
        f"no server group in {wanted.region} has the tags of {_owner(wanted)}: "
        "there is nothing to rebuild",
        f"check region and account ({commands.WHO_AM_I}); for a first release: "
        f"{commands.promote(wanted.environment)}",
    )


def _release_of(wanted: Environment, group: ObservedGroup, listed: frozenset[str]) -> str:
    """Return the release of a group of this environment, empty for any other group.

    Raises RefusedError if its name, tags and attachments disagree about its owner.
    """
    owner, by_name = owner_in(group.tags), release_of(group.name, wanted.app, wanted.environment)
    where = f"server group {group.name}"
    if owner == _owner(wanted):
        tagged = group.tags.get(RELEASE, by_name)
        if tagged and tagged == by_name:
            return by_name
        what = f"its tag {RELEASE} is {tagged or 'not set'}, which is not the release in its name"
        remedy = f"fix the tag, or delete the group: {_describe(wanted, group)}"
        raise RefusedError(where, what, remedy)
    if by_name:
        raise _not_ours(wanted, group, owner)
    if owner and (here := group.attached & listed):
        what = f"belongs to {owner} and receives traffic from {describe_sources(here)}, too"
        table = f"[environments.{wanted.environment}]"
        raise RefusedError(where, what, f"name the load balancers of this environment in {table}")
    return ""


def _not_ours(wanted: Environment, group: ObservedGroup, owner: str) -> RefusedError:
    """Return the error about a group with a name of this environment and other tags, or none."""
    where, ours = f"server group {group.name}", _owner(wanted)
    if owner:
        what = f"belongs to {owner} by its tags, not to {ours}"
        return RefusedError(where, what, another_name(wanted.app, wanted.environment, owner))
    tags = [
        f"ResourceId={group.name},ResourceType=auto-scaling-group,"
        f"Key={TAG_PREFIX}{key},Value={value},PropagateAtLaunch=false"
        for key, value in (("app", wanted.app), ("environment", wanted.environment))
    ]
    options = {"region": wanted.region, "tags": tags}
    command = commands.aws("autoscaling", "create-or-update-tags", options)
    what = f"has a name of {ours}, but not its tags, and a name proves nothing"
    return RefusedError(where, what, f"if it belongs to {ours}, tag it: {command}")


def _serving(
    wanted: Environment, groups: Mapping[str, ObservedGroup], balancers: Sequence[Balancer]
) -> str:
    """Return the one release whose group receives traffic."""
    listed = {each.identifier for each in balancers}
    attached = sorted((each for each in groups if _receives(groups[each], listed)), key=number_of)
    if len(attached) == 1:
        return attached[0]
    newest = attached[-1] if attached else max(groups, key=number_of)
    name = groups[newest].name
    if not balancers:
        raise _undecided_workers(wanted, attached)
    if attached:
        what = f"{' and '.join(attached)} receive traffic: a deployment was interrupted"
        sources = [each for each in balancers if each.identifier in groups[newest].attached]
        command = detach(wanted.region, name, sources)
        remedy = f"detach the one that is not to serve, such as {newest}: {command}"
    else:
        what = f"no group receives traffic: {', '.join(sorted(groups, key=number_of))} detached"
        command = attach(wanted.region, name, balancers)
        remedy = f"attach the one that is to serve, such as {newest}: {command}"
    again = commands.state_rebuild(wanted.environment)
    raise RefusedError(f"environment {wanted.environment}", what, commands.after(remedy, again))


def _undecided_workers(wanted: Environment, running: Sequence[str]) -> RefusedError:
    """Return the error about workers of which several groups run, or none."""
    found = f"{' and '.join(running)} may run" if running else "the maximum size of each is 0"
    what = f"several releases or none may serve: {found}"
    remedy = "set --max-size of the one that is to serve, and 0 for the others: "
    remedy += commands.aws("autoscaling", "update-auto-scaling-group", {"region": wanted.region})
    again = commands.state_rebuild(wanted.environment)
    return RefusedError(f"environment {wanted.environment}", what, commands.after(remedy, again))


def _receives(group: ObservedGroup, listed: AbstractSet[str]) -> bool:
    """Return True if a group receives traffic; without load balancers, if it may run instances."""
    return bool(group.attached & listed) if listed else group.maximum > 0


def _record(wanted: Environment, name: str, group: ObservedGroup, traces: Traces) -> ReleaseRecord:
    """Return what a group says about its release."""
    source = _source(wanted, group, traces)
    facts = {each: group.tags.get(TAG_PREFIX + each, "") for each in (DEPLOYMENT, "version")}
    size = Size(
        instance_type=source.instance_type,
        minimum=group.minimum,
        maximum=group.maximum,
        desired=group.desired,
    )
    release = Release(
        number=number_of(name),
        ami_id=source.image,
        size=size,
        facts={key: value for key, value in facts.items() if value},
    )
    version = facts["version"]
    return ReleaseRecord(release=release, version=version, made=True, minimum=group.minimum)


def _source(wanted: Environment, group: ObservedGroup, traces: Traces) -> LaunchSource:
    """Return what a group launches; its tag may not name another image."""
    source, tagged = traces.sources.get(group.name), group.tags.get(IMAGE, "")
    where, see = f"server group {group.name}", _describe(wanted, group)
    if source is None or not source.image:
        raise RefusedError(where, "its launch template names no image", see)
    if tagged and tagged != source.image:
        what = f"its tag {IMAGE} is {tagged}, but its launch template launches {source.image}"
        raise RefusedError(where, what, f"fix the tag; see: {see}")
    return source


def _placed(record: ReleaseRecord, image: Image | None, serving: int) -> ReleaseRecord:
    """Return a record with its image's facts and its role beside the serving release's number."""
    number = record.release.number
    return replace(
        record,
        image_name=image.name if image else "",
        version=record.version or (image.version if image else ""),
        warm_until=NEXT if number < serving else "",
        failed=number > serving,
    )


def _retired(
    releases: Mapping[str, ReleaseRecord], images: Mapping[str, Image], serving: str
) -> tuple[RetiredRelease, ...]:
    """Return the releases that served before and are warm, newest first."""
    warm = [each for name, each in releases.items() if name != serving and not each.failed]
    quarantined = {
        ami_id for ami_id, each in images.items() if each.status is ImageStatus.QUARANTINED
    }
    return tuple(
        RetiredRelease(
            release=each.release.name,
            ami_id=each.release.ami_id,
            image_name=each.image_name,
            version=each.version,
            quarantined=each.release.ami_id in quarantined,
        )
        for each in sorted(warm, key=lambda each: each.release.number, reverse=True)
    )


def _next_number(wanted: Environment, traces: Traces) -> int:
    """Return a number above every release that left a trace, also one that is being deleted."""
    named = {release_of(each.name, wanted.app, wanted.environment) for each in traces.groups}
    left = {each for each in traces.releases if is_release(each)}
    return max(number_of(each) for each in (named | left) - {""}) + 1


def _owner(document: Environment) -> str:
    return f"{document.app}/{document.environment}"


def _describe(wanted: Environment, group: ObservedGroup) -> str:
    options = {"region": wanted.region, "auto-scaling-group-names": group.name}
    return commands.aws("autoscaling", "describe-auto-scaling-groups", options)
