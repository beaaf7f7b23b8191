from __future__ import annotations

import pytest

from pipeline.core.permissions.scope import Feature
from pipeline.core.permissions.template import features_of, values_of

PLAIN = 'source "amazon-ebs" "app" {\n  communicator = "ssh"\n  ssh_interface = "public_ip"\n}\n'


@pytest.mark.parametrize(
    ("line", "feature"),
    [
        ('iam_instance_profile = "build"', Feature.BUILD_PROFILE),
        ("temporary_iam_instance_profile_policy_document {", Feature.BUILD_ROLE),
        ('"temporary_iam_instance_profile_policy_document": {}', Feature.BUILD_ROLE),
        ('"iam_instance_profile": "build"', Feature.BUILD_PROFILE),
        ("kms_key_id = var.key", Feature.BUILD_KEY),
        ('ami_users = ["111122223333"]', Feature.SHARED),
        ('spot_price = "auto"', Feature.SPOT),
        ('deprecate_at = "2027-01-01T00:00:00Z"', Feature.DEPRECATE),
        ("deregistration_protection {\n enabled = true\n}", Feature.PROTECT),
        ('ssh_interface = "session_manager"', Feature.SESSION_MANAGER),
        ('winrm_username = "Administrator"', Feature.WINDOWS),
    ],
)
def test_an_argument_of_a_template_needs_its_permissions(line: str, feature: Feature) -> None:
    assert features_of(f"{PLAIN}{line}\n") == {feature}


@pytest.mark.parametrize("line", ["", '  # kms_key_id = "x"', '// spot_price = "auto"'])
def test_a_plain_template_and_a_comment_need_nothing_more(line: str) -> None:
    assert features_of(f"{PLAIN}{line}\n") == frozenset()


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ('iam_instance_profile = "build"', ("build",)),
        ('"iam_instance_profile": "build",', ("build",)),
        ("iam_instance_profile = var.profile", ("given",)),
        ('"iam_instance_profile": "{{ user `profile` }}"', ("given",)),
        ("iam_instance_profile = var.other", ("",)),
        ('iam_instance_profile = "${local.name}-x"', ("",)),
        ("", ()),
    ],
)
def test_the_value_of_an_argument_is_a_literal_or_a_variable_that_is_passed(
    line: str, values: tuple[str, ...]
) -> None:
    given = {"profile": "given"}
    assert values_of(f"{PLAIN}{line}\n", "iam_instance_profile", given) == values
