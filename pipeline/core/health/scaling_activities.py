"""Interpret Auto Scaling's sentences about launches and departures: which can recover.

Separate from `unrecoverable`, which counts: a new sentence of AWS is a new line and a new test
here. After a sentence that is not listed, the wait goes on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.core.health.observation import Activity

LAUNCHING = "Launching a new EC2 instance"
DEPARTING = ("Terminating EC2 instance", "Detaching EC2 instance")
OVER = frozenset({"Successful", "Failed", "Cancelled"})

_INTO_POOL, _FROM_POOL = "into warm pool", "from warm pool"
_INSTANCE = re.compile(r"\bi-[0-9a-z]+")
_REASON = ".  Status Reason: "

# Departures that a person or a schedule requested, which say nothing about the image: a smaller
# desired capacity ("shrinking the capacity from 3 to 2"), TerminateInstanceInAutoScalingGroup, an
# instance refresh, a rebalance of Spot instances (User Guide, "Verify a scaling activity").
_REQUESTED = re.compile(
    r"shrinking the capacity|response to a user request|a user request deleted"
    r"|instance refresh|rebalance|warm pool"
)
_REPLACEMENT = re.compile(r"unhealthy instance needing to be replaced")


@dataclass(frozen=True, kw_only=True, slots=True)
class LaunchError:
    """A sentence of AWS that ends the wait once it was said `times` times.

    A `shortage` may end by itself at any time: it ends the wait once it has lasted too long.
    """

    words: re.Pattern[str]
    times: int = 1
    shortage: bool = False


def _error(words: str, times: int = 1, *, shortage: bool = False) -> LaunchError:
    return LaunchError(words=re.compile(words, re.IGNORECASE), times=times, shortage=shortage)


# An error that may recover by itself must occur three times. EC2 does not know a new instance
# profile or role for a minute (hashicorp/terraform-provider-aws#29866: the retry worked), nor the
# service-linked role of an account's first group ("Authentication Failure"). After a full subnet
# or a zone without the instance type, Auto Scaling tries the other zones.
_AGAIN = 3

# "Client.InternalError: Client error on launch" is how EC2 says that it may not use the KMS key of
# a volume (kubernetes/kops#11545). One instance may have it by chance (gruntwork-io/terratest#693).
_TWICE = 2

# The sentences: EC2 Auto Scaling User Guide, "Troubleshoot: EC2 instance launch failures" and
# "AMI issues"; the codes, which groups with several instance types say before them: EC2 API
# Reference, "Error codes". Further sentences and where they were seen: "configuration is currently
# not supported" (gruntwork-io/intro-to-terraform#6), "not eligible for Free Tier"
# (LinkedInLearning/learning-terraform-3087701#345), "smaller than snapshot"
# (DNXLabs/terraform-aws-ecs#24), "inaccessible AWS KMS key" (aws/aws-cdk#34491), the two about
# verification (openshift/installer#1709, galaxyproject/cloudlaunch#150). An AMI that the Allowed
# AMIs settings exclude is not visible (EC2 User Guide, "Allowed AMIs"): it "does not exist".
# Left out on purpose, because it recovers: "AMI ... is pending". The first match counts.
_ERRORS = (
    _error(r"iamInstanceProfile|IAM Instance Profile", _AGAIN),
    _error(r"not authorized to (perform|use)|UnauthorizedOperation|AccessDenied", _AGAIN),
    _error(r"Authentication Failure|AuthFailure", _AGAIN),
    _error(r"not( have)? enough free addresses|InsufficientFreeAddressesInSubnet", _AGAIN),
    _error(r"is not supported in your requested Availability Zone", _AGAIN),
    _error(r"(image id|AMI ID) \S+ (does not exist|is no longer available)|InvalidAMIID\.NotFound"),
    _error(r"\bAMI \S+ is disabled|Not authorized for images"),
    _error(r"(security group|key pair|subnet ID) .*does not exist"),
    _error(r"Invalid(Group|SecurityGroup|SecurityGroupID|KeyPair|SubnetID|Subnet)\.?NotFound"),
    _error(r"launch template.* (does not exist|is not valid)|InvalidLaunchTemplate"),
    _error(r"valid fully-formed launch template"),
    _error(r"architecture .* does not match"),
    _error(r"Invalid device name|virtualName is invalid|block device mappings? not supported"),
    _error(r"InvalidBlockDeviceMapping|InvalidParameterCombination|Placement groups may not"),
    _error(r"than your current (vCPU|instance) limit|(Vcpu|Instance)LimitExceeded"),
    _error(r"instance\(s\) are already running|spot instance ?count ?exceeded|your quota for"),
    _error(r"account is currently blocked|OptInRequired|accept terms and subscribe"),
    _error(r"Client\.InstanceInitiatedShutdown"),
    _error(r"Client\.InvalidKMSKey|KMSKeyNotAccessible|Client\.VolumeLimitExceeded"),
    _error(r"Client\.InvalidSnapshot\.NotFound"),
    _error(r"inaccessible (AWS )?KMS key"),
    _error(r"Client\.InternalError: Client error on launch", _TWICE),
    _error(r"requested configuration is currently not supported"),
    _error(r"not eligible for (the )?Free Tier"),
    _error(r"is smaller than\s+snapshot"),
    _error(r"Allowed (AMIs|Images)\b|\b(AMI|image) \S+ is not allowed"),
    _error(r"PendingVerification|accessing resources in this region is being validated"),
    _error(r"account is currently being verified"),
    _error(r"not have (sufficient|enough) .*capacity|InsufficientInstanceCapacity", shortage=True),
    _error(r"no Spot capacity|UnfulfillableCapacity|Spot request price", shortage=True),
)


def launch_error(activity: Activity) -> LaunchError | None:
    """Return why further launches will fail like this one, or None if they may succeed."""
    text = words(activity)
    return next((error for error in _ERRORS if error.words.search(text)), None)


def words(activity: Activity) -> str:
    """Return how the activity ended; `description` repeats it after "Status Reason"."""
    return activity.message or activity.description.partition(_REASON)[2]


def moment(activity: Activity) -> float:
    """Return when it began, in seconds of AWS's clock; 0 if the time is not readable."""
    try:
        read = datetime.fromisoformat(activity.began)
    except ValueError:
        return 0.0
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def instance_of(activity: Activity) -> str:
    """Return the instance that is launched or leaves, empty if there is none."""
    found = _INSTANCE.search(activity.description)
    return found[0] if found else ""


def is_launch(activity: Activity) -> bool:
    """Return True if the activity launches a member; those of the warm pool are no members."""
    text = activity.description
    return text.startswith(LAUNCHING) and _INTO_POOL not in text


def is_departure(activity: Activity) -> bool:
    """Return True if a member leaves the group; leaving its warm pool is something else."""
    text = activity.description
    return text.startswith(DEPARTING) and _FROM_POOL not in text and bool(instance_of(activity))


def is_replacement(activity: Activity) -> bool:
    """Return True if the activity replaces an unhealthy member."""
    return is_launch(activity) and bool(_REPLACEMENT.search(activity.cause))


def was_requested(departure: Activity) -> bool:
    """Return True if a person or a schedule removed the member, whatever its health."""
    detached = not departure.description.startswith(DEPARTING[0])
    return detached or bool(_REQUESTED.search(departure.cause))
