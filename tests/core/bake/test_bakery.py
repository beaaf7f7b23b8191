from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.bake.model import (
    BakeOrigin,
    BuildReport,
    BuildResources,
    Ending,
    Source,
    Template,
)
from pipeline.core.errors import (
    ConfigurationError,
    FailedError,
    InterruptedRunError,
    NeedsAttentionError,
    PipelineError,
    RefusedError,
)
from pipeline.core.image import FINGERPRINT_TAG, STATUS_TAG, ImageStatus
from tests.fakes import (
    AWAY,
    FINGERPRINT,
    HOME,
    NAME,
    NOW,
    RESOURCES,
    SOURCE,
    TEMPLATE,
    World,
    a_report,
    a_request,
    a_seen,
    an_image,
)

GOOD = {FINGERPRINT_TAG: FINGERPRINT, STATUS_TAG: "good"}
ENDED = {HOME: "ami-7"}
FAILED = a_report(
    code=1,
    images={},
    resources=RESOURCES,
    failures={"amazon-ebs.app": "Script exited with non-zero exit status: 7"},
    last_lines=("no such package",),
)


@pytest.fixture
def world() -> World:
    return World()


def test_a_bake_builds_verifies_tags_and_records(world: World) -> None:
    result = world.bakery.bake(a_request())

    assert (result.origin, result.image.id, result.image.status) == (
        BakeOrigin.BAKED,
        "ami-1",
        "good",
    )
    assert result.log == a_report().log
    assert result.seconds == 1.0
    assert world.records.statuses == {NAME: ["baking", "baking", "baking", "good"]}
    assert world.records.written[NAME] == result.image
    assert world.images.there[HOME, "ami-1"].tags == {
        "Name": NAME,
        "ami-pipeline:app": "web",
        "ami-pipeline:version": "1.2.3",
        "ami-pipeline:source-ami": SOURCE,
        "ami-pipeline:fingerprint": FINGERPRINT,
        "ami-pipeline:status": "good",
    }
    assert world.images.removed == []


BUILD_TAGS = {"Name": f"baking {NAME}", "ami-pipeline:app": "web", "ami-pipeline:bake": NAME}
"""The run tags, which the Amazon plugin puts on the image, its snapshots and its copies."""


@pytest.mark.parametrize(
    ("own", "name"),
    [
        pytest.param({}, "template-s own", id="no tags in the template"),
        pytest.param({"Name": "golden"}, "golden", id="its own name"),
    ],
)
def test_a_good_image_does_not_keep_the_tags_of_its_build(
    world: World, own: dict[str, str], name: str
) -> None:
    seen = a_seen(name="template-s own", tags={**BUILD_TAGS, **own})
    world.baker.makes = (seen, replace(seen, id="ami-2", region=AWAY))
    images = {HOME: "ami-1", AWAY: "ami-2"}
    world.baker.report = a_report(images={"amazon-ebs.app": images})
    world.bakery.bake(a_request(regions=(AWAY,)))
    for place in images.items():
        tags = world.images.there[place].tags
        assert "ami-pipeline:bake" not in tags
        assert (tags["Name"], tags["ami-pipeline:app"], tags[STATUS_TAG]) == (name, "web", "good")


def test_tags_that_cannot_be_removed_are_named_and_the_image_is_good(world: World) -> None:
    world.images.resists = {"untag"}
    world.baker.makes = (a_seen(tags=BUILD_TAGS),)
    assert world.bakery.bake(a_request()).image.id == "ami-1"
    assert world.images.there[HOME, "ami-1"].tags["Name"] == NAME
    assert world.notes[-1] == (
        "ami-1 in eu-central-1 and its snapshots keep tags of the build: UnauthorizedOperation; "
        "allow it"
    )


MASKED = a_report(
    expected=("amazon-ebs.<sensitive>",), images={"amazon-ebs.app": {HOME: "ami-1"}}, masked=True
)
"""What a good build reports if a secret is part of the name of its source."""


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(MASKED, id="in the name of the build"),
        pytest.param(replace(MASKED, images={}), id="in the id of the artifact"),
    ],
)
@pytest.mark.parametrize("regions", [(), (AWAY,)])
def test_an_image_whose_result_packer_masked_is_found_by_what_ec2_shows(
    world: World, report: BuildReport, regions: tuple[str, ...]
) -> None:
    world.baker.report = report
    world.baker.makes = (a_seen(),)
    if regions:
        world.images.there[AWAY, "ami-2"] = a_seen("ami-2", region=AWAY, name="own")
        world.images.copied = {"ami-1": ("ami-2",)}
    result = world.bakery.bake(a_request(regions=regions))
    ids = {HOME: "ami-1"} | ({AWAY: "ami-2"} if regions else {})
    assert (result.origin, result.image.ids, world.images.removed) == (BakeOrigin.BAKED, ids, [])
    assert "the value of a sensitive variable occurs in the result" in world.notes[-1]


def test_a_masked_result_without_a_copy_is_no_result(world: World) -> None:
    world.baker.report = MASKED
    with pytest.raises(FailedError, match="no image was created in us-east-1"):
        world.bakery.bake(a_request(regions=(AWAY,)))
    assert world.images.removed == ["ami-1"]


def test_a_masked_result_that_ec2_does_not_show_needs_attention(world: World) -> None:
    world.baker.report = replace(MASKED, images={}, resources=replace(RESOURCES, names=("own",)))
    world.baker.makes = ()
    with pytest.raises(NeedsAttentionError) as raised:
        world.bakery.bake(a_request())
    assert raised.value.what == (
        "Packer exited with 0 and masked its result, and EC2 shows no image of this bake; "
        "what it named: own"
    )
    assert world.records.statuses[NAME][-1] == "left"


def test_the_intent_and_the_resources_are_recorded_while_packer_runs(world: World) -> None:
    world.baker.report = replace(FAILED, ending=Ending.INTERRUPTED)
    world.baker.makes = ()
    with pytest.raises(InterruptedRunError):
        world.bakery.bake(a_request())
    assert world.records.statuses[NAME] == ["baking", "baking", "gone"]
    assert world.records.resources[NAME] == RESOURCES


def test_packer_gets_the_variables_the_template_declares(world: World) -> None:
    world.bakery.bake(a_request(variables={"app": "shop"}))
    variables = world.baker.builds[0]["variables"]
    assert set(variables) == {"app", "version", "ami_name", "region", "source_ami", "tags"}
    assert variables["app"] == "shop"
    assert variables["ami_name"] == NAME
    assert variables["tags"]["ami-pipeline:fingerprint"] == FINGERPRINT


def test_the_earlier_image_is_the_result_if_nothing_changed(world: World) -> None:
    world.images.there[HOME, "ami-7"] = a_seen("ami-7", name="web-earlier", tags=GOOD)
    result = world.bakery.bake(a_request())
    assert (result.origin, result.image.id, result.log) == (BakeOrigin.UNCHANGED, "ami-7", None)
    assert world.untouched()
    assert world.notes == ["nothing changed since ami-7 was baked"]


def test_the_newest_of_several_good_images_is_taken(world: World) -> None:
    for day in (1, 3, 2):
        image = a_seen(f"ami-{day}", created=f"2026-01-0{day}T00:00:00.000Z", tags=GOOD)
        world.images.there[HOME, image.id] = image
    assert world.bakery.bake(a_request()).image.id == "ami-3"


@pytest.mark.parametrize(
    ("earlier", "options"),
    [
        pytest.param({"tags": {**GOOD, STATUS_TAG: "bad"}}, {}, id="its status is bad"),
        pytest.param({"tags": {**GOOD, STATUS_TAG: "quarantined"}}, {}, id="it is quarantined"),
        pytest.param({"tags": {**GOOD, FINGERPRINT_TAG: "0"}}, {}, id="another fingerprint"),
        pytest.param({"tags": GOOD, "state": "pending"}, {}, id="not available"),
        pytest.param({"tags": GOOD, "public": True}, {}, id="public"),
        pytest.param({"tags": GOOD}, {"force": True}, id="force"),
        pytest.param({"tags": GOOD}, {"source": None}, id="no source that could be compared"),
    ],
)
def test_an_earlier_image_is_not_reused(
    world: World, earlier: dict[str, Any], options: dict[str, Any]
) -> None:
    world.images.there[HOME, "ami-7"] = a_seen("ami-7", name="web-earlier", **earlier)
    result = world.bakery.bake(a_request(**options))
    assert (result.origin, result.image.id) == (BakeOrigin.BAKED, "ami-1")
    assert len(world.baker.builds) == 1


def test_an_image_without_a_copy_in_one_region_is_baked_again(world: World) -> None:
    world.images.there[HOME, "ami-7"] = a_seen("ami-7", name="web-earlier", tags=GOOD)
    world.baker.report = a_report(images={"amazon-ebs.app": {HOME: "ami-1", AWAY: "ami-2"}})
    world.baker.makes = (a_seen("ami-1"), a_seen("ami-2", region=AWAY))
    result = world.bakery.bake(a_request(regions=(AWAY,)))
    assert result.origin is BakeOrigin.BAKED
    assert result.image.ids == {HOME: "ami-1", AWAY: "ami-2"}
    assert world.images.there[AWAY, "ami-2"].tags[STATUS_TAG] == "good"


def test_an_image_available_in_every_region_is_reused(world: World) -> None:
    for region, image_id in ((HOME, "ami-7"), (AWAY, "ami-8")):
        world.images.there[region, image_id] = a_seen(
            image_id, region=region, name="web-earlier", tags=GOOD
        )
    result = world.bakery.bake(a_request(regions=(AWAY, HOME)))
    assert result.image.ids == {HOME: "ami-7", AWAY: "ami-8"}


def test_a_template_that_names_its_image_keeps_that_name(world: World) -> None:
    world.baker.template = Template(
        old_style=False, variables=frozenset({"source_ami"}), builds=TEMPLATE.builds
    )
    world.baker.makes = (a_seen(name="template-s own"),)
    result = world.bakery.bake(a_request())
    assert (result.image.name, result.image.bake) == ("template-s own", NAME)
    assert world.records.written[NAME].name == "template-s own"
    assert world.images.there[HOME, "ami-1"].tags["Name"] == "template-s own"


def test_without_a_source_the_one_packer_found_is_recorded(world: World) -> None:
    world.baker.report = a_report(source_ami="ami-found")
    result = world.bakery.bake(a_request(source=None))
    assert result.image.source_ami == "ami-found"
    assert world.images.there[HOME, "ami-1"].tags["ami-pipeline:source-ami"] == "ami-found"
    assert "no [bake.source]" in world.notes[0]


def test_a_source_that_the_template_does_not_declare_is_a_configuration_error(world: World) -> None:
    world.baker.template = replace(TEMPLATE, variables=frozenset({"ami_name"}))
    with pytest.raises(ConfigurationError) as raised:
        world.bakery.bake(a_request())
    assert str(raised.value) == (
        "[bake.source]:\n"
        "  app.pkr.hcl does not declare the variable source_ami\n"
        'next: declare variable "source_ami" and use it in the source block, '
        "or remove [bake.source]"
    )
    assert world.untouched()


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        pytest.param({"resists": {"resolve"}}, RefusedError, id="no source image"),
        pytest.param({"resists": {HOME}}, RefusedError, id="AWS does not answer"),
    ],
)
def test_a_refusal_builds_and_records_nothing(
    world: World, spoil: dict[str, Any], error: type[PipelineError]
) -> None:
    for name, value in spoil.items():
        setattr(world.images, name, value)
    with pytest.raises(error):
        world.bakery.bake(a_request())
    assert world.untouched()


@pytest.mark.parametrize("undeclared", [{"variables": {"siez": 1}}, {"secrets": {"siez": "x"}}])
def test_an_undeclared_variable_builds_and_records_nothing(
    world: World, undeclared: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError):
        world.bakery.bake(a_request(**undeclared))
    assert world.untouched()


def test_a_template_packer_does_not_accept_builds_and_records_nothing(world: World) -> None:
    world.baker.refuses = ConfigurationError("packer validate", "Error: bad", "fix it")
    with pytest.raises(ConfigurationError):
        world.bakery.bake(a_request())
    assert world.untouched()


def test_a_state_that_cannot_be_written_builds_nothing(world: World) -> None:
    world.records.refuses_status = "baking"
    with pytest.raises(RefusedError):
        world.bakery.bake(a_request())
    assert world.untouched()


def test_a_failed_build_is_cleaned_up_and_reported(world: World) -> None:
    world.baker.report = FAILED
    world.baker.makes = (a_seen(state="pending"),)
    world.leftovers.removes = ("i-1", "packer_key")
    with pytest.raises(FailedError) as raised:
        world.bakery.bake(a_request())
    assert raised.value.where == "packer build amazon-ebs.app"
    assert raised.value.what.split("\n") == [
        "packer exited with code 1",
        "amazon-ebs.app: Script exited with non-zero exit status: 7",
        "| no such package",
        "removed: i-1, packer_key, ami-1",
        "full log: /repository/.ami-pipeline/logs/x.log",
    ]
    assert world.leftovers.asked == [(HOME, RESOURCES, NAME)]
    assert world.images.there == {}
    assert world.records.statuses[NAME][-1] == "gone"


def test_a_build_that_failed_before_it_created_anything_calls_no_aws_api(world: World) -> None:
    world.baker.report = replace(FAILED, resources=BuildResources())
    world.baker.makes = ()
    with pytest.raises(FailedError):
        world.bakery.bake(a_request())
    assert world.leftovers.asked == []
    assert world.records.statuses[NAME][-1] == "gone"


def test_a_timeout_is_a_failure_that_names_the_limit(world: World) -> None:
    world.baker.report = replace(FAILED, ending=Ending.TIMEOUT, failures={})
    world.baker.makes = ()
    with pytest.raises(FailedError) as raised:
        world.bakery.bake(a_request(timeout=60.0))
    assert raised.value.what.startswith("packer was stopped at its timeout of 1m\n")
    assert raised.value.remedy.endswith("raise [bake] timeout in pipeline.toml")
    assert world.records.statuses[NAME][-1] == "gone"


@pytest.mark.parametrize("code", [0, 1, -15])
def test_an_interrupted_build_is_cleaned_up_and_ends_with_130(world: World, code: int) -> None:
    world.baker.report = replace(FAILED, ending=Ending.INTERRUPTED, code=code, failures={})
    world.baker.makes = (a_seen(state="pending"),)
    with pytest.raises(InterruptedRunError) as raised:
        world.bakery.bake(a_request())
    assert raised.value.exit_code == 130
    assert "removed: ami-1" in raised.value.what
    assert world.records.statuses[NAME][-1] == "gone"


def test_an_image_that_only_the_manifest_lists_is_removed_too(world: World) -> None:
    world.baker.report = replace(FAILED, manifest={HOME: "ami-5"})
    world.images.there[HOME, "ami-5"] = a_seen("ami-5", name="of another build", created=NOW)
    with pytest.raises(PipelineError) as raised:
        world.bakery.bake(a_request())
    assert "ami-5" in raised.value.what
    assert (HOME, "ami-5") not in world.images.there


@pytest.mark.parametrize("ending", [Ending.INTERRUPTED, Ending.TIMEOUT])
@pytest.mark.parametrize("code", [0, 1])
def test_an_available_image_of_a_build_that_did_not_end_is_removed(
    world: World, ending: Ending, code: int
) -> None:
    # Its post-processors, copies or encryption may be missing, whatever AWS shows.
    world.baker.report = replace(FAILED, ending=ending, failures={}, code=code)
    with pytest.raises(PipelineError) as raised:
        world.bakery.bake(a_request())
    assert "removed: ami-1" in raised.value.what
    assert world.images.there == {}
    assert world.records.statuses[NAME][-1] == "gone"


def test_an_image_of_a_build_that_ended_before_the_interruption_is_kept_and_named(
    world: World,
) -> None:
    world.baker.report = a_report(ending=Ending.INTERRUPTED)
    with pytest.raises(InterruptedRunError) as raised:
        world.bakery.bake(a_request())
    kept = "kept: ami-1 in eu-central-1, which is complete; the next bake adopts it"
    assert kept in raised.value.what
    assert (HOME, "ami-1") in world.images.there
    assert world.records.statuses[NAME][-1] == "left"
    assert world.records.written[NAME].ids == {HOME: "ami-1"}


def test_a_finished_image_of_a_failed_build_is_not_kept(world: World) -> None:
    world.baker.report = FAILED
    with pytest.raises(FailedError):
        world.bakery.bake(a_request())
    assert world.images.removed == ["ami-1"]


def test_an_image_in_one_of_two_regions_is_removed(world: World) -> None:
    world.baker.report = replace(FAILED, ending=Ending.INTERRUPTED, failures={})
    with pytest.raises(InterruptedRunError):
        world.bakery.bake(a_request(regions=(AWAY,)))
    assert world.images.removed == ["ami-1"]


def test_a_failed_cleanup_needs_attention_and_names_the_leftovers(world: World) -> None:
    world.baker.report = FAILED
    world.images.resists = {"ami-1"}
    world.leftovers.removes = ("i-1",)
    with pytest.raises(NeedsAttentionError) as raised:
        world.bakery.bake(a_request())
    assert raised.value.exit_code == 5
    assert raised.value.what == "asking for ami-1: UnauthorizedOperation\nremoved: i-1"
    assert f"ami-pipeline:bake={NAME}" in raised.value.remedy
    assert world.records.statuses[NAME][-1] == "left"


def test_leftovers_that_cannot_be_removed_do_not_keep_the_image(world: World) -> None:
    world.baker.report = FAILED
    world.leftovers.resists = True
    with pytest.raises(NeedsAttentionError):
        world.bakery.bake(a_request())
    assert world.images.removed == ["ami-1"]


REJECTED: list[Any] = [
    pytest.param(
        a_report(
            expected=("a", "b"),
            images={"a": {HOME: "ami-1"}, "b": {HOME: "ami-2"}},
        ),
        (a_seen("ami-1"), a_seen("ami-2")),
        {},
        "two builds created an image in eu-central-1: ami-1 (a) and ami-2",
        id="two builds in one region",
    ),
    pytest.param(
        a_report(),
        (a_seen(),),
        {"regions": (AWAY,)},
        "no image was created in us-east-1",
        id="a region is missing",
    ),
    pytest.param(
        a_report(manifest={HOME: "ami-9"}),
        (a_seen(),),
        {},
        "the manifest lists {'eu-central-1': 'ami-9'}, "
        "the artifacts list {'eu-central-1': 'ami-1'}",
        id="the manifest disagrees",
    ),
    pytest.param(
        a_report(),
        (a_seen(public=True),),
        {},
        "ami-1 in eu-central-1 is public: any AWS account can launch it",
        id="a public image",
    ),
    pytest.param(
        a_report(images={}, resources=RESOURCES),
        (),
        {},
        "build amazon-ebs.app ended without an image",
        id="no image",
    ),
    pytest.param(
        a_report(),
        (),
        {},
        "AWS lists no image ami-1 of this account in eu-central-1",
        id="an image AWS does not know",
    ),
    pytest.param(
        a_report(images={}, expected=(), resources=BuildResources()),
        (),
        {},
        "packer exited with code 0, but no build of the template ran",
        id="no build",
    ),
]


@pytest.mark.parametrize(("report", "makes", "options", "problem"), REJECTED)
def test_an_image_that_fails_verification_is_removed_and_reported(
    world: World, report: Any, makes: Any, options: dict[str, Any], problem: str
) -> None:
    world.baker.report = report
    world.baker.makes = makes
    with pytest.raises(FailedError) as raised:
        world.bakery.bake(a_request(**options))
    assert problem in raised.value.what.split("\n")
    assert world.images.there == {}
    assert world.records.statuses[NAME][-1] == "gone"


def test_the_copies_of_both_builds_are_removed(world: World) -> None:
    world.baker.template = Template(
        old_style=False, variables=frozenset({"source_ami"}), builds=TEMPLATE.builds
    )
    images = {
        "a": {HOME: "ami-1", AWAY: "ami-2"},
        "b": {HOME: "ami-3", AWAY: "ami-4"},
    }
    world.baker.report = a_report(expected=("a", "b"), images=images, resources=RESOURCES)
    world.baker.makes = tuple(
        a_seen(image_id, region=region, name=f"by {build}")
        for build, created in images.items()
        for region, image_id in created.items()
    )
    with pytest.raises(FailedError):
        world.bakery.bake(a_request(regions=(AWAY,)))
    assert sorted(world.images.removed) == ["ami-1", "ami-2", "ami-3", "ami-4"]


def test_an_older_image_that_the_output_names_is_never_removed(world: World) -> None:
    serving = a_seen("ami-5e121", name="web-serving", created="2025-12-31T23:00:00.000Z")
    world.images.there[HOME, serving.id] = serving
    world.baker.report = replace(FAILED, resources=replace(RESOURCES, images=(serving.id,)))
    world.baker.makes = ()
    with pytest.raises(FailedError):
        world.bakery.bake(a_request())
    assert world.images.there == {(HOME, serving.id): serving}


@pytest.mark.parametrize("resists", ["find", "tag"])
def test_an_image_that_could_not_be_verified_needs_attention_and_stays_recorded(
    world: World, resists: str
) -> None:
    world.images.resists = {resists}
    with pytest.raises(NeedsAttentionError) as raised:
        world.bakery.bake(a_request())
    assert raised.value.exit_code == 5
    assert "ami-1" in raised.value.what
    assert world.records.statuses[NAME][-1] == "baking"


def test_an_image_that_could_not_be_recorded_needs_attention(world: World) -> None:
    world.records.refuses_status = "good"
    with pytest.raises(NeedsAttentionError) as raised:
        world.bakery.bake(a_request())
    assert "No space left on device" in raised.value.what


def test_an_image_that_is_named_otherwise_is_the_one_that_packer_made(world: World) -> None:
    world.baker.makes = (a_seen(name=f"golden-{NAME}-20260101"),)
    result = world.bakery.bake(a_request())
    assert (result.image.id, result.image.name) == ("ami-1", f"golden-{NAME}-20260101")
    assert world.images.removed == []


def test_an_image_in_another_region_than_the_configured_is_removed_there(world: World) -> None:
    world.baker.report = a_report(images={"amazon-ebs.app": {AWAY: "ami-1"}})
    world.baker.makes = (a_seen(region=AWAY, name="template-s own"),)
    with pytest.raises(FailedError) as raised:
        world.bakery.bake(a_request())
    assert "no image was created in eu-central-1" in raised.value.what
    assert "removed: ami-1" in raised.value.what
    assert world.images.there == {}


def test_the_image_of_a_bake_that_is_recorded_as_ended_is_adopted(world: World) -> None:
    world.images.there[HOME, "ami-7"] = a_seen("ami-7", name="web-earlier")
    world.records.earlier = [(an_image(ids=ENDED), RESOURCES)]
    result = world.bakery.bake(a_request())
    assert (result.origin, result.image.id, result.image.bake) == (
        BakeOrigin.ADOPTED,
        "ami-7",
        "web-earlier",
    )
    assert world.images.there[HOME, "ami-7"].tags[STATUS_TAG] == "good"
    assert set(world.leftovers.asked) == {(HOME, RESOURCES, "web-earlier")}
    assert world.records.statuses == {"web-earlier": ["good"]}
    assert world.baker.builds == []


def test_a_bake_killed_between_its_last_tag_and_its_record_is_only_closed(world: World) -> None:
    world.records.earlier = [(an_image(fingerprint="other"), RESOURCES)]
    good = a_seen("ami-7", name="web-earlier", tags={STATUS_TAG: "good"})
    world.images.there[HOME, "ami-7"] = good
    world.bakery.bake(a_request())
    assert world.records.statuses["web-earlier"] == ["gone"]
    assert (HOME, "ami-7") in world.images.there


@pytest.mark.parametrize(("status", "recorded"), [("quarantined", "gone"), ("bad", "left")])
def test_an_image_rejected_after_its_bake_was_killed_is_not_adopted(
    world: World, status: str, recorded: str
) -> None:
    world.records.earlier = [(an_image(), RESOURCES)]
    world.records.earlier = [(an_image(ids=ENDED), RESOURCES)]
    rejected = a_seen("ami-7", name="web-earlier", tags={STATUS_TAG: status})
    world.images.there[HOME, "ami-7"] = rejected
    assert world.bakery.bake(a_request()).origin is BakeOrigin.BAKED
    assert world.images.there[HOME, "ami-7"].tags[STATUS_TAG] == status
    assert world.records.statuses["web-earlier"] == [recorded]


def test_only_one_of_two_finished_leftovers_is_adopted(world: World) -> None:
    for name, image_id in (("one", "ami-7"), ("two", "ami-8")):
        world.images.there[HOME, image_id] = a_seen(image_id, name=name)
        ended = an_image(name=name, bake=name, ids={HOME: image_id})
        world.records.earlier.append((ended, RESOURCES))
    assert world.bakery.bake(a_request()).image.id == "ami-7"
    assert world.records.statuses == {"one": ["good"], "two": ["left"]}


@pytest.mark.parametrize(
    ("earlier", "options"),
    [
        pytest.param({"fingerprint": "other"}, {}, id="of other inputs"),
        pytest.param({}, {"force": True}, id="force"),
        pytest.param({}, {"source": None}, id="no source"),
    ],
)
def test_a_finished_leftover_that_does_not_fit_the_request_is_left_alone(
    world: World, earlier: dict[str, Any], options: dict[str, Any]
) -> None:
    world.images.there[HOME, "ami-7"] = a_seen("ami-7", name="web-earlier")
    world.records.earlier = [(an_image(ids=ENDED, **earlier), RESOURCES)]
    result = world.bakery.bake(a_request(**options))
    assert (result.origin, result.image.id) == (BakeOrigin.BAKED, "ami-1")
    assert world.records.statuses["web-earlier"] == ["left"]
    assert (HOME, "ami-7") in world.images.there


def test_a_leftover_without_a_copy_in_a_region_is_left_alone(world: World) -> None:
    world.images.there[HOME, "ami-7"] = a_seen("ami-7", name="web-earlier")
    world.records.earlier = [(an_image(ids=ENDED), RESOURCES)]
    world.baker.report = a_report(images={"amazon-ebs.app": {HOME: "ami-1", AWAY: "ami-2"}})
    world.baker.makes = (a_seen("ami-1"), a_seen("ami-2", region=AWAY))
    assert world.bakery.bake(a_request(regions=(AWAY,))).origin is BakeOrigin.BAKED
    assert world.records.statuses["web-earlier"] == ["left"]


@pytest.mark.parametrize("state", ["pending", "available"])
def test_the_image_of_a_killed_bake_that_had_not_ended_is_removed_before_the_build(
    world: World, state: str
) -> None:
    world.images.there[HOME, "ami-7"] = a_seen("ami-7", name="web-earlier", state=state)
    world.records.earlier = [(an_image(), RESOURCES)]
    result = world.bakery.bake(a_request())
    assert result.origin is BakeOrigin.BAKED
    assert world.images.removed == ["ami-7"]
    assert world.records.statuses["web-earlier"] == ["gone"]
    assert world.notes == ["cleaned up after the interrupted bake web-earlier: removed ami-7"]


def test_a_killed_bake_that_left_nothing_is_not_called_cleaned_up(world: World) -> None:
    world.records.earlier = [(an_image(), RESOURCES)]
    world.bakery.bake(a_request())
    assert world.notes == ["nothing of the interrupted bake web-earlier was found in eu-central-1"]


def test_an_unencrypted_intermediate_and_its_copies_are_removed(world: World) -> None:
    """Packer names the intermediate image at random; its copies have the template's name."""
    world.images.there[HOME, "ami-7"] = a_seen("ami-7", name="aX3kqp9")
    world.images.there[HOME, "ami-8"] = a_seen("ami-8", name="shop-1", state="pending")
    world.images.there[AWAY, "ami-9"] = a_seen("ami-9", name="shop-1", region=AWAY)
    world.images.made_by = {"i-1": ("ami-7",)}
    world.images.copied = {"ami-7": ("ami-8", "ami-9")}
    resources = replace(RESOURCES, regions=(AWAY,))
    world.records.earlier = [(an_image(), resources)]
    assert world.bakery.bake(a_request()).origin is BakeOrigin.BAKED
    assert world.images.removed == ["ami-7", "ami-8", "ami-9"]


def test_an_image_that_is_still_there_after_its_removal_needs_attention(world: World) -> None:
    world.images.there[HOME, "ami-7"] = a_seen("ami-7", name="web-earlier", state="pending")
    world.images.remove = lambda image: None  # type: ignore[method-assign]  # noqa: ARG005
    world.records.earlier = [(an_image(), RESOURCES)]
    with pytest.raises(NeedsAttentionError) as raised:
        world.bakery.bake(a_request())
    assert raised.value.what == "ami-7 in eu-central-1 is still pending"


def test_leftovers_of_another_app_are_left_alone(world: World) -> None:
    world.records.earlier = [(an_image(app="other"), RESOURCES)]
    world.bakery.bake(a_request())
    assert world.leftovers.asked == []


def test_leftovers_in_a_region_that_is_no_longer_configured_are_removed_there(
    world: World,
) -> None:
    world.images.there[AWAY, "ami-7"] = a_seen("ami-7", name="web-earlier", region=AWAY)
    world.records.earlier = [(an_image(region=AWAY, fingerprint="other"), RESOURCES)]
    world.bakery.bake(a_request())
    assert world.leftovers.asked[0] == (AWAY, RESOURCES, "web-earlier")
    assert world.images.removed == ["ami-7"]


def test_leftovers_that_cannot_be_removed_stop_the_bake(world: World) -> None:
    world.records.earlier = [(an_image(), RESOURCES)]
    world.leftovers.resists = True
    with pytest.raises(NeedsAttentionError) as raised:
        world.bakery.bake(a_request())
    assert raised.value.where == "cleaning up after web-earlier"
    assert world.baker.builds == []


def test_signals_are_deferred_after_the_intent(world: World) -> None:
    world.bakery.bake(a_request())
    assert world.workplace.shields == 1
    world.records.earlier = [(an_image(), RESOURCES)]
    world.bakery.bake(a_request(force=True))
    assert world.workplace.shields == 3


def test_what_a_build_writes_is_noted(world: World) -> None:
    world.bakery.bake(a_request())
    assert world.workplace.noted == [a_request()]


def test_an_upload_that_is_no_input_is_named(world: World) -> None:
    world.baker.template = replace(TEMPLATE, unlisted=(Path("/repository/app"),))
    world.bakery.bake(a_request())
    [note] = world.notes
    assert note == (
        "app.pkr.hcl uploads /repository/app, which is no input: a change of it alone makes no new "
        "image; add it to inputs in [bake]"
    )


def test_a_source_id_is_used_as_it_is(world: World) -> None:
    result = world.bakery.bake(a_request(source=Source(id="ami-mine")))
    assert result.image.source_ami == "ami-mine"


def test_a_record_holds_the_environment_the_tags_and_the_author(world: World) -> None:
    request = a_request(environment="staging", tags={"Team": "shop"}, baked_by="me@here")
    image = world.bakery.bake(request).image
    assert (image.environment, image.tags, image.baked_by) == (
        "staging",
        {"Team": "shop"},
        "me@here",
    )
    assert world.images.there[HOME, "ami-1"].tags["Team"] == "shop"
    assert image.status is ImageStatus.GOOD


def test_a_build_that_must_not_begin_leaves_nothing(world: World) -> None:
    """The credentials would expire before its end, for example."""

    def refuse() -> None:
        raise RefusedError("credentials", "expire in 5m", "renew them")

    with pytest.raises(RefusedError, match="expire in 5m"):
        replace(world.bakery, before_build=refuse).bake(a_request())
    assert world.untouched()


def test_credentials_do_not_matter_if_nothing_changed(world: World) -> None:
    world.images.there[HOME, "ami-7"] = a_seen("ami-7", name="web-earlier", tags=GOOD)

    def refuse() -> None:
        raise RefusedError("credentials", "expire in 5m", "renew them")

    result = replace(world.bakery, before_build=refuse).bake(a_request())
    assert result.origin is BakeOrigin.UNCHANGED
