"""What Auto Scaling says of launches and departures, read: what may heal and what cannot.

Apart from `doom`, which counts: here are only AWS's sentences and what each means, so that a
new sentence is a new line and its test. A sentence that is not here is waited out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.core.health.observation import Activity

LAUNCHING = "Launching a new EC2 instance"
DEPARTING = ("Terminating EC2 instance", "Detaching EC2 instance")
OVER = frozenset({"Successful", "Failed", "Cancelled"})

_INSTANCE = re.compile(r"\bi-[0-9a-z]+")
_REASON = ".  Status Reason: "

# Departures that somebody or a schedule wanted, and say nothing of the image: fewer members are
# desired ("shrinking the capacity from 3 to 2"), a person's TerminateInstanceInAutoScalingGroup,
# an instance refresh, a rebalance of Spot instances (User Guide, "Verify a scaling activity").
_WANTED = re.compile(
    r"shrinking the capacity|response to a user request|a user request deleted"
    r"|instance refresh|rebalance"
)
_REPLACEMENT = re.compile(r"unhealthy instance needing to be replaced")


@dataclass(frozen=True, kw_only=True, slots=True)
class LaunchError:
    """A sentence of AWS's after which waiting is in vain once it was said `times` times."""

    words: re.Pattern[str]
    times: int = 1


def _fault(words: str, times: int = 1) -> LaunchError:
    return LaunchError(words=re.compile(words, re.IGNORECASE), times=times)


# What heals by itself now and then must be said three times. An instance profile or a role that
# was just made is unknown to EC2 for a minute (hashicorp/terraform-provider-aws#29866: the retry
# worked), so is the service-linked role of an account's first group ("Authentication Failure");
# a subnet that is full or a zone without the instance type leaves the other zones to try.
_AGAIN = 3

# The sentences: EC2 Auto Scaling User Guide, "Troubleshoot: EC2 instance launch failures" and
# "AMI issues"; the codes, which groups with several instance types say before them: EC2 API
# Reference, "Error codes". Left out on purpose, for they heal or may: "We currently do not have
# sufficient ... capacity", "AMI ... is pending", "Client.InternalError: Client error on launch"
# (gruntwork-io/terratest#693: gone the next time), Spot prices. The first that fits counts.
_FAULTS = (
    _fault(r"iamInstanceProfile|IAM Instance Profile", _AGAIN),
    _fault(r"not authorized to (perform|use)|UnauthorizedOperation|AccessDenied", _AGAIN),
    _fault(r"Authentication Failure|AuthFailure", _AGAIN),
    _fault(r"not( have)? enough free addresses|InsufficientFreeAddressesInSubnet", _AGAIN),
    _fault(r"is not supported in your requested Availability Zone", _AGAIN),
    _fault(r"(image id|AMI ID) \S+ (does not exist|is no longer available)|InvalidAMIID\.NotFound"),
    _fault(r"\bAMI \S+ is disabled|Not authorized for images"),
    _fault(r"(security group|key pair|subnet ID) .*does not exist"),
    _fault(r"Invalid(Group|SecurityGroup|SecurityGroupID|KeyPair|SubnetID|Subnet)\.?NotFound"),
    _fault(r"launch template.* (does not exist|is not valid)|InvalidLaunchTemplate"),
    _fault(r"valid fully-formed launch template"),
    _fault(r"architecture .* does not match"),
    _fault(r"Invalid device name|virtualName is invalid|block device mappings? not supported"),
    _fault(r"InvalidBlockDeviceMapping|InvalidParameterCombination|Placement groups may not"),
    _fault(r"than your current (vCPU|instance) limit|(Vcpu|Instance)LimitExceeded"),
    _fault(r"instance\(s\) are already running|spot instance ?count ?exceeded|your quota for"),
    _fault(r"account is currently blocked|OptInRequired|accept terms and subscribe"),
    _fault(r"Client\.InstanceInitiatedShutdown"),
    _fault(r"Client\.InvalidKMSKey|KMSKeyNotAccessible|Client\.VolumeLimitExceeded"),
    _fault(r"Client\.InvalidSnapshot\.NotFound"),
)


def fault_of(activity: Activity) -> LaunchError | None:
    """Return why a launch that came to nothing will go on doing so, or None if it may heal."""
    said = words(activity)
    return next((fault for fault in _FAULTS if fault.words.search(said)), None)


def words(activity: Activity) -> str:
    """Return what AWS says of how it ended; `description` repeats it after "Status Reason"."""
    return activity.message or activity.description.partition(_REASON)[2]


def moment(activity: Activity) -> float:
    """Return when it began, in seconds of AWS's clock; 0 where that cannot be read."""
    try:
        read = datetime.fromisoformat(activity.began)
    except ValueError:
        return 0.0
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def instance_of(activity: Activity) -> str:
    """Return the instance that is launched or leaves, or nothing if there was none."""
    found = _INSTANCE.search(activity.description)
    return found[0] if found else ""


def is_launch(activity: Activity) -> bool:
    """Tell whether it launches."""
    return activity.description.startswith(LAUNCHING)


def is_departure(activity: Activity) -> bool:
    """Tell whether a member leaves by it."""
    return activity.description.startswith(DEPARTING) and bool(instance_of(activity))


def is_replacement(activity: Activity) -> bool:
    """Tell whether it launches in the place of a member that was unhealthy."""
    return is_launch(activity) and bool(_REPLACEMENT.search(activity.cause))


def was_wanted(departure: Activity) -> bool:
    """Tell whether somebody meant the member to leave, however well it was."""
    detached = not departure.description.startswith(DEPARTING[0])
    return detached or bool(_WANTED.search(departure.cause))
