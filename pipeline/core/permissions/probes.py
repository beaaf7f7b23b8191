"""Choose the calls that prove permissions before anything changes, and judge their answers.

A probe never changes anything: EC2 has DryRun; Auto Scaling has not, so its probes name a group
that no release has. `adapters/aws/permission_probes.py` makes the calls.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from pipeline.core.image import NO_ITEMS
from pipeline.core.permissions.scope import Feature, Role
from pipeline.core.permissions.table import TABLE, Caller, Proof, Row, rows_of
from pipeline.core.state.release import group_name

NO_RELEASE = "r000000"
"""The release in the names of probes: numbers begin at 1, and every policy allows the name."""
LASTS = timedelta(days=7)
"""How long a proof counts: a policy may change without a change of the configuration."""
MOST_PROOFS = 20
"""Proofs that the store keeps for an environment: each role and configuration has one."""
_CONTRACT = frozenset(
    {
        "autoscaling:CreateAutoScalingGroup",
        "autoscaling:DeleteAutoScalingGroup",
        "autoscaling:UpdateAutoScalingGroup",
        "ec2:CreateLaunchTemplate",
        "ec2:DeleteLaunchTemplate",
        "ec2:RunInstances",
    }
)
"""What Terraform needs with any module: a group and a launch template for each release."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """What the probes of EC2 launch: as the new release, as far as the configuration says.

    `template` is the serving release's launch template, empty without one. `adopted` is the serving
    group if the pipeline did not create it. `shipped` says that the
    shipped module creates the releases.
    """

    app: str
    environment: str
    region: str
    image_id: str
    instance_type: str
    features: frozenset[Feature] = frozenset()
    template: str = ""
    adopted: str = ""
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    profile: str = ""
    key_pair: str = ""
    shipped: bool = True

    @property
    def unused_name(self) -> str:
        """Return the name of a group and launch template that no release has."""
        return group_name(self.app, self.environment, NO_RELEASE)

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags that the shipped module gives to what it creates."""
        return {
            "ami-pipeline:app": self.app,
            "ami-pipeline:environment": self.environment,
            "ami-pipeline:release": NO_RELEASE,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """A call that proves an action; without a `needed` one the deployment works.

    `group` is the group that it names, empty for one that no release has.
    """

    action: str
    needed: bool = True
    group: str = ""


class Answer(Enum):
    """What a probe showed."""

    ALLOWED = auto()
    DENIED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeResult:
    """The answer to a probe: `action` and `resource` as AWS names them, `why` in AWS's words."""

    probe: Probe
    answer: Answer
    action: str
    resource: str = ""
    why: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PermissionFacts:
    """What the probes of one run showed; `existing` are groups and templates of the unused name.

    If there are any, no probe was made. `unproven` are actions that no probe can prove, each with
    the statement of the policy that allows it.
    """

    results: tuple[ProbeResult, ...] = ()
    existing: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()

    @property
    def all_allowed(self) -> bool:
        """Return True if every probe was made and allowed."""
        answered = all(each.answer is Answer.ALLOWED for each in self.results)
        return bool(self.results) and not self.existing and answered


@dataclass(frozen=True, kw_only=True, slots=True)
class Proofs:
    """The proofs of an environment in the store: when each was made, UTC, ISO 8601.

    The keys are digests of a caller, its configuration and the table.
    """

    made: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)

    def counts(self, digest: str, now: datetime) -> bool:
        """Return True if this was proved recently."""
        made = self.made.get(digest, "")
        return bool(made) and now - datetime.fromisoformat(made) < LASTS

    def with_proof(self, digest: str, now: datetime) -> Proofs:
        """Return the proofs with a new one; the oldest are dropped."""
        made = {**self.made, digest: now.isoformat()}
        newest = sorted(made, key=lambda each: made[each])[-MOST_PROOFS:]
        return replace(self, made={each: made[each] for each in newest})


def probes_of(launch: Launch) -> tuple[Probe, ...]:
    """Return the probes for a launch, the rollback and the retirement that may follow it."""
    found: dict[tuple[str, str], bool] = {}
    for row in _provable(launch):
        group = launch.adopted if row.proof is Proof.ADOPTED else ""
        for action in row.actions:
            if action.partition(":")[0] in {"autoscaling", "ec2"} and not _is_part(row):
                needed = _is_needed(row, action, launch)
                found[action, group] = found.get((action, group), False) or needed
    return tuple(
        Probe(action=action, needed=needed, group=group)
        for (action, group), needed in found.items()
    )


def unproven(launch: Launch) -> tuple[str, ...]:
    """Return the actions, with their statements, that only the change itself can prove."""
    late = (
        f"{action} ({row.sid})"
        for row in rows_of({Role.DEPLOY}, launch.features)
        if row.proof is Proof.CHANGE or (row.proof is Proof.BLUE and not launch.template)
        for action in row.actions
    )
    return tuple(dict.fromkeys(late))


def _provable(launch: Launch) -> Iterator[Row]:
    kinds = {Proof.GROUP, Proof.DRY_RUN, *({Proof.BLUE} if launch.template else ())}
    kinds |= {Proof.ADOPTED} if launch.adopted else set()
    for row in rows_of({Role.DEPLOY}, {*launch.features, Feature.ADOPTED}):
        if row.proof in kinds or row.sid == "Quarantine":
            yield row


def _is_part(row: Row) -> bool:
    """Return True if another probe proves the row: a launch also tags and passes a role."""
    return row.sid in {"TagsAtCreation", "InstanceRole"}


def _is_needed(row: Row, action: str, launch: Launch) -> bool:
    if row.proof is Proof.OPTIONAL:
        return False
    return row.by is Caller.TOOL or launch.shipped or action in _CONTRACT


def digest_of(launch: Launch, arn: str) -> str:
    """Return the digest under which a proof is kept: of the caller, the launch, and the table.

    Neither the image nor the serving release is part of it, only whether one serves: a policy
    allows images in general, and launch templates by their tags.
    """
    given = {name: getattr(launch, name) for name in Launch.__slots__}
    facts = {**given, "image_id": "", "template": bool(launch.template)}
    facts |= {"features": sorted(launch.features), "caller": caller_of(arn)}
    rows = [(row.sid, row.actions, row.proof.value) for row in TABLE]
    text = json.dumps([facts, rows], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def caller_of(arn: str) -> str:
    """Return a caller's ARN without the name of its session, which is new in each CI job."""
    before, role, rest = arn.partition(":assumed-role/")
    return f"{before}{role}{rest.partition('/')[0]}" if role else arn


def denied(results: Collection[ProbeResult], *, needed: bool) -> tuple[ProbeResult, ...]:
    """Return the denied permissions that are needed, or those that are not."""
    found = (each for each in results if each.answer is Answer.DENIED)
    return tuple(each for each in found if each.probe.needed is needed)
