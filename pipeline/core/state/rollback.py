"""Choose the release that a rollback leads to: one whose group is warm, or whose image exists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.core import commands
from pipeline.core.changes.inputs import input_changes
from pipeline.core.state.deployment import Deployment, Kind, Result
from pipeline.core.state.environment import (
    NEXT,
    DrillRecord,
    Environment,
    ReleaseRecord,
    RetiredRelease,
)
from pipeline.core.state.report import seconds_between, took
from pipeline.core.validation.phases import CREATES, traits_of


class RollbackMode(StrEnum):
    """How a rollback would run: to a warm group, to a new group, or not at all."""

    WARM = "warm"
    COLD = "cold"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageStates:
    """What AWS says about the images of earlier releases; by default that all are good.

    `gone` were deregistered, or are not available. `quarantined` have that tag.
    """

    gone: frozenset[str] = frozenset()
    quarantined: frozenset[str] = frozenset()


ALL_GOOD = ImageStates()
"""The states of images that were not read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RollbackOption:
    """The rollback that `rollback` without arguments would run.

    `release` is the target: its warm group serves again, or a new release of its image.
    `quarantined` says that every possible target has a quarantined image: `rollback` needs
    --allow-quarantined. `last_seconds` is the duration of the last deployment of the same mode, of
    the kind `last_kind`. `seconds_left` is for how long the group stays warm: negative if its time
    is over and the next run removes it, None if it stays until the next promotion. `reason` says
    why no rollback is possible.
    """

    mode: RollbackMode
    release: str = ""
    ami_id: str = ""
    version: str = ""
    quarantined: bool = False
    last_seconds: float | None = None
    last_kind: str = ""
    seconds_left: float | None = None
    reason: str = ""

    def command(self, environment: str) -> str:
        """Return the command that runs this rollback."""
        if self.quarantined:
            return commands.rollback(environment, to=self.release, allow_quarantined=True)
        return commands.rollback(environment)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Way:
    """A possible rollback."""

    target: RetiredRelease
    mode: RollbackMode
    quarantined: bool


def rollback_option(
    environment: Environment,
    history: Iterable[Deployment],
    now: datetime,
    missing: AbstractSet[str] = frozenset(),
    images: ImageStates = ALL_GOOD,
) -> RollbackOption:
    """Return the rollback option: the newest possible one that is not quarantined, if there is one.

    `missing` are releases whose groups were deleted: none of them is warm.
    """
    if not environment.serving and not environment.retired:
        return RollbackOption(mode=RollbackMode.NONE, reason="no release is recorded")
    ways = list(_ways(environment, missing, images))
    way = next((each for each in ways if not each.quarantined), ways[0] if ways else None)
    if way is None:
        return RollbackOption(mode=RollbackMode.NONE, reason=_why_none(environment, images))
    record = environment.releases.get(way.target.release)
    last = _last(history, way.mode)
    until = record.warm_until if record and way.mode is RollbackMode.WARM else ""
    return RollbackOption(
        mode=way.mode,
        release=way.target.release,
        ami_id=way.target.ami_id,
        version=way.target.version,
        quarantined=way.quarantined,
        last_seconds=took(last) if last else None,
        last_kind=str(last.kind) if last else "",
        seconds_left=seconds_left(until, now),
    )


def proves(drill: DrillRecord, option: RollbackOption) -> bool:
    """Return True if a drill tried the rollback that is possible now, whether it failed or not."""
    return (drill.release, drill.ami_id) == (option.release, option.ami_id)


def _ways(
    environment: Environment, missing: AbstractSet[str], images: ImageStates
) -> Iterator[_Way]:
    """Yield the possible rollbacks, the newest first.

    A warm group serves whatever became of its image, and so does one whose removal is pending. A
    new release of the serving image with its inputs would change nothing.
    """
    serving = environment.releases.get(environment.serving)
    for each in environment.retired:
        record = environment.releases.get(each.release)
        if record and not record.failed and each.release not in missing:
            yield _Way(target=each, mode=RollbackMode.WARM, quarantined=each.quarantined)
        elif not (serving and is_same(each, serving)) and each.ami_id not in images.gone:
            bad = each.quarantined or each.ami_id in images.quarantined
            yield _Way(target=each, mode=RollbackMode.COLD, quarantined=bad)


def is_same(past: RetiredRelease, serving: ReleaseRecord) -> bool:
    """Return True if an earlier release is not known to differ from the serving one."""
    if past.ami_id != serving.release.ami_id:
        return False
    return not input_changes(past.inputs, serving.inputs)


def _why_none(environment: Environment, images: ImageStates) -> str:
    if not environment.retired:
        return f"{environment.serving} is the first release"
    gone = [each for each in environment.retired if each.ami_id in images.gone]
    if not gone:
        return f"every earlier release has the image of {environment.serving}, which serves"
    if len(gone) == 1:
        return f"the only earlier image ({gone[0].ami_id} of {gone[0].release}) is not available"
    return f"no earlier image (of {', '.join(each.release for each in gone)}) is available"


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


def seconds_left(until: str, now: datetime) -> float | None:
    """Return the seconds until a time, negative if it has passed; None if it has no limit."""
    if until in {"", NEXT}:
        return None
    left = seconds_between(now.isoformat(), until)
    if left:
        return left
    over = seconds_between(until, now.isoformat())
    return -over if over is not None else None
