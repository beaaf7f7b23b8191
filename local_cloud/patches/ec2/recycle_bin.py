"""Keep deregistered AMIs in the Recycle Bin, and list them.

moto has no Recycle Bin. A retention rule is one number here: the "quota" `recycle-bin-days`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.amis import AmiBackend
from moto.ec2.responses.amis import AmisResponse

from local_cloud.patches.context import Context
from local_cloud.patches.ec2.image_settings import own
from local_cloud.patches.patching import patch

ATTRIBUTE = "local_cloud_recycle_bin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Binned:
    """An AMI in the Recycle Bin."""

    ami: Any
    entered: dt.datetime
    leaves: dt.datetime


# "If a deregistered EBS-backed AMI matches a Recycle Bin retention rule, it moves to the Recycle
# Bin for the specified retention period" (EC2 API Reference, DeregisterImage). Nothing else removes
# it from there (EC2 User Guide, "Considerations for Recycle Bin").
@patch(AmiBackend, "deregister_image")
def deregister_image(
    context: Context, original: Callable[..., Any], backend: Any, ami_id: str
) -> None:
    """Deregister an AMI, and keep it in the Recycle Bin if a rule says so."""
    days = context.cloud.quotas.limit("recycle-bin-days")
    ami = own(backend, ami_id)
    original(backend, ami_id)
    if days:
        now = dt.datetime.now(dt.UTC)
        stay = dt.timedelta(seconds=context.cloud.host.clock.scaled(days * 86400.0))
        held(backend)[ami_id] = Binned(ami=ami, entered=now, leaves=now + stay)


# EC2 API Reference, ListImagesInRecycleBin.
@patch(AmisResponse, "list_images_in_recycle_bin")
def list_images_in_recycle_bin(_original: None, response: Any) -> ActionResult:
    """Return the AMIs in the Recycle Bin."""
    wanted = response._get_param("ImageIds") or []  # noqa: SLF001  moto's accessor
    return ActionResult({"Images": list(described(response.ec2_backend, wanted))})


def described(backend: Any, wanted: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the AMIs in the Recycle Bin as EC2 describes them."""
    for ami_id, each in held(backend).items():
        if each.leaves > dt.datetime.now(dt.UTC) and ami_id in (wanted or [ami_id]):
            yield {
                "ImageId": ami_id,
                "Name": each.ami.name,
                "Description": each.ami.description,
                "RecycleBinEnterTime": each.entered,
                "RecycleBinExitTime": each.leaves,
            }


def held(backend: Any) -> dict[str, Binned]:
    """Return what the Recycle Bin of a region has held, by id."""
    found: dict[str, Binned] = backend.__dict__.setdefault(ATTRIBUTE, {})
    return found
