"""The members of an environment, and which of them a command is about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.errors import RefusedError
from pipeline.core.inspection.members import EnvironmentMember, choose, members_of
from pipeline.core.state.environment import Environment
from tests.core.health.observations import a_group, members
from tests.core.inspection.environments import STAGING


def ids(found: tuple[EnvironmentMember, ...]) -> list[str]:
    return [each.id for each in found]


@pytest.fixture
def found() -> tuple[EnvironmentMember, ...]:
    groups = {
        name: replace(a_group(*members(*instances)), name=name)
        for name, instances in (
            ("web-staging-r000001", ("i-1", "i-2")),
            ("web-staging-r000002", ("i-3",)),
            ("web-staging-r000009", ("i-9",)),
        )
    }
    return members_of(STAGING, groups)


def test_the_members_of_the_serving_release_come_first(
    found: tuple[EnvironmentMember, ...],
) -> None:
    assert [(each.release, each.id) for each in found] == [
        ("r000002", "i-3"),
        ("r000001", "i-1"),
        ("r000001", "i-2"),
    ]


def test_a_release_or_a_member_is_chosen_by_name(found: tuple[EnvironmentMember, ...]) -> None:
    assert ids(choose(STAGING, found)) == ["i-3", "i-1", "i-2"]
    assert ids(choose(STAGING, found, release="r000001")) == ["i-1", "i-2"]
    assert ids(choose(STAGING, found, member="i-2")) == ["i-2"]
    assert choose(STAGING, (), release="r000002") == ()


@pytest.mark.parametrize(
    ("document", "release", "member", "what"),
    [
        (STAGING, "r000007", "", "r000007 has no group; the releases with a group: r000001, r00"),
        (replace(STAGING, releases={}), "r000007", "", "the releases with a group: none"),
        (STAGING, "r000001", "i-3", "i-3 is no member; the members: i-1 (r000001), i-2 (r000001)"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is_there(
    found: tuple[EnvironmentMember, ...],
    document: Environment,
    release: str,
    member: str,
    what: str,
) -> None:
    with pytest.raises(RefusedError) as told:
        choose(document, found, release=release, member=member)
    assert what in told.value.what
    assert told.value.remedy == "ami-pipeline status -e staging"
