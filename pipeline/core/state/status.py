"""Define the status of an environment: its document, what AWS shows, and the rollback option.

Pure, so that the same value becomes a tree, a JSON document or an exit code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pipeline.core import commands
from pipeline.core.health.observation import Balancer, Observation
from pipeline.core.image import NO_ITEMS
from pipeline.core.state.deployment import Deployment, Kind, Result
from pipeline.core.state.environment import NEXT, Environment, RetiredRelease
from pipeline.core.state.release import group_name
from pipeline.core.state.report import seconds_between, took
from pipeline.core.validation.phases import CREATES, traits_of


class RollbackMode(StrEnum):
    """How a rollback would run: to a warm group, to a new group, or not at all."""

    WARM = "warm"
    COLD = "cold"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class RollbackOption:
    """The rollback that `rollback` without arguments would run.

    `release` is the target: its warm group serves again, or a new release of its image.
    `last_seconds` is the duration of the last deployment of the same mode, of the kind `last_kind`.
    `seconds_left` is for how long the group stays warm: negative if its time is over and the next
    run removes it, None if it stays until the next promotion. `reason` says why no rollback is
    possible.
    """

    mode: RollbackMode
    release: str = ""
    ami_id: str = ""
    version: str = ""
    last_seconds: float | None = None
    last_kind: str = ""
    seconds_left: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """An environment by its document and by AWS, at one moment.

    `running` says whether the process of the deployment in flight is running. `versions` maps
    unmanaged releases to their versions, found for example by a tag.
    """

    environment: Environment
    observation: Observation
    balancers: tuple[Balancer, ...]
    rollback: RollbackOption
    running: bool = False
    versions: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)


def is_running(environment: Environment, now: datetime, *, process: bool | None = None) -> bool:
    """Return True if the deployment in flight is running: if its own lease has not expired.

    `process` says whether its process exists on this machine, None if that is unknown.
    """
    deployment, lease = environment.deployment, environment.lease
    if deployment is None or lease is None or lease.owner != deployment.by or process is False:
        return False
    left = _seconds_left(lease.expires, now)
    return left is not None and left > 0


def missing_releases(environment: Environment, observation: Observation) -> frozenset[str]:
    """Return the releases whose groups do not exist or are being deleted; none if unreadable."""
    if observation.unreadable:
        return frozenset()
    names = {
        each: group_name(environment.app, environment.environment, each)
        for each in environment.releases
    }
    groups = {each: observation.groups.get(name) for each, name in names.items()}
    return frozenset(each for each, group in groups.items() if group is None or group.status)


def taking_over(status: Status) -> str:
    """Return the release that receives all traffic in place of the serving one, or empty.

    From the drain on, green receives all traffic; the document names it as serving later.
    """
    environment, deployment = status.environment, status.environment.deployment
    if deployment is None or status.observation.unreadable:
        return ""
    blue, green = deployment.blue, deployment.green
    other = green if environment.serving == blue else blue
    balancers = {each.identifier for each in status.balancers}

    def attached(release: str) -> AbstractSet[str]:
        name = group_name(environment.app, environment.environment, release)
        group = status.observation.groups.get(name) if release else None
        return group.attached & balancers if group and not group.status else frozenset()

    alone = balancers and attached(other) == balancers and not attached(environment.serving)
    return other if alone else ""


def restore_command(status: Status) -> str:
    """Return the command that restores service if no group is left to serve; else empty.

    The command finishes an interrupted deployment first. It is a rollback if another group is
    warm, else the promotion of the image that served last.
    """
    environment, interrupted = status.environment, status.environment.deployment
    missing = missing_releases(environment, status.observation)
    pair = {environment.serving} | ({interrupted.blue, interrupted.green} if interrupted else set())
    known = pair & environment.releases.keys()
    served_once = environment.serving or environment.retired
    if status.observation.unreadable or not served_once or not known <= missing:
        return ""
    name, back = environment.environment, status.rollback
    if back.mode is RollbackMode.WARM and back.release not in pair:
        return commands.rollback(name)
    served = environment.releases.get(environment.serving)
    earlier = next((each.ami_id for each in environment.retired if not each.quarantined), "")
    return commands.promote(name, served.release.ami_id if served else earlier)


def rollback_option(
    environment: Environment,
    history: Iterable[Deployment],
    now: datetime,
    missing: AbstractSet[str] = frozenset(),
) -> RollbackOption:
    """Return the rollback option: the newest retired release that is not quarantined.

    `missing` are releases whose groups were deleted: none of them is warm.
    """
    if not environment.serving and not environment.retired:
        return RollbackOption(mode=RollbackMode.NONE, reason="no release has served yet")
    target = _candidate(environment)
    if target is None:
        return RollbackOption(mode=RollbackMode.NONE, reason=_why_none(environment))
    record = environment.releases.get(target.release)
    exists = target.release not in missing
    mode = RollbackMode.WARM if record and not record.failed and exists else RollbackMode.COLD
    last = _last(history, mode)
    until = record.warm_until if record and mode is RollbackMode.WARM else ""
    return RollbackOption(
        mode=mode,
        release=target.release,
        ami_id=target.ami_id,
        version=target.version,
        last_seconds=took(last) if last else None,
        last_kind=str(last.kind) if last else "",
        seconds_left=_seconds_left(until, now),
    )


def _candidate(environment: Environment) -> RetiredRelease | None:
    """Return the target; a new release of the serving image would change nothing."""
    serving = environment.releases.get(environment.serving)
    same = serving.release.ami_id if serving else ""
    good = (each for each in environment.retired if not each.quarantined)
    return next(
        (each for each in good if each.release in environment.releases or each.ami_id != same),
        None,
    )


def _why_none(environment: Environment) -> str:
    if not environment.retired:
        return f"{environment.serving} is the first release"
    bad = [each.release for each in environment.retired if each.quarantined]
    if not bad:
        return f"every earlier release has the image of {environment.serving}, which serves"
    if len(bad) == 1:
        return f"the only earlier image (of {bad[0]}) is quarantined"
    return f"all earlier images (of {', '.join(bad)}) are quarantined"


def _last(history: Iterable[Deployment], mode: RollbackMode) -> Deployment | None:
    """Return the last deployment of this mode: a rollback; for a cold one, any new release."""
    done: Sequence[Deployment] = sorted(
        (each for each in history if each.outcome and each.outcome.result is Result.PROMOTED),
        key=lambda each: each.began,
        reverse=True,
    )
    cold = [each for each in done if any(CREATES in traits_of(run.name) for run in each.phases)]
    back = [each for each in done if each.kind is Kind.ROLLBACK]
    if mode is RollbackMode.WARM:
        return next((each for each in back if each not in cold), None)
    return next((each for each in back if each in cold), None) or next(iter(cold), None)


def _seconds_left(until: str, now: datetime) -> float | None:
    if until in {"", NEXT}:
        return None
    left = seconds_between(now.isoformat(), until)
    if left:
        return left
    over = seconds_between(until, now.isoformat())
    return -over if over is not None else None
