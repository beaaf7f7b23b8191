"""Patch what an AMI says beside its files: IMDS support, boot mode, deprecation, protection."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError, InvalidAMIIdError, UnvailableAMIIdError
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.responses.amis import AmisResponse

from local_cloud.patches.context import Context
from local_cloud.patches.ec2 import publishers
from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable

V2 = "v2.0"
PROTECTED = {False: "enabled-without-cooldown", True: "enabled-with-cooldown"}
UNPROTECTED = "disabled"
COOLDOWN = 24 * 3600.0
YEARS = dt.timedelta(days=3652)


# CreateImage and CopyImage keep the boot mode and the IMDS support of their source (EC2 User Guide,
# "Boot modes"; "Configure the AMI"). RegisterImage sets them. moto has UEFI for every AMI.
@patch(Ami, "__init__")
def make_ami(original: Callable[..., Any], ami: Any, *arguments: Any, **named: Any) -> None:
    """Make an AMI with the settings of what it is made from, or of its publisher."""
    original(ami, *arguments, **named)
    ami.deprecation_time, ami.cooldown_ends = None, 0.0
    ami.imds_support = ami.boot_mode = ami.deregistration_protection = None
    source = named.get("source_ami")
    if instance := named.get("instance"):
        source = ami.ec2_backend.amis.get(instance.image_id)
    if source:
        ami.imds_support, ami.boot_mode = source.imds_support, source.boot_mode
    elif named.get("owner_id") not in {None, ami.ec2_backend.account_id}:
        ami.imds_support = V2 if publishers.requires_tokens(ami.name) else None
        ami.boot_mode = publishers.boot_mode(ami.name, ami.architecture)
    if ami.owner_id == ami.ec2_backend.account_id:
        ami.deregistration_protection = UNPROTECTED


# "Instances launched from this AMI will have HttpTokens automatically set to required ... In
# addition, HttpPutResponseHopLimit is set to 2" (EC2 API Reference, Image.ImdsSupport). What a
# launch says itself comes first (EC2 User Guide, "Order of precedence for instance metadata
# options").
def metadata_options(ami: Any, asked: dict[str, Any] | None) -> dict[str, Any]:
    """Return the metadata options of a launch: those asked for, then those of the AMI."""
    if getattr(ami, "imds_support", None) != V2:
        return asked or {}
    given = {key: value for key, value in (asked or {}).items() if value is not None}
    return {"HttpTokens": "required", "HttpPutResponseHopLimit": 2} | given


def own(backend: Any, image: str) -> Any:
    """Return an AMI of this account, or refuse in EC2's words."""
    if image in backend.deleted_amis:
        raise UnvailableAMIIdError(image)
    if image not in backend.amis:
        raise InvalidAMIIdError(image)
    ami = backend.amis[image]
    if ami.owner_id != backend.account_id:
        raise EC2ClientError("AuthFailure", f"Not authorized for image:{image}")
    return ami


def named_image(response: Any) -> Any:
    """Return the AMI of this account that a call names."""
    return own(response.ec2_backend, parameter(response, "ImageId"))


def parameter(response: Any, name: str) -> Any:
    """Return a parameter of a call, or refuse a call without it."""
    value = response._get_param(name)  # noqa: SLF001  moto's accessor
    if value is None:
        message = f"The request must contain the parameter {name}"
        raise EC2ClientError("MissingParameter", message)
    return value


# EnableImageDeprecation (EC2 API Reference): seconds are rounded to the nearest minute, a time in
# the past or more than ten years ahead is refused.
@patch(AmisResponse, "enable_image_deprecation")
def enable_image_deprecation(_original: None, response: Any) -> ActionResult:
    """Set the time from which an AMI is deprecated."""
    ami, at = named_image(response), moment(parameter(response, "DeprecateAt"))
    now = dt.datetime.now(dt.UTC)
    if not now <= at <= now + YEARS:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Invalid value '{at:%Y-%m-%dT%H:%M:%SZ}' for DeprecateAt: it must be in the future "
            "and at most 10 years from now",
        )
    rounded = (at + dt.timedelta(seconds=30)).replace(second=0, microsecond=0)
    ami.deprecation_time = f"{rounded:%Y-%m-%dT%H:%M:%S.000Z}"
    return ActionResult({"Return": True})


@patch(AmisResponse, "disable_image_deprecation")
def disable_image_deprecation(_original: None, response: Any) -> ActionResult:
    """Cancel the deprecation of an AMI."""
    named_image(response).deprecation_time = None
    return ActionResult({"Return": True})


def moment(given: Any) -> dt.datetime:
    """Return a time of a call in UTC, or refuse what is none."""
    try:
        at = given if isinstance(given, dt.datetime) else dt.datetime.fromisoformat(str(given))
    except ValueError:
        message = f"Invalid value '{given}' for DeprecateAt"
        raise EC2ClientError("InvalidParameterValue", message) from None
    return at.astimezone(dt.UTC) if at.tzinfo else at.replace(tzinfo=dt.UTC)


# EC2 User Guide, "Protect an Amazon EC2 AMI from deregistration": with a cooldown, the protection
# remains in effect for 24 hours after it is turned off. AWS CLI examples show what each returns.
@patch(AmisResponse, "enable_image_deregistration_protection")
def enable_protection(_original: None, response: Any) -> ActionResult:
    """Protect an AMI from deregistration."""
    ami = named_image(response)
    cooldown = bool(response._get_bool_param("WithCooldown"))  # noqa: SLF001  moto's accessor
    ami.deregistration_protection, ami.cooldown_ends = PROTECTED[cooldown], 0.0
    return ActionResult({"Return": ami.deregistration_protection})


@patch(AmisResponse, "disable_image_deregistration_protection")
def disable_protection(context: Context, _original: None, response: Any) -> ActionResult:
    """Turn the protection of an AMI off, after its cooldown if it has one."""
    ami = named_image(response)
    if ami.deregistration_protection == PROTECTED[True]:
        ami.cooldown_ends = time.monotonic() + context.cloud.host.clock.scaled(COOLDOWN)
    ami.deregistration_protection = UNPROTECTED
    return ActionResult({"Return": UNPROTECTED})


# EC2 API error codes: "OperationNotPermitted: The specified operation is not allowed", as for an
# instance with termination protection.
@patch(AmiBackend, "deregister_image")
def deregister_image(original: Callable[..., Any], backend: Any, ami_id: str) -> None:
    """Refuse to deregister an AMI that is protected, or that another account owns."""
    ami = own(backend, ami_id)
    if ami.deregistration_protection != UNPROTECTED or ami.cooldown_ends > time.monotonic():
        raise EC2ClientError(
            "OperationNotPermitted",
            f"The image '{ami_id}' may not be deregistered: it has deregistration protection",
        )
    original(backend, ami_id)


# ModifyImageAttribute changes the description and the IMDS support as well (EC2 API Reference);
# moto changes launch permissions only.
@patch(AmisResponse, "modify_image_attribute")
def modify_image_attribute(original: Callable[..., Any], response: Any) -> Any:
    """Change an attribute of an AMI."""
    asked = response._get_param  # noqa: SLF001  moto's accessor
    by_name = {str(asked("Attribute") or ""): asked("Value")}
    imds = (asked("ImdsSupport") or {}).get("Value") or by_name.get("imdsSupport")
    description = (asked("Description") or {}).get("Value", by_name.get("description"))
    if imds is None and description is None:
        return original(response)
    ami = named_image(response)
    if imds is not None:
        ami.imds_support = supported(imds)
    if description is not None:
        ami.description = description
    return EmptyResult()


def supported(imds: str) -> str:
    """Return the IMDS support that a call asks for; once set, it cannot be undone."""
    if imds != V2:
        raise EC2ClientError("InvalidParameterValue", f"Invalid value '{imds}' for imdsSupport")
    return imds


SHOWN = {
    "bootMode": ("BootMode", "boot_mode"),
    "imdsSupport": ("ImdsSupport", "imds_support"),
    "deregistrationProtection": ("DeregistrationProtection", "deregistration_protection"),
}


@patch(AmisResponse, "describe_image_attribute")
def describe_image_attribute(original: Callable[..., Any], response: Any) -> Any:
    """Show an attribute of an AMI; moto fails for these."""
    shown = SHOWN.get(response._get_param("Attribute"))  # noqa: SLF001  moto's accessor
    if shown is None:
        return original(response)
    key, attribute = shown
    ami = named_image(response)
    return ActionResult({"ImageId": ami.id, key: {"Value": getattr(ami, attribute)}})
