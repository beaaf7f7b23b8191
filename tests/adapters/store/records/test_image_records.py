from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.adapters.store.base import StaleError
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.records.image_records import ImageRecords
from pipeline.core.bake.model import BuildResources
from pipeline.core.changes.model import ComparedImage, ImageContents, Package
from pipeline.core.errors import RefusedError
from pipeline.core.image import Image, ImageStatus
from tests.fakes import RESOURCES, an_image


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "state")


@pytest.fixture
def records(store: DirectoryStore) -> ImageRecords:
    return ImageRecords(store, runs=lambda _: False)


def test_an_image_is_read_as_it_was_written(records: ImageRecords) -> None:
    image = an_image(ids={"us-east-1": "ami-1"}, tags={"Team": "shöp"}, dirty=True, commit="abc")
    records.write(image, RESOURCES)
    assert records.all("web") == (image,)
    assert records.unfinished("web") == ((image, RESOURCES),)


def test_resources_in_the_log_of_a_dead_bake_are_known(
    store: DirectoryStore,
) -> None:
    told = BuildResources(key_pairs=("packer_1", "packer_2"))
    records = ImageRecords(store, runs=lambda _: False, logged=lambda _: told)
    records.write(an_image(), BuildResources(key_pairs=("packer_1",), instances=("i-1",)))
    [(_, resources)] = records.unfinished("web")
    assert resources == BuildResources(key_pairs=("packer_1", "packer_2"), instances=("i-1",))


def test_a_record_is_plain_json_with_a_schema_number(
    records: ImageRecords, store: DirectoryStore
) -> None:
    records.write(an_image())
    document = store.read("bakes/web-earlier.json")
    assert document is not None
    content = json.loads(document.data)
    assert content["schema"] == 1
    assert content["image"]["status"] == "baking"
    assert set(content["resources"]) == set(BuildResources.__slots__)
    assert document.data.endswith(b"}\n")


def test_a_later_record_of_a_bake_replaces_the_earlier(records: ImageRecords) -> None:
    records.write(an_image())
    made = {"eu-central-1": "ami-1"}
    records.write(an_image(name="template's own", ids=made, status=ImageStatus.GOOD))
    [image] = records.all("web")
    assert (image.name, image.status) == ("template's own", "good")


def test_only_started_and_unended_bakes_are_unfinished(records: ImageRecords) -> None:
    for status in ImageStatus:
        records.write(an_image(name=status, bake=status, status=status))
    assert [image.name for image, _ in records.unfinished("web")] == ["baking", "left"]


def test_a_bake_that_ended_moves_from_the_bakes_to_the_images(
    records: ImageRecords, store: DirectoryStore
) -> None:
    records.write(an_image())
    assert store.keys("") == ("bakes/web-earlier.json",)
    records.write(an_image(ids={"eu-central-1": "ami-1"}, status=ImageStatus.GOOD))
    assert store.keys("") == ("images/web-earlier.json",)


def test_a_bake_without_an_image_leaves_no_record(
    records: ImageRecords, store: DirectoryStore
) -> None:
    records.write(an_image())
    records.write(an_image(status=ImageStatus.GONE))
    assert store.keys("") == ()


def test_a_bake_that_still_runs_is_not_unfinished(store: DirectoryStore) -> None:
    records = ImageRecords(store, runs=lambda image: image.bake == "one")
    for name in ("one", "two"):
        records.write(an_image(name=name, bake=name))
    assert [image.name for image, _ in records.unfinished("web")] == ["two"]


class Clocked(DirectoryStore):
    """A store whose clock the test sets: S3 tells its own time."""

    time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


def test_a_bake_of_another_machine_may_run_until_the_time_in_its_record(tmp_path: Path) -> None:
    """Whatever our configuration allows a bake, and whatever its machine took for the time."""
    store = Clocked(tmp_path / "state")
    theirs = ImageRecords(store, runs=lambda _: True, lasts=timedelta(hours=3))
    ours = ImageRecords(store, runs=lambda _: None, lasts=timedelta(minutes=10))
    theirs.write(an_image(created="2025-12-31T20:00:00Z"))  # its clock is four hours slow
    store.time += timedelta(hours=2, minutes=59)
    assert ours.unfinished("web") == ()
    store.time += timedelta(minutes=1)
    assert [image.name for image, _ in ours.unfinished("web")] == ["web-earlier"]


def test_a_bake_with_leftovers_is_unfinished_for_every_machine(tmp_path: Path) -> None:
    store = Clocked(tmp_path / "state")
    records = ImageRecords(store, runs=lambda _: None, lasts=timedelta(hours=3))
    records.write(an_image(status=ImageStatus.LEFT))
    assert len(records.unfinished("web")) == 1


def test_a_record_without_an_end_time_counts_by_its_age(
    tmp_path: Path,
) -> None:
    store = Clocked(tmp_path / "state")
    records = ImageRecords(store, runs=lambda _: None, lasts=timedelta(hours=1))
    records.write(an_image(created="2025-12-31T23:30:00Z"))
    document = store.read("bakes/web-earlier.json")
    assert document
    content = json.loads(document.data)
    del content["over"]
    store.write("bakes/web-earlier.json", json.dumps(content).encode(), expected=document.version)
    assert records.unfinished("web") == ()
    store.time += timedelta(minutes=30)
    assert len(records.unfinished("web")) == 1


def test_an_image_is_found_by_its_ami_in_any_region(records: ImageRecords) -> None:
    ids = {"eu-central-1": "ami-1", "us-east-1": "ami-2"}
    image = an_image(ids=ids, status=ImageStatus.GOOD)
    records.write(image)
    records.write(an_image(name="running", bake="running", ids={"eu-central-1": "ami-3"}))
    assert records.find("web", "ami-1") == records.find("web", "ami-2") == image
    assert records.find("web", "ami-3") is None
    assert records.find("other", "ami-1") is None


def test_a_quarantined_image_has_its_reason(records: ImageRecords, store: DirectoryStore) -> None:
    image = an_image(ids={"eu-central-1": "ami-1"}, status=ImageStatus.GOOD)
    records.write(image)
    records.quarantine(image, "rolled back from r000124")
    found = records.find("web", "ami-1")
    assert found is not None
    assert (found.status, found.reason) == ("quarantined", "rolled back from r000124")
    assert store.keys("") == ("images/web-earlier.json",)


def test_a_quarantine_deletes_nothing(
    records: ImageRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy of a deployment has no `s3:DeleteObject` on these records."""
    monkeypatch.setattr(DirectoryStore, "delete", None)
    records.quarantine(an_image(ids={"eu-central-1": "ami-1"}), "rolled back")
    assert [each.status for each in records.all("web")] == ["quarantined"]


def test_an_image_baked_elsewhere_can_be_quarantined(records: ImageRecords) -> None:
    seen = an_image(bake="", name="theirs", ids={"eu-central-1": "ami-1"}, status=ImageStatus.GOOD)
    records.quarantine(seen, "rolled back")
    found = records.find("web", "ami-1")
    assert found is not None
    assert found.status is ImageStatus.QUARANTINED


def test_a_record_without_a_reason_is_read(records: ImageRecords, store: DirectoryStore) -> None:
    records.write(an_image())
    document = store.read("bakes/web-earlier.json")
    assert document is not None
    content = json.loads(document.data)
    del content["image"]["reason"]
    data = json.dumps(content).encode()
    store.write("bakes/web-earlier.json", data, expected=document.version)
    assert records.all("web") == (an_image(),)


def test_images_of_another_app_are_not_listed(records: ImageRecords) -> None:
    records.write(an_image(app="other"))
    assert records.all("web") == ()
    assert records.unfinished("web") == ()


def written(store: DirectoryStore, records: ImageRecords) -> bytes:
    records.write(an_image())
    document = store.read("bakes/web-earlier.json")
    assert document is not None
    return document.data


BROKEN = [
    (b'"baking"', b'"boiling"'),
    (b'"schema": 1', b'"schema": 2'),
    (b'"app"', b'"application"'),
    (b'"key_pairs"', b'"keys"'),
    (b'"resources": {', b'"resources": 3, "x": {'),
    (b"{\n", b"[\n"),
]


@pytest.mark.parametrize(("old", "new"), BROKEN)
def test_an_unreadable_record_is_named(
    records: ImageRecords, store: DirectoryStore, old: bytes, new: bytes
) -> None:
    data = written(store, records)
    assert old in data
    (store.folder / "bakes" / "web-earlier.json").write_bytes(data.replace(old, new, 1))
    with pytest.raises(RefusedError) as told:
        records.all("web")
    assert told.value.where == "[state] bakes/web-earlier.json"
    assert told.value.what.startswith("this version cannot read the record: ")
    assert told.value.remedy.startswith("move bakes/web-earlier.json out of the store")


class Contested(DirectoryStore):
    """A store in which another run is faster, `times` times."""

    times = 1

    def write(self, key: str, data: bytes, *, expected: str | None) -> str:
        if self.times:
            self.times -= 1
            raise StaleError(key)
        return super().write(key, data, expected=expected)


def test_a_record_that_changed_meanwhile_is_replaced_once(tmp_path: Path) -> None:
    store = Contested(tmp_path / "state")
    records = ImageRecords(store, runs=lambda _: False)
    records.write(an_image())
    assert len(records.all("web")) == 1
    store.times = 2
    with pytest.raises(RefusedError) as told:
        records.write(an_image())
    assert told.value.what == "another run is writing it"


def test_an_image_has_no_field_for_secret_variables() -> None:
    fields = set(Image.__slots__) | set(BuildResources.__slots__)
    assert not {"variables", "secrets"} & fields


CONTENTS = ImageContents(
    source=ComparedImage(id="ami-5", name="al2023", created="2026-01-01"),
    packages=(Package(name="curl", version="8.1", arch="amd64"),),
)


def test_what_an_image_has_is_read_as_it_was_written_until_the_image_is_deleted(
    records: ImageRecords, store: DirectoryStore
) -> None:
    image = an_image(ids={"eu-central-1": "ami-1"}, status=ImageStatus.GOOD)
    records.write(image)
    records.write_contents(image, ImageContents())
    records.write_contents(image, CONTENTS)
    assert records.contents(image) == CONTENTS
    assert records.all("web") == (image,)
    records.forget(image)
    assert store.keys("") == ()


def test_why_the_contents_of_an_image_are_unknown_is_said(
    records: ImageRecords, store: DirectoryStore
) -> None:
    image = an_image()
    assert records.contents(image).unknown == "the bake recorded none"
    store.write("contents/web-earlier.json", b"{", expected=None)
    assert records.contents(image).unknown == (
        "contents/web-earlier.json cannot be read: it is not JSON: Expecting property name "
        "enclosed in double quotes: line 1 column 2 (char 1)"
    )
    foreign = Image(app="web", version="", name="", region="eu-central-1", ids={})
    assert records.contents(foreign).packages is None
