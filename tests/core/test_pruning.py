"""What a prune removes, and the reason for which each other image stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pipeline.core.bake.model import ObservedImage
from pipeline.core.image import Image, ImageStatus, Usage
from pipeline.core.pruning import (
    BinnedImage,
    Inventory,
    PrunePlan,
    RegionImages,
    Snapshot,
    prune_plan,
)
from pipeline.core.state.environment import Environment, ReleaseRecord, RetiredRelease
from pipeline.core.state.release import Release, Size
from tests.fakes import AWAY, HOME, a_seen, an_image

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SIZE = Size(instance_type="t3.micro", minimum=1, maximum=1, desired=1)
OLD = "2026-02-01T00:00:00+00:00"


def ami(number: int) -> str:
    return f"ami-{number:08}"


def seen(number: int, region: str = HOME, **changes: Any) -> ObservedImage:
    """Return the image of one day of January: a higher number is newer."""
    tags = {"ami-pipeline:app": "web", "ami-pipeline:status": changes.pop("status", "good")}
    return replace(
        a_seen(ami(number) if region == HOME else f"ami-9{number:07}"),
        region=region,
        name=f"web-{number}",
        created=f"2026-01-{number:02}T00:00:00.000Z",
        tags=tags,
        snapshots=(f"snap-{number}",),
        **changes,
    )


def inventory(*images: ObservedImage, keep: int = 1, **changes: Any) -> Inventory:
    regions = changes.pop("regions", {HOME: RegionImages(images=images)})
    nothing = Inventory(app="web", keep=keep, now=NOW, records=(), documents=(), regions=regions)
    return replace(nothing, **changes)


def reasons(given: Inventory) -> dict[str, str]:
    """Return the reasons of each image by its number; empty if it is removed."""
    found = prune_plan(given).decisions
    return {each.copies[0].name.removeprefix("web-"): "; ".join(each.reasons) for each in found}


def document(serving: int, *retired: int, warm: int = 0, failed: int = 0) -> Environment:
    kept = {}
    for number in filter(None, (serving, warm, failed)):
        release = Release(number=number, ami_id=ami(number), size=SIZE, facts={})
        kept[release.name] = ReleaseRecord(release=release, failed=number == failed)
    return Environment(
        app="web",
        environment="staging",
        account="",
        region=HOME,
        serving=f"r{serving:06}",
        releases=kept,
        retired=tuple(RetiredRelease(release=f"r{each:06}", ami_id=ami(each)) for each in retired),
    )


def test_the_newest_good_images_stay_and_older_ones_go_with_their_snapshots() -> None:
    given = inventory(*(seen(each) for each in (1, 2, 3)), keep=2)
    assert reasons(given) == {
        "3": "one of the newest 2 good images",
        "2": "one of the newest 2 good images",
        "1": "",
    }
    (removed,) = prune_plan(given).removed
    assert removed.snapshots == ("snap-1",)


def test_the_newest_images_of_each_architecture_stay() -> None:
    kinds = {1: "arm64", 2: "x86_64", 3: "x86_64", 4: "arm64"}
    given = inventory(*(seen(number, architecture=name) for number, name in kinds.items()))
    removed = [each.image.id for each in prune_plan(given).removed]
    assert removed == [ami(2), ami(1)]


def test_what_an_environment_needs_stays_and_the_reason_names_the_release() -> None:
    images = tuple(seen(each) for each in range(1, 9))
    environment = document(5, 3, 2, warm=4, failed=6)
    assert reasons(inventory(*images, documents=(environment,))) == {
        "8": "one of the newest 1 good images",
        "7": "",
        "6": "kept failed in staging (r000006)",
        "5": "serves staging (r000005)",
        "4": "warm in staging (r000004)",
        "3": "rollback target of staging (r000003)",
        "2": "",
        "1": "",
    }


def test_an_image_stays_until_its_group_is_removed() -> None:
    environment = document(5, 3, warm=4)
    environment = environment.with_pending_removal(["r000004"], "2026-01-01T00:00:00+00:00")
    found = reasons(inventory(*map(seen, (4, 5, 9)), documents=(environment,)))
    assert found["4"] == "removal pending in staging (r000004)"


def test_a_rollback_target_is_the_newest_that_exists_and_is_not_quarantined() -> None:
    images = (seen(1), seen(2, status="quarantined"), seen(4), seen(9))
    quarantined = an_image(name="web-2", ids={HOME: ami(2)}, status=ImageStatus.QUARANTINED)
    given = inventory(*images, documents=(document(4, 3, 2, 1),), records=(quarantined,))
    found = reasons(given)
    assert (found["2"], found["1"]) == ("", "rollback target of staging (r000001)")


def test_a_quarantined_image_stays_while_it_is_newer_than_the_kept_good_ones() -> None:
    images = (seen(1, status="quarantined"), seen(2), seen(3), seen(4, status="bad"))
    found = reasons(inventory(*images, keep=2))
    assert found["4"] == "bad and newer than the oldest of the newest 2 good images"
    assert found["1"] == ""
    alone = reasons(inventory(seen(1, status="quarantined"), keep=2))
    assert alone["1"] == "quarantined and newer than the oldest of the newest 2 good images"


def test_an_image_that_is_not_finished_stays_for_the_next_bake() -> None:
    found = reasons(inventory(seen(1, status="baking"), seen(2)))
    assert found["1"] == "not finished: the next bake completes or removes it"


def test_a_use_in_any_region_keeps_an_image_and_its_copies() -> None:
    uses = {seen(1, AWAY).id: [Usage(kind="group", name="other")]}
    regions = {
        HOME: RegionImages(images=(seen(1), seen(2), seen(3))),
        AWAY: RegionImages(images=(seen(1, AWAY), seen(2, AWAY)), uses=uses),
    }
    given = inventory(regions=regions)
    assert reasons(given)["1"] == f"used by group other in {AWAY}"
    (removed,) = prune_plan(given).removed
    assert [each.region for each in removed.copies] == [HOME, AWAY]
    assert removed.image.version == ""


def test_protected_and_public_images_stay() -> None:
    images = (seen(1, protection="enabled-with-cooldown"), seen(2, public=True), seen(3))
    found = reasons(inventory(*images))
    assert found["1"] == f"protected from deregistration in {HOME}"
    assert found["2"] == f"public in {HOME}"


def test_an_image_with_a_copy_in_a_region_that_is_not_read_stays() -> None:
    record = an_image(
        name="web-1", ids={HOME: ami(1), AWAY: "ami-9"}, status=ImageStatus.GOOD, created=OLD[:10]
    )
    record = replace(record, created="2026-01-01T00:00:00+00:00")
    found = reasons(inventory(seen(1), seen(2), records=(record,)))
    assert found["1"] == f"has a copy in {AWAY}, which [bake] regions does not name"


def test_an_image_of_another_app_is_no_part_of_the_plan() -> None:
    other = replace(seen(1), tags={"ami-pipeline:app": "shop"})
    assert reasons(inventory(other, seen(2))) == {"2": "one of the newest 1 good images"}


def test_a_later_plan_removes_only_what_a_person_agreed_to() -> None:
    earlier = prune_plan(inventory(seen(1), seen(2), seen(3), keep=2))
    later = prune_plan(inventory(seen(1), seen(2), seen(3), seen(4), keep=2))
    assert [each.copies[0].id for each in later.within(earlier).removed] == [ami(1)]
    assert later.within(PrunePlan()).is_empty


def snapshot(number: int = 7, **changes: Any) -> Snapshot:
    made = Snapshot(
        id=f"snap-{number}",
        region=HOME,
        description="Created by CreateImage(i-1) for ami-00000007",
        started=OLD,
        tags={"ami-pipeline:bake": "web-7"},
    )
    return replace(made, **changes)


def orphans(*snapshots: Snapshot, records: tuple[Image, ...] = (), **region: Any) -> list[str]:
    there = RegionImages(snapshots=snapshots, **region)
    given = inventory(regions={HOME: there}, records=records)
    return [each.id for each in prune_plan(given).snapshots]


def test_a_snapshot_whose_image_is_gone_goes_too() -> None:
    assert orphans(snapshot()) == ["snap-7"]


def test_a_snapshot_that_an_image_or_the_recycle_bin_may_need_stays() -> None:
    assert orphans(snapshot(), images=(seen(7),)) == []
    pending = replace(seen(7), state="pending", snapshots=())
    assert orphans(snapshot(), images=(pending,)) == []
    by_id = BinnedImage(id="ami-00000007", name="x", until="")
    by_name = BinnedImage(id="ami-00000001", name="web-7", until="")
    assert orphans(snapshot(), binned=(by_id,)) == []
    assert orphans(snapshot(description=""), binned=(by_name,)) == []


def test_a_snapshot_of_a_bake_that_may_run_stays() -> None:
    assert orphans(snapshot(started="2026-02-28T12:00:00+00:00")) == []
    unfinished = an_image(bake="web-7", status=ImageStatus.BAKING)
    assert orphans(snapshot(), records=(unfinished,)) == []
