"""What stands: all that `status` tells, gathered as one value, and what a rollback would do.

Apart from `environment`, which is what the document says: here that is set beside what AWS
says. Pure, so that the same value becomes a tree, a document, or an exit code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pipeline.core.health.observation import Balancer, Observation
from pipeline.core.image import NO_ITEMS
from pipeline.core.state.deployment import Deployment, Kind, Result
from pipeline.core.state.environment import NEXT, Environment, RetiredRelease
from pipeline.core.state.release import group_name
from pipeline.core.state.report import seconds_between, took
from pipeline.core.validation.phases import CREATES, traits_of


class RollbackMode(StrEnum):
    """How a rollback would go."""

    WARM = "warm"
    COLD = "cold"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class RollbackOption:
    """What `rollback` without arguments would do.

    `release` is the one gone back to: its warm group, or a new release of its image. `last` is how
    many seconds the last such deployment took, of the kind `measured`. `left` is how many seconds
    the group is still kept, negative where its time is over and it waits for the next run, None
    where it is kept until the next promotion. `reason` says why there is no way.
    """

    way: RollbackMode
    release: str = ""
    ami_id: str = ""
    version: str = ""
    last: float | None = None
    measured: str = ""
    left: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """An environment as its document and AWS show it at one moment.

    `alive` says whether the runner of the deployment in flight still runs. `versions` maps
    releases that the document does not know to what was found of them, for example by a tag.
    """

    environment: Environment
    observation: Observation
    balancers: tuple[Balancer, ...]
    way_back: RollbackOption
    alive: bool = False
    versions: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)


def alive(environment: Environment, now: datetime, *, process: bool | None = None) -> bool:
    """Return whether the deployment in flight still has a runner.

    It has one while the lease is its own and unexpired. `process` is whether its process was
    found on this machine, None where that cannot be told from here.
    """
    deployment, lease = environment.deployment, environment.lease
    if deployment is None or lease is None or lease.owner != deployment.by or process is False:
        return False
    left = _left(lease.expires, now)
    return left is not None and left > 0


def gone(environment: Environment, observation: Observation) -> frozenset[str]:
    """Return the releases whose groups AWS does not know, or deletes; none while that is unsure."""
    if observation.unreadable:
        return frozenset()
    names = {
        each: group_name(environment.app, environment.environment, each)
        for each in environment.releases
    }
    seen = {each: observation.groups.get(name) for each, name in names.items()}
    return frozenset(each for each, group in seen.items() if group is None or group.status)


def taking_over(status: Status) -> str:
    """Return the other release of the deployment in flight where it alone takes traffic, or empty.

    From the drain on green serves; the document calls it so once it is decided for.
    """
    environment, deployment = status.environment, status.environment.deployment
    if deployment is None or status.observation.unreadable:
        return ""
    blue, green = deployment.blue, deployment.green
    other = green if environment.serving == blue else blue
    ours = {each.identifier for each in status.balancers}

    def attached(release: str) -> AbstractSet[str]:
        name = group_name(environment.app, environment.environment, release)
        group = status.observation.groups.get(name) if release else None
        return group.attached & ours if group and not group.status else frozenset()

    alone = ours and attached(other) == ours and not attached(environment.serving)
    return other if alone else ""


def way_out(status: Status) -> str:
    """Return the command that leads out where no group is left to serve; else empty.

    Whatever is in flight, it finishes that first. Seconds where another group is still warm, else
    a new release of the image that served last.
    """
    environment, dead = status.environment, status.environment.deployment
    lost = gone(environment, status.observation)
    pair = {environment.serving} | ({dead.blue, dead.green} if dead else set())
    known = pair & environment.releases.keys()
    served_once = environment.serving or environment.past
    if status.observation.unreadable or not served_once or not known <= lost:
        return ""
    name, back = environment.environment, status.way_back
    if back.way is RollbackMode.WARM and back.release not in pair:
        return f"ami-pipeline rollback -e {name}"
    served = environment.releases.get(environment.serving)
    past = next((each.ami_id for each in environment.past if not each.quarantined), "")
    image = served.release.ami_id if served else past
    return f"ami-pipeline promote -e {name}" + (f" --image {image}" if image else "")


def way_back(
    environment: Environment,
    history: Iterable[Deployment],
    now: datetime,
    gone: AbstractSet[str] = frozenset(),
) -> RollbackOption:
    """Return what a rollback would do: back to the newest release that served and is not bad.

    `gone` are releases whose groups somebody deleted: none of them is warm.
    """
    if not environment.serving and not environment.past:
        return RollbackOption(way=RollbackMode.NONE, reason="nothing serves yet")
    past = _candidate(environment)
    if past is None:
        return RollbackOption(way=RollbackMode.NONE, reason=_why_none(environment))
    kept = environment.releases.get(past.release)
    there = past.release not in gone
    way = RollbackMode.WARM if kept and not kept.failed and there else RollbackMode.COLD
    last = _last(history, way)
    until = kept.warm_until if kept and way is RollbackMode.WARM else ""
    return RollbackOption(
        way=way,
        release=past.release,
        ami_id=past.ami_id,
        version=past.version,
        last=took(last) if last else None,
        measured=str(last.kind) if last else "",
        left=_left(until, now),
    )


def _candidate(environment: Environment) -> RetiredRelease | None:
    """A new release of the image that serves would change nothing, so it is no way back."""
    serving = environment.releases.get(environment.serving)
    same = serving.release.ami_id if serving else ""
    good = (each for each in environment.past if not each.quarantined)
    return next(
        (each for each in good if each.release in environment.releases or each.ami_id != same),
        None,
    )


def _why_none(environment: Environment) -> str:
    if not environment.past:
        return f"{environment.serving} is the first release that served"
    bad = [each.release for each in environment.past if each.quarantined]
    if not bad:
        return f"every earlier release is of the image that {environment.serving} serves"
    return f"no earlier image is good: quarantined with {', '.join(bad)}"


def _last(history: Iterable[Deployment], way: RollbackMode) -> Deployment | None:
    """The newest that went the same way: a rollback, or for a cold one any new release."""
    done: Sequence[Deployment] = sorted(
        (each for each in history if each.outcome and each.outcome.result is Result.PROMOTED),
        key=lambda each: each.began,
        reverse=True,
    )
    cold = [each for each in done if any(CREATES in traits_of(run.name) for run in each.phases)]
    back = [each for each in done if each.kind is Kind.ROLLBACK]
    if way is RollbackMode.WARM:
        return next((each for each in back if each not in cold), None)
    return next((each for each in back if each in cold), None) or next(iter(cold), None)


def _left(until: str, now: datetime) -> float | None:
    if until in {"", NEXT}:
        return None
    left = seconds_between(now.isoformat(), until)
    if left:
        return left
    over = seconds_between(until, now.isoformat())
    return -over if over is not None else None
