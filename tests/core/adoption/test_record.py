"""When a running group may be recorded as the serving release, and forgotten again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.adoption.configuration import adoption
from pipeline.core.adoption.record import (
    adopted_release,
    differences,
    require_balancer,
    require_free,
    require_serves,
    require_undoable,
)
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer, ObservedGroup
from pipeline.core.health.traffic_sources import balancer_of
from pipeline.core.state.environment import Environment
from tests.core.adoption.groups import a_group
from tests.core.deploy.fakes import TODAY, kept

FOUND = adoption(a_group())
NAME = FOUND.group
HERE = tuple(
    each
    for key in ("load_balancers", "target_groups")
    for name in FOUND.settings[key]
    if (each := balancer_of(name))
)
EMPTY = Environment(app="web", environment="production", account="", region="eu-central-1")
SEEN = ObservedGroup(
    name=NAME,
    minimum=2,
    maximum=6,
    desired=3,
    template="lt-1",
    version="$Latest",
    attached=frozenset(each.identifier for each in HERE),
)
RECORD = adopted_release(EMPTY, FOUND, SEEN, "ami-1", TODAY)
ADOPTED = EMPTY.with_adopted(RECORD)


def test_the_record_has_the_live_size_and_the_real_name() -> None:
    assert (RECORD.minimum, RECORD.release.size.desired, RECORD.made) == (2, 3, True)
    assert (ADOPTED.serving, ADOPTED.next) == ("r000001", 2)
    assert ADOPTED.group("r000001") == NAME
    assert ADOPTED.group("r000002") == "web-production-r000002"
    assert ADOPTED.release_at(NAME) == "r000001"
    assert ADOPTED.in_terraform(ADOPTED.releases) == []


def test_no_release_gets_the_name_of_an_adopted_group() -> None:
    seen = replace(SEEN, name="web-production-r000041")
    document = EMPTY.with_adopted(adopted_release(EMPTY, FOUND, seen, "", TODAY))
    assert (document.serving, document.next) == ("r000001", 42)
    assert document.release_at("web-production-r000041") == "r000001"


@pytest.mark.parametrize(
    ("seen", "what"),
    [
        (None, "was deleted meanwhile"),
        (replace(SEEN, status="Delete in progress"), "is being deleted: Delete in progress"),
        (
            replace(SEEN, tags={"ami-pipeline:app": "web", "ami-pipeline:environment": "qa"}),
            "was created by ami-pipeline: its tags name web/qa",
        ),
        (replace(SEEN, attached=frozenset()), "is not attached to"),
    ],
)
def test_a_group_that_does_not_serve_or_has_an_owner_is_refused(seen: Any, what: str) -> None:
    with pytest.raises(RefusedError, match=what):
        require_serves(seen, EMPTY, NAME, HERE)


@pytest.mark.parametrize("is_worker", [True, False])
def test_workers_are_refused_because_only_their_owner_may_stop_them(is_worker: bool) -> None:
    require_balancer(FOUND, EMPTY, is_worker=False)
    none = {key: value for key, value in FOUND.settings.items() if not isinstance(value, list)}
    found = FOUND if is_worker else replace(FOUND, settings=none)
    with pytest.raises(RefusedError, match="never stops a group that it did not create"):
        require_balancer(found, EMPTY, is_worker=is_worker)


def test_an_environment_with_another_release_is_refused() -> None:
    require_free(ADOPTED, NAME)
    with pytest.raises(RefusedError, match="r000001 serves production"):
        require_free(ADOPTED, "another")


def test_a_configuration_as_the_group_is_has_no_differences() -> None:
    live = {**FOUND.settings, "desired_capacity": 17, "account": None}
    assert differences(FOUND, live, FOUND.inputs, HERE) == ()
    other = {**live, "min_size": 99}
    inputs = {**FOUND.inputs, "key_name": "mine", "unknown": 1}
    more = (*HERE, Balancer(kind="elb", identifier="old", name="old"))
    changed = differences(FOUND, other, inputs, more)
    assert {each.name for each in changed} >= {"load balancers", "min_size"}


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (EMPTY, "no group is adopted"),
        (
            ADOPTED.with_release(replace(kept(2), failed=True)),
            "r000002 failed and is kept for debugging",
        ),
        (
            replace(ADOPTED.with_release(kept(2)), serving="r000002"),
            "a release was promoted since",
        ),
    ],
)
def test_an_adoption_is_undone_only_before_the_first_promotion(
    document: Environment, what: str
) -> None:
    assert require_undoable(ADOPTED) == "r000001"
    assert ADOPTED.without_adopted("r000001") == replace(EMPTY, next=2)
    with pytest.raises(RefusedError, match=what):
        require_undoable(document)
