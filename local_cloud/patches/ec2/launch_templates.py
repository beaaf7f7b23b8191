"""Patch launch templates: their names, versions and defaults.

Separate from the instances, which only use the data of one version.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import (
    EC2ClientError,
    InvalidLaunchTemplateIdNotFound,
    InvalidLaunchTemplateNameNotFoundError,
    InvalidLaunchTemplateNameNotFoundWithNameError,
    InvalidLaunchTemplateVersionNotFound,
    MissingParameterError,
)
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateBackend
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import parse_user_data

from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = re.compile(r"[a-zA-Z0-9().\-/_]{3,128}")
PAGE = 200  # DescribeLaunchTemplates, DescribeLaunchTemplateVersions: MaxResults is at most this
FILTERS = {"image-id": "ImageId", "instance-type": "InstanceType", "kernel-id": "KernelId"}


# EC2 User Guide, "Manage launch template versions": a number is never reused, even after
# its version was deleted; moto uses the number as an index of a list. User data is Base64 in every
# version; moto decodes it only in the first, and launches of the others fail.
@patch(LaunchTemplate, "create_version")
def create_version(
    _original: Callable[..., Any], template: Any, data: dict[str, Any], description: str
) -> Any:
    """Add a version under the next number."""
    from moto.ec2.models.launch_templates import LaunchTemplateVersion  # noqa: PLC0415  moto is slow to import

    number = getattr(template, "numbers_used", 0) + 1
    data = {key: value for key, value in data.items() if value is not None}
    if "UserData" in data and isinstance(data["UserData"], str | bytes):
        data["UserData"] = parse_user_data(data["UserData"])
    version = LaunchTemplateVersion(template, number, data, description)
    template.versions.append(version)
    template.numbers_used = number
    return version


@patch(LaunchTemplate, "get_version")
def get_version(_original: Callable[..., Any], template: Any, wanted: Any) -> Any:
    """Return a version by its number, $Latest or $Default."""
    match str(wanted).lower():
        case "$latest":
            return template.versions[-1]
        case "$default":
            return template.default_version()
        case number:
            for version in template.versions:
                if str(version.number) == number:
                    return version
    raise InvalidLaunchTemplateVersionNotFound(template_id=template.id, version=wanted)


@patch(LaunchTemplate, "default_version")
def default_version(_original: Callable[..., Any], template: Any) -> Any:
    """Return the default version."""
    return template.get_version(template.default_version_number)


# CreateLaunchTemplate: the name has 3 to 128 characters of a set (EC2 API Reference), else
# InvalidLaunchTemplateName.MalformedException (EC2 API error codes). The tags of the template
# itself are not part of its data; moto puts them there, and every plan of Terraform shows
# extra tag specifications.
@patch(LaunchTemplateBackend, "create_launch_template")
def create(
    original: Callable[..., Any],
    backend: Any,
    name: str,
    description: str,
    template_data: dict[str, Any],
    tag_spec: dict[str, Any],
) -> Any:
    """Make a launch template without its own tags in its data."""
    check_name(name)
    data = dict(template_data)
    written = [
        specification
        for specification in data.pop("TagSpecifications", [])
        if specification["ResourceType"] != "launch-template"
    ]
    if written:
        data["TagSpecifications"] = written
    return original(backend, name, description, data, tag_spec)


def check_name(name: str | None) -> None:
    """Refuse a name that EC2 refuses."""
    if not name:
        raise EC2ClientError(
            "MissingParameter",
            "The request must contain the parameter launchTemplateName",
        )
    if not NAME.fullmatch(name):
        raise EC2ClientError(
            "InvalidLaunchTemplateName.MalformedException",
            "The launch template name is invalid. A launch template name must be between 3 and "
            "128 characters, and may contain letters, numbers, and the following characters: "
            "'-', '_', '.', '/', '(', and ')'.",
        )


# An id that does not exist is InvalidLaunchTemplateId.NotFound, a name is
# InvalidLaunchTemplateName.NotFoundException (EC2 API error codes); moto confuses them and
# describes fewer templates than requested. A call has either an id or a name.
def found(backend: Any, name: str | None, template: str | None) -> Any:
    """Return the template that a call names."""
    if name and template:
        raise EC2ClientError(
            "InvalidParameterCombination",
            "Either provide launch template ID or launch template name, not both.",
        )
    if not name and not template:
        raise MissingParameterError("launch template ID or launch template name")
    return by_name(backend, name) if name else by_id(backend, str(template))


def by_name(backend: Any, name: str) -> Any:
    """Return the template of a name."""
    if name not in backend.launch_template_name_to_ids:
        raise InvalidLaunchTemplateNameNotFoundWithNameError(name)
    return backend.launch_templates[backend.launch_template_name_to_ids[name]]


def by_id(backend: Any, template: str) -> Any:
    """Return the template of an id."""
    if template not in backend.launch_templates:
        raise InvalidLaunchTemplateIdNotFound(template)
    return backend.launch_templates[template]


@patch(LaunchTemplateBackend, "modify_launch_template")
def modify(
    _original: Callable[..., Any],
    backend: Any,
    default_version: str,
    template_name: str | None = None,
    template_id: str | None = None,
) -> Any:
    """Set the default version."""
    template = found(backend, template_name, template_id)
    numbers = {str(version.number): version.number for version in template.versions}
    if default_version not in numbers:
        raise InvalidLaunchTemplateVersionNotFound(version=default_version)
    template.default_version_number = numbers[default_version]
    return template


# EC2 User Guide, "Delete a launch template": a template can always be deleted. Groups that
# use it fail at their next launch (EC2 Auto Scaling User Guide, "Troubleshoot:
# launch templates").
@patch(LaunchTemplateBackend, "delete_launch_template")
def delete(_original: Callable[..., Any], backend: Any, name: str, tid: str | None) -> Any:
    """Delete a template, even one in use."""
    template = found(backend, name, tid)
    del backend.launch_templates[template.id]
    del backend.launch_template_name_to_ids[template.name]
    return template


@patch(LaunchTemplateBackend, "describe_launch_templates")
def describe(
    original: Callable[..., Any],
    backend: Any,
    template_names: list[str] | None = None,
    template_ids: list[str] | None = None,
    filters: Any = None,
) -> Any:
    """Describe the named templates, or refuse a name that does not exist."""
    if not set(template_names or []) <= set(backend.launch_template_name_to_ids):
        raise InvalidLaunchTemplateNameNotFoundError
    named = [by_name(backend, name) for name in template_names or []]
    named += [by_id(backend, template) for template in template_ids or []]
    wanted = original(backend, None, [template.id for template in named], filters)
    for template in wanted:  # moto keeps the tags it was made with
        template.tags = template.get_tags()
    return wanted


# DescribeLaunchTemplates and DescribeLaunchTemplateVersions answer in pages of at most 200
# (EC2 API Reference, MaxResults and NextToken); moto stops after 15, without a token.
@patch(LaunchTemplates, "describe_launch_templates")
def describe_call(_original: Callable[..., Any], response: Any) -> ActionResult:
    """Describe templates in pages."""
    param = response._get_param  # noqa: SLF001  moto's accessor
    templates = response.ec2_backend.describe_launch_templates(
        template_names=param("LaunchTemplateNames", []),
        template_ids=param("LaunchTemplateIds", []),
        filters=response._filters_from_querystring(),  # noqa: SLF001  the same
    )
    page, token = paged(response, templates)
    described = [describe_template(response, template) for template in page]
    return ActionResult({"LaunchTemplates": described, "NextToken": token})


def paged(response: Any, everything: list[Any]) -> tuple[list[Any], str | None]:
    """Return one page and the token of the next."""
    start = int(response._get_param("NextToken") or 0)  # noqa: SLF001  moto's accessor
    end = start + min(response._get_int_param("MaxResults", PAGE), PAGE)  # noqa: SLF001  the same
    return everything[start:end], str(end) if end < len(everything) else None


def describe_template(response: Any, template: Any) -> dict[str, Any]:
    """Describe a template as DescribeLaunchTemplates does."""
    return {
        "CreateTime": template.create_time,
        "CreatedBy": creator(response),
        "DefaultVersionNumber": template.default_version_number,
        "LatestVersionNumber": template.latest_version_number,
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "Tags": template.tags,
    }


def describe_version(response: Any, version: Any) -> dict[str, Any]:
    """Describe a version as DescribeLaunchTemplateVersions does."""
    return {
        "CreateTime": version.create_time,
        "CreatedBy": creator(response),
        "DefaultVersion": version.template.is_default(version),
        "LaunchTemplateData": version.data,
        "LaunchTemplateId": version.template.id,
        "LaunchTemplateName": version.template.name,
        "VersionDescription": version.description,
        "VersionNumber": version.number,
    }


def creator(response: Any) -> str:
    """Return the creator of everything here, the root user."""
    return f"arn:{response.partition}:iam::{response.current_account}:root"


# CreateLaunchTemplateVersion: with SourceVersion the new version has the parameters of that
# one, except those given (EC2 API Reference); moto ignores it.
@patch(LaunchTemplates, "create_launch_template_version")
def create_version_call(_original: Callable[..., Any], response: Any) -> ActionResult:
    """Add a version to a template."""
    param = response._get_param  # noqa: SLF001  moto's accessor
    template = found(response.ec2_backend, param("LaunchTemplateName"), param("LaunchTemplateId"))
    data = {}
    if source := param("SourceVersion"):
        data = copy.deepcopy(template.get_version(source).data)
    data |= param("LaunchTemplateData", {})
    response.error_on_dryrun()
    version = template.create_version(data, param("VersionDescription"))
    return ActionResult({"LaunchTemplateVersion": describe_version(response, version)})


# DescribeLaunchTemplateVersions: of one template all, some, or a range of versions; of all
# templates $Latest and $Default (EC2 API Reference).
@patch(LaunchTemplates, "describe_launch_template_versions")
def describe_versions_call(original: Callable[..., Any], response: Any) -> ActionResult:
    """Describe versions."""
    param = response._get_param  # noqa: SLF001  moto's accessor
    name, template = param("LaunchTemplateName"), param("LaunchTemplateId")
    filters = {each["Name"]: each["Values"] for each in param("Filters", [])}
    if not name and not template:
        result: ActionResult = original(response)
        return result
    wanted = chosen(
        found(response.ec2_backend, name, template),
        param("Versions", []),
        (response._get_int_param("MinVersion", 0), response._get_int_param("MaxVersion", 1 << 62)),  # noqa: SLF001  the same
    )
    page, token = paged(response, [version for version in wanted if passes(version, filters)])
    described = [describe_version(response, version) for version in page]
    return ActionResult({"LaunchTemplateVersions": described, "NextToken": token})


def chosen(template: Any, versions: list[str], between: tuple[int, int]) -> list[Any]:
    """Return the named versions, or those in a range, newest first."""
    if versions:
        return [template.get_version(version) for version in versions]
    low, high = between
    return [v for v in reversed(template.versions) if low <= v.number <= high]


def passes(version: Any, filters: dict[str, list[str]]) -> bool:
    """Return True if a version passes every filter."""
    for name, values in filters.items():
        if name == "is-default-version":
            actual = str(version.template.is_default(version)).lower()
        elif name in FILTERS:
            actual = str(version.data.get(FILTERS[name]))
        else:
            raise NotImplementedError(f"the filter {name} of launch template versions")
        if actual not in values:
            return False
    return True


# DeleteLaunchTemplateVersions answers 200 with a result for each version; the
# default version cannot be deleted (EC2 API Reference). moto does not have the action.
@patch(LaunchTemplates, "delete_launch_template_versions")
def delete_versions_call(_original: None, response: Any) -> ActionResult:
    """Delete versions of a template."""
    param = response._get_param  # noqa: SLF001  moto's accessor
    template = found(response.ec2_backend, param("LaunchTemplateName"), param("LaunchTemplateId"))
    response.error_on_dryrun()
    done, failed = [], []
    for number in param("Versions", []):
        result = {
            "LaunchTemplateId": template.id,
            "LaunchTemplateName": template.name,
            "VersionNumber": int(number),
        }
        if refused := delete_version(template, number):
            failed.append(result | {"ResponseError": refused})
        else:
            done.append(result)
    return ActionResult(
        {
            "SuccessfullyDeletedLaunchTemplateVersions": done,
            "UnsuccessfullyDeletedLaunchTemplateVersions": failed,
        }
    )


def delete_version(template: Any, number: str) -> dict[str, str]:
    """Delete a version; return the error if it cannot be deleted, else nothing."""
    numbers = {str(version.number) for version in template.versions}
    if number not in numbers:
        return {
            "Code": "launchTemplateVersionDoesNotExist",
            "Message": f"The specified launch template version {number} does not exist.",
        }
    if number == str(template.default_version_number):
        return {
            "Code": "unexpectedError",
            "Message": "The default version of a launch template cannot be deleted.",
        }
    template.versions = [v for v in template.versions if str(v.number) != number]
    return {}
