"""Define how EC2 fails a launch, in its own codes and words.

Some launches are refused; in others an instance is made and ends before it runs. The sentences are
those of the EC2 API Reference, "Error codes", of the EC2 Auto Scaling User Guide, "Troubleshoot:
EC2 instance launch failures", and of the public issues that each entry names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """A refused launch; `elsewhere` says that another zone may accept it."""

    code: str
    message: str
    elsewhere: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Death:
    """Why an instance ended before it ran: its StateReason."""

    code: str
    message: str


REFUSED = {
    "no-capacity": Refusal(
        code="InsufficientInstanceCapacity",
        elsewhere=True,
        message="We currently do not have sufficient {type} capacity in the Availability Zone you "
        "requested ({zone}). Our system will be working on provisioning additional capacity. "
        "You can currently get {type} capacity by not specifying an Availability Zone "
        "in your request or choosing another one.",
    ),
    # gruntwork-io/intro-to-terraform#6
    "unsupported-configuration": Refusal(
        code="Unsupported",
        message="The requested configuration is currently not supported. Please check the "
        "documentation for supported configurations.",
    ),
    # LinkedInLearning/learning-terraform-3087701#345
    "not-free-tier": Refusal(
        code="InvalidParameterCombination",
        message="The specified instance type is not eligible for Free Tier. For a list of Free "
        "Tier instance types, run 'describe-instance-types' with the filter "
        "'free-tier-eligible=true'.",
    ),
    # DNXLabs/terraform-aws-ecs#24; the two spaces are AWS's
    "volume-too-small": Refusal(
        code="InvalidBlockDeviceMapping",
        message="Volume of size 8GB is smaller than  snapshot 'snap-0b5c5ea11d58e1fec', expect "
        "size >= 30GB",
    ),
    # An image that the Allowed AMIs settings exclude is not visible to the account (EC2 User
    # Guide, "Allowed AMIs").
    "image-not-allowed": Refusal(
        code="InvalidAMIID.NotFound", message="The image id '[{image}]' does not exist"
    ),
    # openshift/installer#1709
    "pending-verification": Refusal(
        code="PendingVerification",
        message="Your request for accessing resources in this region is being validated, and you "
        "will not be able to launch additional resources in this region until the validation is "
        "complete. We will notify you by email once your request has been validated. While "
        "normally resolved within minutes, please allow up to 4 hours for this process to "
        "complete. If the issue still persists, please let us know by writing to "
        "aws-verification@amazon.com for further assistance.",
    ),
}
"""The launches that RunInstances refuses, by behavior."""

DIED = {
    # EC2 may not use the KMS key of a volume (kubernetes/kops#11545)
    "kms-denied": Death(
        code="Client.InternalError", message="Client.InternalError: Client error on launch"
    ),
    "volume-limit": Death(
        code="Client.VolumeLimitExceeded",
        message="Client.VolumeLimitExceeded: Volume limit exceeded",
    ),
}
"""The instances that pend and are terminated before they run, by behavior."""


def filled(refusal: Refusal, *, image: str, zone: str, instance_type: str) -> Refusal:
    """Return a refusal with the names of a launch in its message."""
    message = refusal.message.format(image=image, zone=zone, type=instance_type)
    return replace(refusal, message=message)
