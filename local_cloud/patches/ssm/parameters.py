"""Patch Parameter Store: the public parameters that name the images of publishers.

Systems Manager User Guide, "Working with public parameters"; moto has those of Amazon Linux and of
the images for ECS.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from moto.ssm.models import Parameter, ParameterDict

from local_cloud.patches.ec2.published import image_id
from local_cloud.patches.ec2.publishers import IMAGES
from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud.published_images import PublishedImage

PUBLIC = "/aws/service/"


@patch(ParameterDict, "_check_loading_status")
def load_public(original: Callable[..., Any], parameters: Any, key: str) -> None:
    """Load the public parameters of images with the first parameter of AWS that is asked for."""
    original(parameters, key)
    if str(key or "").startswith(PUBLIC) and not vars(parameters).get("has_public_images"):
        parameters.has_public_images = True
        for image in IMAGES:
            for name in image.parameters:
                dict.__setitem__(parameters, name, [public(parameters, name, image)])


def public(parameters: Any, name: str, image: PublishedImage) -> Any:
    """Return the parameter that names an image."""
    make: Any = Parameter  # abstract for mypy only
    return make(
        account_id=parameters.account_id,
        name=name,
        value=image_id(parameters.region_name, image),
        parameter_type="String",
        description=None,
        allowed_pattern=None,
        keyid=None,
        last_modified_date=dt.datetime.now(dt.UTC),
        version=1,
        data_type="aws:ec2:image",
    )
