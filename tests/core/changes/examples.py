"""Changes of a release as the tests of several screens show them."""

from __future__ import annotations

from pipeline.core.changes.inputs import InputChange
from pipeline.core.changes.model import (
    Changes,
    CommitChange,
    ComparedImage,
    ExtraHours,
    GroupSize,
    ImageChange,
    InputChanges,
    ListedCommit,
    Package,
    PackageChanges,
    PackageUpdate,
    SizeChange,
)

BEFORE, AFTER = "1a2b3c4d" * 5, "5e6f7a8b" * 5
CHANGES = Changes(
    image=ImageChange(
        before=ComparedImage(id="ami-123", version="1.3.0", created="2026-01-01T02:00:00Z"),
        after=ComparedImage(id="ami-124", version="1.4.0", created="2026-01-04T02:00:00Z"),
    ),
    source=ImageChange(
        before=ComparedImage(id="ami-5", name="al2023-1", created="2025-12-01T00:00:00.000Z"),
        after=ComparedImage(id="ami-6", name="al2023-2", created="2025-12-22T00:00:00.000Z"),
    ),
    commits=CommitChange(
        before=BEFORE,
        after=AFTER,
        added=(
            ListedCommit(id=AFTER, subject="Round prices half up", author="Ada", date="2026-01-03"),
            ListedCommit(id="9" * 40, subject="Log the currency", author="Bob"),
        ),
        link="https://github.example/shop/web/compare/1a2b3c4...5e6f7a8",
    ),
    packages=PackageChanges(
        upgraded=(
            PackageUpdate(
                name="kernel",
                before="6.1.112-122.189.amzn2023",
                after="6.1.115-126.197.amzn2023",
                arch="x86_64",
            ),
        ),
        added=(Package(name="strace", version="6.1-1", arch="x86_64"),),
        removed=(Package(name="telnet", version="0.17-2", arch="x86_64"),),
    ),
    inputs=InputChanges(
        changed=(InputChange(name="instance_type", before="t3.small", after="t3.large"),)
    ),
    size=SizeChange(
        before=GroupSize(instance_type="t3.small", minimum=2, maximum=6, desired=3),
        after=GroupSize(instance_type="t3.large", minimum=2, maximum=6, desired=4),
    ),
    extra=ExtraHours(deployment=0.5, warm=3.0),
)
SUMMARY = (
    "2 commits, source image of 2025-12-01 -> 2025-12-22, 3 packages, kernel 6.1.112 -> 6.1.115, "
    "1 input (instance_type), 3 -> 4 instances"
)
