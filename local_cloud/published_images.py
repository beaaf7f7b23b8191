"""What a published image is, and the check of one that a user adds with `image add`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from local_cloud.options import ACCOUNT, ARCHITECTURES

AMAZON, CANONICAL, DEBIAN = "137112412989", "099720109477", "136693071363"
ECS, EKS, WINDOWS = "591542846629", "602401143452", "801119661308"
RED_HAT, ROCKY, ALMA = "309956199498", "792107900819", "764336703387"
MARKETPLACE = "679593333241"
ALIASES = {
    **dict.fromkeys((AMAZON, CANONICAL, DEBIAN, ECS, EKS, WINDOWS, RED_HAT, ROCKY, ALMA), "amazon"),
    MARKETPLACE: "aws-marketplace",
}
"""Image.ImageOwnerAlias of each publisher."""

OWNERS = {"amazon": AMAZON, "aws-marketplace": MARKETPLACE, "self": ACCOUNT}
"""The accounts that the owners of DescribeImages other than numbers stand for."""

SDA, XVDA = "/dev/sda1", "/dev/xvda"
NAME = re.compile(r"[A-Za-z0-9()\[\] ./'@_-]{3,128}")


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedImage:
    """An image that everybody may launch; `parameters` are those of SSM that name it."""

    owner: str
    name: str
    architecture: str = "x86_64"
    device: str = SDA
    platform: str | None = None
    parameters: tuple[str, ...] = ()

    @property
    def alias(self) -> str | None:
        """The owner's alias, for verified publishers."""
        return ALIASES.get(self.owner)


def added(*, owner: str, name: str, architecture: str = "x86_64") -> PublishedImage:
    """Return the image that a user describes, or raise ValueError with the reason.

    `owner` is an account, or an alias that DescribeImages knows.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture {architecture!r} is not {' or '.join(ARCHITECTURES)}")
    account = account_of(owner)
    return PublishedImage(
        owner=account,
        name=checked_name(name),
        architecture=architecture,
        device=XVDA if account == AMAZON else SDA,
    )


def account_of(owner: str) -> str:
    """Return the account of an owner, or raise ValueError if it is none."""
    account = OWNERS.get(owner, owner)
    if not re.fullmatch(r"\d{12}", account):
        raise ValueError(f"{owner!r} is neither an account of 12 digits nor {', '.join(OWNERS)}")
    return account


# EC2 API Reference, RegisterImage: the characters of a name.
def checked_name(name: str) -> str:
    """Return the name of an image, or raise ValueError if it is none."""
    if not NAME.fullmatch(name):
        allowed = "3 to 128 letters, digits, spaces and ()[]./-'@_"
        raise ValueError(f"{name!r} cannot be the whole name of an image: {allowed}")
    return name
