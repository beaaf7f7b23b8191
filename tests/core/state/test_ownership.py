"""Whose a group is: by its tags and the store, never by its name."""

from __future__ import annotations

import pytest

from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.core.state.ownership import (
    other_owner,
    owner_in,
    release_owning,
    require_managed,
)
from pipeline.core.state.release import Release, Size, group_name

NAME = "web-shop-eu-r000001"
SIZE = Size(instance_type="t3.micro", minimum=1, maximum=2, desired=1)
RECORD = ReleaseRecord(
    release=Release(number=1, ami_id="ami-1", size=SIZE, facts={"deployment": "one"})
)


def document(app: str = "web", environment: str = "shop-eu", *, knows: bool = True) -> Environment:
    releases = {"r000001": RECORD} if knows else {}
    return Environment(
        app=app, environment=environment, account="1", region="us-east-1", releases=releases
    )


def tags(app: str = "web", environment: str = "shop-eu", **more: str) -> dict[str, str]:
    given = {"app": app, "environment": environment, "release": "r000001", **more}
    return {f"ami-pipeline:{key}": value for key, value in given.items() if value}


def group(**of: str) -> ObservedGroup:
    return ObservedGroup(
        name=NAME, minimum=0, maximum=2, desired=1, template="", version="", tags=tags(**of)
    )


def test_two_services_whose_names_run_together_have_the_same_group_names() -> None:
    assert group_name("web", "shop-eu", "r000001") == group_name("web-shop", "eu", "r000001")


@pytest.mark.parametrize(
    ("given", "ours", "theirs"),
    [
        (tags(), "r000001", ""),
        (tags("web-shop", "eu"), "", "r000001"),
        (tags("web", "production"), "", ""),
        (tags(release="r000009"), "r000009", ""),
        (tags(release=""), "r000001", ""),
        ({}, "r000001", "r000001"),
        (tags(environment=""), "r000001", "r000001"),
        (tags(app=""), "r000001", "r000001"),
    ],
    ids=[
        "ours",
        "the other service's",
        "another environment's",
        "another release's",
        "without a release",
        "untagged",
        "without an environment",
        "without an app",
    ],
)
def test_the_tags_decide_and_then_the_store(given: dict[str, str], ours: str, theirs: str) -> None:
    assert release_owning(document(), NAME, given) == ours
    assert release_owning(document("web-shop", "eu"), NAME, given) == theirs


def test_a_name_alone_proves_nothing() -> None:
    assert release_owning(document(knows=False), NAME, {}) == ""
    assert release_owning(document(knows=False), NAME, tags()) == "r000001"
    assert release_owning(document(), "another", tags()) == "r000001"
    assert release_owning(document(), "another", {}) == ""


def test_an_owner_has_an_app_and_an_environment() -> None:
    assert owner_in(tags()) == "web/shop-eu"
    assert owner_in(tags(app="")) == owner_in(tags(environment="")) == owner_in({}) == ""
    assert other_owner(document(), tags("web-shop", "eu")) == "web-shop/eu"
    assert other_owner(document(), tags()) == other_owner(document(), {}) == ""


def test_a_group_of_another_service_is_never_changed() -> None:
    with pytest.raises(RefusedError) as told:
        require_managed(document(), "r000001", group(app="web-shop", environment="eu"))
    assert str(told.value) == (
        "server group web-shop-eu-r000001:\n"
        "  belongs to web-shop/eu by its tags, not to web/shop-eu\n"
        "next: give the app or the environment another name in pipeline.toml: resources of "
        "web/shop-eu and of web-shop/eu have the same names"
    )


def test_a_group_of_another_deployment_is_never_changed() -> None:
    with pytest.raises(RefusedError, match="was made by deployment two, but r000001 of this store"):
        require_managed(document(), "r000001", group(deployment="two"))
    require_managed(document(), "r000001", group(deployment="one"))
    require_managed(document(), "r000001", group())
