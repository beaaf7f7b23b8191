"""What `rollback drill` tries, what it refuses, and how the next command finishes a killed one."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.app.environment import leased
from pipeline.app.housekeeping import drill as module
from pipeline.app.housekeeping.drill import drill
from pipeline.app.recover import recover
from pipeline.cli.result import exit_code
from pipeline.core.deploy.plan import PlanPreview
from pipeline.core.errors import ConfigurationError, RefusedError
from pipeline.core.health.serving import Condition, Trouble
from pipeline.core.hooks.hook import Hook, Point
from pipeline.core.image import Image
from pipeline.core.state.deployment import Deployment, Kind, Result
from pipeline.core.state.environment import RetiredRelease
from pipeline.ui.deployment_text import format_ending, format_request, next_step
from tests.app.session_fakes import FakeEnvironment, KilledError
from tests.core.deploy.fakes import BLUE, POLICY, a_reconciler, cloud
from tests.core.deploy.recoveries import result_of

WARM = "r000000"
FAILING = replace(POLICY, hooks=(Hook(at=Point.BEFORE_TRAFFIC, command=("false",), timeout=1),))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> FakeEnvironment:
    """Return an environment whose previous release is warm."""
    made = FakeEnvironment(monkeypatch)
    made.fake = made.pace = cloud(warm=[0])
    earlier = [RetiredRelease(release=WARM, ami_id="ami-00000000"), retired(9)]
    made.fake.document = replace(made.fake.document, retired=tuple(earlier))
    serves = Condition(trouble=None, what="2 of 2 healthy")
    monkeypatch.setattr(module, "require_serving", lambda *_: serves)
    return made


def retired(number: int) -> RetiredRelease:
    return RetiredRelease(
        release=f"r{number:06}", ami_id=f"ami-{number:08}", inputs={"instance_type": "t3.micro"}
    )


def run(environment: FakeEnvironment) -> Deployment:
    done = drill(environment.app, "staging", lambda _: True)
    assert isinstance(done, Deployment)
    return done


def test_a_warm_group_is_verified_as_it_is(environment: FakeEnvironment) -> None:
    before = environment.fake.document
    done = run(environment)
    assert exit_code(done, undo_requested=False) == 0
    assert format_request(done) == "drill of a rollback to r000000, which is warm"
    assert format_ending(done) == "rollback proven: r000001 still serves staging (0s)"
    found = environment.fake.document
    assert found.drill
    assert (found.drill.release, found.drill.reason) == (WARM, "")
    assert replace(found, drill=None) == before
    assert (environment.quarantined, environment.fake.changed) == ([], [])


def test_a_failed_drill_says_what_to_repeat_and_status_has_the_reason(
    environment: FakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = environment.fake
    monkeypatch.setattr(leased, "build_reconciler", lambda *_: a_reconciler(fake, FAILING))
    done = run(environment)
    assert exit_code(done, undo_requested=False) == 4
    assert format_ending(done).startswith("rollback not proven: r000001 still serves staging")
    assert next_step(done) == (
        "read deployments/d/before-traffic.txt, then: ami-pipeline rollback drill -e staging"
    )
    assert fake.document.drill
    assert fake.document.drill.reason == "verify: before-traffic hook false: exit code 1"


def test_without_a_warm_group_the_drill_launches_the_image_with_the_inputs_of_its_release(
    environment: FakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []

    def promotion(**options: Any) -> SimpleNamespace:
        given.append(options)
        return SimpleNamespace(run=lambda _: None)

    monkeypatch.setattr(module, "Promotion", promotion)
    monkeypatch.setattr(module, "known_images", lambda *_: ())
    del environment.fake.groups["web-staging-r000000"]
    environment.images = replace(environment.images, gone=frozenset({"ami-00000000"}))
    drill(environment.app, "staging", lambda _: True)
    image = given[0]["image"]
    assert isinstance(image, Image)
    assert (image.id, given[0]["kind"], given[0]["proves"]) == (
        "ami-00000009",
        Kind.DRILL,
        "r000009",
    )
    assert environment.made == [{"instance_type": "t3.micro"}]
    assert environment.messages == ["the group of r000000 was deleted"]


def test_a_plan_changes_nothing(environment: FakeEnvironment) -> None:
    before = environment.fake.document
    assert isinstance(drill(environment.app, "staging", lambda _: False), PlanPreview)
    assert (environment.fake.document, environment.fake.changed) == (before, [])


def test_an_unfinished_deployment_or_nothing_to_roll_back_to_refuses_a_drill(
    environment: FakeEnvironment,
) -> None:
    fake, before = environment.fake, environment.fake.document
    fake.document = replace(before, deployment=environment.dead)
    with pytest.raises(RefusedError, match=f"{Kind.PROMOTE} .* is unfinished") as refused:
        run(environment)
    assert refused.value.remedy == "ami-pipeline recover -e staging"
    fake.document = replace(before.without(WARM), retired=())
    with pytest.raises(RefusedError, match="r000001 is the first release"):
        run(environment)


def test_a_serving_group_that_was_deleted_refuses_a_drill(
    environment: FakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Condition(trouble=Trouble.DELETED, what="its group was deleted")
    monkeypatch.setattr(module, "require_serving", lambda *_: gone)
    with pytest.raises(RefusedError, match="its group was deleted"):
        run(environment)


def test_a_worker_has_no_drill_because_it_works_as_soon_as_it_runs(
    environment: FakeEnvironment,
) -> None:
    environment.is_worker = True
    with pytest.raises(ConfigurationError) as refused:
        run(environment)
    assert "a drill would put the earlier release into service" in refused.value.what
    assert refused.value.remedy.endswith("ami-pipeline rollback -e staging --plan")


@pytest.mark.parametrize("command", ["drill", "recover"])
def test_a_killed_drill_is_finished_by_the_next_one_and_by_recover(
    environment: FakeEnvironment, command: str
) -> None:
    fake = environment.fake

    def kill(_: int, name: str) -> None:
        if name == "record":
            raise KilledError

    fake.fail = kill
    with pytest.raises(KilledError):
        run(environment)
    fake.fail = lambda *_: None
    assert fake.document.deployment
    if command == "recover":
        done = recover(environment.app, "staging")
        assert result_of(done) is Result.ROLLED_BACK
        assert fake.document.drill
        assert fake.document.drill.reason == "interrupted"
    else:
        assert result_of(run(environment)) is Result.PROVEN
    assert fake.document.deployment is None
    assert (fake.serving, fake.existing) == ({BLUE}, {BLUE, WARM})
