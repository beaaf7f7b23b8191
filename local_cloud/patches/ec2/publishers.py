"""The public images that templates start from: publisher, name, device, and public parameters.

Names and owners are those that publishers use today: DescribeImages of autumn 2026, the pages named
below, and public templates. moto has Amazon Linux and the images for ECS itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from local_cloud.published_images import (
    ALMA,
    CANONICAL,
    DEBIAN,
    EKS,
    RED_HAT,
    ROCKY,
    SDA,
    WINDOWS,
    XVDA,
    PublishedImage,
)

SPELLED = {
    "x86_64": {"arch": "x86_64", "deb": "amd64", "gnu": "x86_64", "al2": ""},
    "arm64": {"arch": "arm64", "deb": "arm64", "gnu": "aarch64", "al2": "-arm64"},
}
"""How publishers spell each architecture of EC2: Red Hat, Debian, Rocky Linux, EKS."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """Images of one name for several architectures, spelled in the placeholders of `SPELLED`."""

    owner: str
    name: str
    device: str = SDA
    platform: str | None = None
    parameters: tuple[str, ...] = ()
    architectures: tuple[str, ...] = field(default_factory=lambda: tuple(SPELLED))

    def images(self) -> Iterator[PublishedImage]:
        """Yield the image of each architecture."""
        for architecture in self.architectures:
            spelled = SPELLED[architecture]
            yield PublishedImage(
                owner=self.owner,
                name=self.name.format_map(spelled),
                architecture=architecture,
                device=self.device,
                platform=self.platform,
                parameters=tuple(each.format_map(spelled) for each in self.parameters),
            )


# documentation.ubuntu.com/aws, "Find Ubuntu images on AWS".
def ubuntu(codename: str, release: str, *serials: str, disk: str = "gp3") -> Iterator[Series]:
    """Yield the server images of a release, newest last, and its minimal image."""
    folder = "hvm-ssd-gp3" if disk == "gp3" else "hvm-ssd"
    root = "/aws/service/canonical/ubuntu"
    for kind, prefix, of_kind in (
        ("server", "ubuntu", serials),
        ("minimal", "ubuntu-minimal", serials[-1:]),
    ):
        product = "server" if kind == "server" else "server-minimal"
        for serial in of_kind:
            moments = [serial, *(["current"] if serial == serials[-1] else [])]
            yield Series(
                owner=CANONICAL,
                name=f"{prefix}/images/{folder}/ubuntu-{codename}-{release}-{{deb}}-{kind}-{serial}",
                parameters=tuple(
                    f"{root}/{product}/{named}/stable/{moment}/{{deb}}/hvm/ebs-{disk}/ami-id"
                    for named, moment in itertools.product((release, codename), moments)
                ),
            )


# wiki.debian.org/Cloud/AmazonEC2Image; images of backports are published with the others.
def debian(codename: str, release: str, *serials: str) -> Iterator[Series]:
    """Yield the images of a release, newest last, and its newest image with backports."""
    for serial in serials:
        moments = [serial, *(["latest"] if serial == serials[-1] else [])]
        yield Series(
            owner=DEBIAN,
            name=f"debian-{release}-{{deb}}-{serial}",
            device=XVDA,
            parameters=tuple(
                f"/aws/service/debian/release/{named}/{moment}/{{deb}}"
                for named, moment in itertools.product((release, codename), moments)
            ),
        )
    yield Series(
        owner=DEBIAN, name=f"debian-{release}-backports-{{deb}}-{serials[-1]}", device=XVDA
    )


# EKS User Guide, "Retrieve recommended Amazon Linux AMI IDs". Amazon Linux 2 ended with 1.32.
def eks() -> Iterator[Series]:
    """Yield the images for nodes of each version of Kubernetes."""
    root = "/aws/service/eks/optimized-ami"
    for version, variant in itertools.product(
        ("1.33", "1.34", "1.35", "1.36"), ("standard", "nvidia")
    ):
        name = f"amazon-eks-node-al2023-{{arch}}-{variant}-{version}-v20260930"
        folder = f"{root}/{version}/amazon-linux-2023/{{arch}}/{variant}"
        yield Series(
            owner=EKS,
            name=name,
            device=XVDA,
            parameters=tuple(f"{folder}/{each}/image_id" for each in ("recommended", name)),
        )
    for architecture, short in (("x86_64", ""), ("arm64", "arm64-")):
        yield Series(
            owner=EKS,
            name=f"amazon-eks-{short}node-1.32-v20251120",
            device=XVDA,
            architectures=(architecture,),
            parameters=(f"{root}/1.32/amazon-linux-2{{al2}}/recommended/image_id",),
        )


# AWS Windows AMI Reference, "AWS Windows AMIs"; ECS and EKS name a parameter `image_id` below.
def windows(year: str) -> Iterator[Series]:
    """Yield the images of a release of Windows Server."""
    server = f"Windows_Server-{year}-English"
    kinds = [f"{kind}-Base" for kind in ("Full", "Core")]
    for_containers = [f"{kind}-ECS_Optimized" for kind in ("Full", "Core")]
    if year != "2016":
        for_containers += [f"{kind}-EKS_Optimized-1.35" for kind in ("Full", "Core")]
    names = [f"{server}-{kind}" for kind in (*kinds, *for_containers)]
    names += [f"{server}-Full-SQL_2022_{edition}" for edition in ("Express", "Standard", "Web")]
    names += [f"TPM-{server}-{kind}" for kind in kinds] if year != "2016" else []
    for name, day in itertools.product(names, ("2026.07.15", "2026.09.17")):
        below = "/image_id" if "_Optimized" in name else ""
        newest = (f"/aws/service/ami-windows-latest/{name}{below}",)
        yield Series(
            owner=WINDOWS,
            name=f"{name}-{day}",
            platform="windows",
            architectures=("x86_64",),
            parameters=newest if day == "2026.09.17" else (),
        )


def plain(owner: str, *names: str) -> Iterator[Series]:
    """Yield images that no public parameter names."""
    for name in names:
        yield Series(owner=owner, name=name)


# access.redhat.com/solutions/15356; rockylinux.org/download and almalinux.org/get-almalinux, AWS.
SERIES = (
    *ubuntu("focal", "20.04", "20250529", disk="gp2"),
    *ubuntu("jammy", "22.04", "20260702", "20260731", disk="gp2"),
    *ubuntu("noble", "24.04", "20260904", "20260923"),
    *ubuntu("questing", "25.10", "20260701"),
    *ubuntu("resolute", "26.04", "20260916", "20261003"),
    *debian("bullseye", "11", "20260812-2568"),
    *debian("bookworm", "12", "20260923-2610", "20261006-2623"),
    *debian("trixie", "13", "20260712-2537", "20260914-2601"),
    *plain(
        RED_HAT,
        "RHEL-8.10.0_HVM-20260721-{arch}-2225-Hourly2-GP3",
        "RHEL-9.6.0_HVM-20260811-{arch}-0-Hourly2-GP3",
        "RHEL-9.8.0_HVM_GA-20260521-{arch}-0-Hourly2-GP3",
        "RHEL-9.8.0_HVM-20260908-{arch}-0-Hourly2-GP3",
        "RHEL-10.0.0_HVM-20260812-{arch}-0-Hourly2-GP3",
        "RHEL-10.2.0_HVM_GA-20260521-{arch}-0-Hourly2-GP3",
        "RHEL-10.2.0_HVM-20260908-{arch}-0-Hourly2-GP3",
    ),
    *plain(
        ROCKY,
        "Rocky-8-EC2-Base-8.10-20240528.0.{gnu}",
        "Rocky-9-EC2-Base-9.7-20251123.2.{gnu}",
        "Rocky-9-EC2-Base-9.8-20260525.0.{gnu}",
        "Rocky-9-EC2-LVM-9.8-20260525.0.{gnu}",
        "Rocky-10-EC2-Base-10.2-20260525.0.{gnu}",
        "Rocky-10-EC2-LVM-10.2-20260525.0.{gnu}",
    ),
    *plain(
        ALMA,
        "AlmaLinux OS 8.10.20260817 {gnu}",
        "AlmaLinux OS 9.8.20260526 {gnu}",
        "AlmaLinux OS 9.8.20261005 {gnu}",
        "AlmaLinux OS 10.2.20260817.0 {gnu}",
        "AlmaLinux OS Kitten 10.20260727.0 {gnu}",
    ),
    *eks(),
    *itertools.chain.from_iterable(map(windows, ("2016", "2019", "2022", "2025"))),
)
IMAGES = tuple(image for series in SERIES for image in series.images())


# An AMI for arm64 boots by UEFI only. DescribeImages shows `uefi-preferred` and ImdsSupport for
# Amazon Linux 2023, EKS, Ubuntu from 24.04 and AlmaLinux (AL2023 User Guide, "IMDSv2";
# AlmaLinux/cloud-images). Amazon Linux 2 has neither. Others are left without.
REQUIRE_TOKENS = (
    "al2023-",
    "amazon-eks-node-al2023-",
    "AlmaLinux OS ",
    *(f"{prefix}/images/hvm-ssd-gp3/" for prefix in ("ubuntu", "ubuntu-minimal")),
)


def requires_tokens(name: str) -> bool:
    """Return True if instances of a published image require tokens for metadata by default."""
    return name.startswith(REQUIRE_TOKENS)


def boot_mode(name: str, architecture: str) -> str | None:
    """Return the boot mode of a published image, or None if it has none."""
    if architecture == "arm64":
        return "uefi"
    return "uefi-preferred" if requires_tokens(name) else None
