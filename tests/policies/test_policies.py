"""A sample of `make policies`: policies without one action, each named before anything changes."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from pipeline.core.permissions.scope import Role
from tests.policies.cases import Case, Expected, cases_of
from tests.policies.proof import run_case
from tests.policies.world import World, build_world

SEED = 20261128
CASES = 3


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with build_world(tmp_path_factory.mktemp("policies")) as built:
        yield built


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_removed_action_is_refused_and_named_before_anything_changes(world: World) -> None:
    policies = {role: world.policy(str(role)) for role in (Role.DEPLOY, Role.READ)}
    every = [
        each
        for role, policy in policies.items()
        for each in cases_of(role, policy)
        if is_provable_without_a_release(each)
    ]
    assert len(every) > 40
    picked = random.Random(SEED).sample(every, CASES)  # noqa: S311  a sample, no secret
    results = [run_case(world, each, policies[each.role]) for each in picked]
    assert [each.line for each in results if each.problems] == []


def is_provable_without_a_release(case: Case) -> bool:
    return case.expected is Expected.REFUSED and case.sid != "OurLaunchTemplates"
