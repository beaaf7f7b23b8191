"""Decide whether a running group may be recorded as the serving release, and forgotten again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.core import commands
from pipeline.core.adoption.model import Adoption
from pipeline.core.changes.inputs import InputChange
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer, ObservedGroup
from pipeline.core.health.traffic_sources import attach
from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.core.state.ownership import owner_in
from pipeline.core.state.release import AdoptedGroup, Release, Size

_BALANCERS: Final = ("load_balancers", "target_groups")
_IGNORED: Final = frozenset({"desired_capacity", "account", *_BALANCERS})
"""What need not be equal: Auto Scaling changes the size, preflight checks the account."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """An adoption, before or after its confirmation.

    `tables` are added to pipeline.toml, empty if it has the environment. `differs` is where the
    configuration is not as the group is. `known` says that the group was adopted before.
    """

    environment: str
    found: Adoption
    record: ReleaseRecord
    tables: str = ""
    differs: tuple[InputChange, ...] = ()
    known: bool = False

    @property
    def release(self) -> str:
        """Return the name of the release."""
        return self.record.release.name


def adopted_release(
    document: Environment, found: Adoption, seen: ObservedGroup, image: str, today: str
) -> ReleaseRecord:
    """Return the record of an adopted release; `image` is its AMI, empty if it is unknown.

    Its inputs are not recorded: only a release that the module made has those of pipeline.toml.
    """
    size = Size(
        instance_type=str(found.settings.get("instance_type", "")),
        minimum=seen.minimum,
        maximum=seen.maximum,
        desired=seen.desired,
    )
    group = AdoptedGroup(
        name=seen.name, region=document.region, launches=found.source, stack=found.owner
    )
    return ReleaseRecord(
        release=Release(number=document.next, ami_id=image, size=size, facts={}),
        since=today,
        made=True,
        minimum=seen.minimum,
        adopted=group,
    )


def require_free(document: Environment, group: str) -> None:
    """Raise RefusedError if another release serves the environment."""
    serving = document.serving
    if not serving or document.release_at(group) == serving:
        return
    name = document.environment
    what = f"{serving} serves {name}: only a group that serves instead of it can be adopted"
    raise RefusedError(f"group {group}", what, commands.status(name))


def require_balancer(found: Adoption, document: Environment, *, is_worker: bool) -> None:
    """Raise RefusedError for a group without a load balancer, or an environment without one.

    Such a group works while it runs. The pipeline would have to stop it, and never resizes it.
    """
    if not is_worker and any(found.settings.get(each) for each in _BALANCERS):
        return
    options = {"region": document.region, "auto-scaling-group-name": found.group}
    sizes = {"min-size": "0", "max-size": "0", "desired-capacity": "0"}
    stop = commands.aws("autoscaling", "update-auto-scaling-group", {**options, **sizes})
    plan = commands.adopt(document.environment, found.group, "--plan")
    raise RefusedError(
        f"group {found.group}",
        "receives traffic from no load balancer of the environment: it works while it runs, and "
        "ami-pipeline never stops a group that it did not create",
        f"add the tables of {plan}; then: {commands.promote(document.environment)}; "
        f"then stop it: {stop}",
    )


def require_serves(
    seen: ObservedGroup | None, document: Environment, group: str, balancers: Iterable[Balancer]
) -> None:
    """Raise RefusedError unless the group exists, has no other owner, and receives traffic."""
    where, here = f"group {group}", tuple(balancers)
    if seen is None or seen.status:
        what = f"is being deleted: {seen.status}" if seen else "was deleted meanwhile"
        raise RefusedError(where, what, "adopt another group")
    if owner := owner_in(seen.tags):
        what = f"was created by ami-pipeline: its tags name {owner}"
        remedy = f"if the environment's document is lost: {commands.state_rebuild(owner_of(owner))}"
        raise RefusedError(where, what, remedy)
    if not here:
        what = f"[environments.{document.environment}] names no load balancers: workers are "
        what += "replaced by the sizes of their groups, and an adopted group is never resized"
        beside = commands.promote(document.environment)
        raise RefusedError(where, what, f"make a first release, then stop this group: {beside}")
    if missing := [each for each in here if each.identifier not in seen.attached]:
        names = ", ".join(each.name for each in missing)
        what = f"is not attached to {names}, which [environments.{document.environment}] names"
        raise RefusedError(where, what, attach(document.region, group, missing))


def owner_of(owner: str) -> str:
    """Return the environment in the words of a group's tags: `web/staging`."""
    return owner.partition("/")[2]


def differences(
    found: Adoption,
    configured: Mapping[str, Any],
    inputs: Mapping[str, Any],
    balancers: Iterable[Balancer],
) -> tuple[InputChange, ...]:
    """Return where the configuration of an environment is not as the group is.

    `before` is the configuration's value, `after` the group's. `balancers` are the configured ones:
    a target group may be named there, but has an ARN here.
    """
    return tuple(_differences(found, configured, inputs, balancers))


def _differences(
    found: Adoption,
    configured: Mapping[str, Any],
    inputs: Mapping[str, Any],
    balancers: Iterable[Balancer],
) -> Iterator[InputChange]:
    here = sorted(each.identifier for each in balancers)
    there = sorted(each for key in _BALANCERS for each in found.settings.get(key, ()))
    if here != there:
        yield InputChange(name="load balancers", before=here, after=there)
    for prefix, given, wanted in (
        ("", configured, found.settings),
        ("terraform.inputs.", inputs, found.inputs),
    ):
        for key, value in wanted.items():
            before = _plain(given.get(key))
            if key not in _IGNORED and before != _plain(value):
                yield InputChange(name=prefix + key, before=before, after=_plain(value))


def describe(change: InputChange) -> str:
    """Return a difference on one line; a long value, such as user data, is not shown."""
    before, after = repr(change.before), repr(change.after)
    if max(len(before), len(after)) > _LONGEST:
        return f"{change.name} differs"
    return f"{change.name} is {before}; the group has {after}"


_LONGEST: Final = 100


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: lists for tuples."""
    match value:
        case Mapping():
            return {key: _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
    return value


def require_undoable(document: Environment) -> str:
    """Return the adopted release that can be forgotten; raises RefusedError if none can."""
    name, serving = document.environment, document.serving
    where = f"adopt --undo of {name}"
    if not document.adopted:
        raise RefusedError(where, "no group is adopted", commands.status(name))
    others = document.releases.keys() - document.adopted
    if failed := sorted(each for each in others if document.releases[each].failed):
        what = f"{', '.join(failed)} failed and is kept for debugging"
        raise RefusedError(where, what, commands.abort(name))
    if others or document.retired or serving not in document.adopted:
        [adopted, *_] = sorted(document.adopted)
        what = f"a release was promoted since: {document.group(adopted)} stays known as {adopted}"
        back = commands.rollback(name, to=adopted)
        remedy = f"to let it serve again: {back}" if serving != adopted else commands.status(name)
        raise RefusedError(where, what, remedy)
    return serving
