"""The literal text of `adopt --plan`."""

from __future__ import annotations

from pipeline.core.adoption.configuration import adoption
from pipeline.ui.adopt.plan import adoption_document, adoption_text
from tests.core.adoption.groups import a_group

FOUND = adoption(
    a_group(
        {"CapacityRebalance": True, "VPCZoneIdentifier": ""},
        {"MetadataOptions": {"HttpTokens": "optional"}},
    )
)


def test_the_plan_has_the_configuration_and_what_a_release_cannot_have() -> None:
    text = adoption_text("production", FOUND, configured=False)
    head, _, rest = text.partition("[environments.production]")
    assert head == (
        "The group web-asg launches launch template web version 3.\n\nAdd to pipeline.toml:\n\n"
        "# From the Auto Scaling group web-asg.\n"
    )
    assert rest.partition('security_group_ids = ["sg-0c3"]\n')[2] == (
        "\n"
        "The group does not tell: subnet_ids. A release needs it.\n"
        "\n"
        "The release module cannot express 2 settings of the group:\n"
        "  CapacityRebalance: true\n"
        "    a release does not have it\n"
        "  metadata service: HttpTokens optional\n"
        "    a release requires IMDSv2: the application must not use IMDSv1\n"
        "\n"
        "Nothing was changed."
    )


def test_a_configured_environment_is_compared() -> None:
    text = adoption_text("production", adoption(a_group()), configured=True)
    assert "Compare with [environments.production] in pipeline.toml:" in text
    assert "The release module can express every setting of the group." in text


def test_the_document_has_the_text_and_its_values() -> None:
    document = adoption_document("production", FOUND, configured=False)
    assert document["missing"] == ["subnet_ids"]
    assert document["settings"]["terraform"]["inputs"]["security_group_ids"] == ["sg-0c3"]
    assert document["configuration"].startswith("# From the Auto Scaling group web-asg.\n")
    assert document["gaps"][0] == {
        "setting": "CapacityRebalance",
        "group": "true",
        "release": "does not have it",
    }
