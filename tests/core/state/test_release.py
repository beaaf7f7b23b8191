from __future__ import annotations

import pytest

from pipeline.core.state.release import Release, Size, group_name, release_of
from pipeline.core.terraform.module_contract import RELEASE

SIZE = Size(instance_type="t3.micro", minimum=1, maximum=3, desired=2)


def a_release(number: int) -> Release:
    return Release(number=number, ami_id="ami-1", size=SIZE, facts={"version": "1.4.2"})


@pytest.mark.parametrize(
    ("number", "name"), [(1, "r000001"), (124, "r000124"), (1_000_000, "r1000000")]
)
def test_a_release_is_named_by_its_number(number: int, name: str) -> None:
    assert a_release(number).name == name
    assert a_release(number).group("web", "production") == f"web-production-{name}"


def test_the_module_input_has_the_attributes_of_the_contract() -> None:
    assert a_release(1).as_module_input().keys() == RELEASE.keys()


def test_the_longest_names_fit_the_limits_of_aws() -> None:
    assert len(a_release(999_999).group("a" * 32, "b" * 32)) <= 128


@pytest.mark.parametrize(
    ("group", "release"),
    [
        (group_name("web", "production", "r000124"), "r000124"),
        (group_name("web", "production", "r1000000"), "r1000000"),
        (group_name("web", "staging", "r000124"), ""),
        (group_name("web", "production", "r124"), ""),
        (group_name("web", "production", "r000124-copy"), ""),
        ("r000124", ""),
    ],
)
def test_a_release_is_read_from_the_name_of_its_group(group: str, release: str) -> None:
    assert release_of(group, "web", "production") == release
