"""Define what a policy is for: the accounts, regions, names, buckets and keys of a configuration.

Also the parts of an ARN that depend on the region: AWS has several partitions, and `arn:aws:` is
wrong in all but one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

ANY = "*"
"""The account in an ARN if the account is unknown; IAM accepts it."""

_PARTITIONS = (
    ("cn-", "aws-cn", "amazonaws.com.cn"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"),
    ("eusc-", "aws-eusc", "amazonaws.eu"),
    ("us-gov-", "aws-us-gov", "amazonaws.com"),
    ("us-iso-", "aws-iso", "c2s.ic.gov"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov"),
)
"""The beginning of a region's name, its partition, and the domain of its services (botocore,
data/partitions.json)."""


class Role(StrEnum):
    """A role of CI or of a person; each has a policy of its own."""

    BAKE = "bake"
    DEPLOY = "deploy"
    READ = "read"
    PRUNE = "prune"
    INSPECT = "inspect"


class Feature(StrEnum):
    """A part of a configuration that needs actions which others do not need."""

    ADOPTED = "an adopted group"
    ALARMS = "promote.alarms"
    PROGRAMS = "promote.hooks"
    COMMANDS = "promote.hooks on instances"
    ANALYSIS = "promote.analysis"
    CLASSIC = "load_balancers"
    TARGETS = "target_groups"
    PAIRS = "pairs"
    NEW_PAIR = "a pair to set up"
    TOPICS = "notify of kind sns"
    S3_STORE = "a store in S3"
    S3_STATE = "Terraform's state in S3"
    STORE_KEY = "a KMS key for the store"
    STATE_KEY = "a KMS key for Terraform's state"
    TAGGED = "a module that tags instances"
    METRICS = "enabled_metrics"
    PROFILE = "instance_profile"
    HOOKS = "lifecycle_hooks"
    HOOK_ROLES = "lifecycle_hooks with role_arn"
    POLICIES = "scaling_policies"
    SCHEDULES = "schedules"
    COPIES = "bake.regions"
    BUILD_ROLE = "temporary_iam_instance_profile_policy_document in the template"
    BUILD_PROFILE = "iam_instance_profile in the template"
    BUILD_KEY = "a KMS key in the template"
    SESSION_MANAGER = "session_manager in the template"
    SHARED = "ami_users or snapshot_users in the template"
    SPOT = "spot instances in the template"
    DEPRECATE = "deprecate_at in the template"
    PROTECT = "deregistration_protection in the template"
    WINDOWS = "winrm in the template"


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentScope:
    """What a deployment to one environment touches.

    `tagged` says that the module tags launch templates and instances with the app and the
    environment, as the shipped module does. `security_groups` and `key_pair` are empty if unknown.
    `adopted` are the names of groups that the pipeline did not create, `rules` the ARNs of the
    listeners and rules of its pairs, `topics` those of the SNS topics that are told. `roles` are
    ARNs of roles that instances get, `hook_roles` those of lifecycle hooks. `state` is
    Terraform's bucket and key, empty for a local state. `keys` are KMS keys: ARNs, ids or aliases.
    """

    name: str
    account: str = ANY
    tagged: bool = True
    adopted: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    key_pair: str = ""
    roles: tuple[str, ...] = ()
    hook_roles: tuple[str, ...] = ()
    state: tuple[str, str] = ("", "")
    state_region: str = ""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What a policy is for; `features` decide which actions it has.

    `regions` are those of the images, the home region first. `store` is the store's bucket and
    prefix, empty for a directory. `build_roles` and `build_keys` belong to the bake.
    """

    app: str
    region: str
    account: str = ANY
    features: frozenset[Feature] = frozenset()
    environments: tuple[EnvironmentScope, ...] = ()
    regions: tuple[str, ...] = ()
    store: tuple[str, str] = ("", "")
    store_keys: tuple[str, ...] = ()
    build_roles: tuple[str, ...] = ()
    build_keys: tuple[str, ...] = ()

    @property
    def partition(self) -> str:
        """Return the partition of the region, such as `aws-us-gov`."""
        return partition_of(self.region)

    @property
    def image_regions(self) -> tuple[str, ...]:
        """Return every region that has the images."""
        return tuple(dict.fromkeys((self.region, *self.regions)))


def partition_of(region: str) -> str:
    """Return the partition of a region, such as `aws-cn`."""
    return next((name for start, name, _ in _PARTITIONS if region.startswith(start)), "aws")


def domain_of(region: str) -> str:
    """Return the domain of a region's services, such as `amazonaws.com.cn`."""
    found = (domain for start, _, domain in _PARTITIONS if region.startswith(start))
    return next(found, "amazonaws.com")


def ec2_services(region: str) -> tuple[str, ...]:
    """Return the names by which IAM knows EC2 as the service that receives a role.

    China has a name of its own (AWS China, "Service principals"), and newer services use the
    common one.
    """
    names = ("ec2.amazonaws.com", f"ec2.{domain_of(region)}")
    return tuple(dict.fromkeys(names)) if partition_of(region) == "aws-cn" else names[:1]


def arn(service: str, region: str, account: str, resource: str) -> str:
    """Return an ARN in the region's partition."""
    return f"arn:{partition_of(region)}:{service}:{region}:{account}:{resource}"


def role_arn(region: str, account: str, name: str) -> str:
    """Return the ARN of an IAM role, which belongs to no region."""
    return f"arn:{partition_of(region)}:iam::{account}:role/{name}"


def key_arns(region: str, account: str, keys: tuple[str, ...]) -> Iterator[str]:
    """Yield the ARNs of KMS keys; an alias names no key, so it yields every key of the account.

    IAM does not accept an alias as the resource of a key's action (KMS Developer Guide, "Using
    aliases to control access").
    """
    for key in keys:
        if key.startswith("arn:") and ":key/" in key:
            yield key
        elif "alias/" in key or not key:
            yield arn("kms", region, account, "key/*")
        else:
            yield arn("kms", region, account, f"key/{key}")
