"""`diff` compares releases and images as they are recorded, in a store in a directory."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.aws.images import Ec2Images
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.envelope import seal
from pipeline.adapters.store.records.image_records import ImageRecords
from pipeline.app.reports import diff
from pipeline.cli.main import run
from pipeline.core.changes.model import ImageContents, Package
from pipeline.core.image import ImageStatus
from pipeline.core.state.environment import Environment, ReleaseRecord, RetiredRelease
from pipeline.core.state.release import Release, Size
from tests.fakes import an_image

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("place")
OLD, NEW = (
    replace(
        an_image(version=f"1.{n}.0", name=f"web-{n}", bake=f"web-{n}", status=ImageStatus.GOOD),
        ids={"eu-central-1": f"ami-0000000{n}"},
        source_ami="ami-50000000",
        created=f"2026-01-0{n}T00:00:00Z",
    )
    for n in (1, 2)
)
RELEASE = Release(
    number=2,
    ami_id=NEW.id,
    size=Size(instance_type="t3.small", minimum=1, maximum=4, desired=2),
    facts={},
)
DOCUMENT = Environment(
    app="web",
    environment="staging",
    account="",
    region="eu-central-1",
    serving="r000002",
    releases={"r000002": ReleaseRecord(release=RELEASE, minimum=2, inputs={"instance_type": "b"})},
    retired=(RetiredRelease(release="r000001", ami_id=OLD.id, inputs={"instance_type": "a"}),),
)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DirectoryStore(tmp_path / ".ami-pipeline")
    store.write("environments/staging.json", seal(DOCUMENT), expected=None)
    records = ImageRecords(store, runs=lambda _: False)
    for image in (OLD, NEW):
        package = Package(name="curl", version=image.version)
        records.write_contents(image, ImageContents(packages=(package,)))
    monkeypatch.setattr(diff, "known_images", lambda *_: (NEW, OLD))
    monkeypatch.setattr(Ec2Images, "compared", lambda *_: {})


RELEASES = """\
r000001 -> r000002

image      ami-00000001 (1.1.0, 2026-01-01) -> ami-00000002 (1.2.0, 2026-01-02)
commits    unknown: the commit of ami-00000001 and ami-00000002 is not recorded
packages   1 upgraded
             curl 1.1.0 -> 1.2.0
inputs     instance_type: a -> b
size       unknown: that of one of the groups is not recorded
same       source image
"""


def test_two_releases_are_compared_with_their_inputs_and_sizes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["diff", "-e", "staging", "r000001", "r000002"]) == 0
    assert capsys.readouterr().out == RELEASES


def test_an_ami_a_version_and_a_release_are_compared_as_images(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = (("1.1.0", "ami-00000002"), ("ami-00000001", "1.2.0"))
    for before, after in names:
        assert run(["--output", "json", "diff", before, after]) == 0
        document = json.loads(capsys.readouterr().out)
        assert (document["before"], document["after"]) == (before, after)
        assert document["summary"] == "1 package"
        assert document["inputs"] == {"changed": [], "unknown": None}
    assert run(["diff", "r000001", "ami-00000001", "-e", "staging"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("r000001 -> ami-00000001\n\ncommits    unknown")
    assert text.endswith("\nsame       source image, packages\n")


def test_a_name_that_is_not_known_is_refused_with_a_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["diff", "r000001", "r000002"]) == 2
    assert "r000001 may be of staging or bare" in capsys.readouterr().err
    assert run(["diff", "-e", "staging", "r000009", "r000002"]) == 3
    printed = capsys.readouterr().err
    assert "release r000009: staging has had no release of this name" in " ".join(printed.split())
    assert "next: ami-pipeline history -e staging" in printed
    assert run(["diff", "9.9.9", "1.2.0"]) == 3
    assert "no image has this version" in capsys.readouterr().err
