"""What `rollback` does about an interrupted deployment."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from pipeline.app import baked_images, promote, rollback
from pipeline.app.environment import session
from pipeline.cli.rollback import undid_another
from pipeline.core.deploy.plan import PlanPreview, PromoteRequest, RollbackRequest
from pipeline.core.errors import RefusedError
from pipeline.core.image import Image
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result
from pipeline.core.state.environment import RetiredRelease
from pipeline.core.state.rollback import ImageStates
from tests.app.session_fakes import FakeEnvironment
from tests.core.deploy.fakes import BY_HAND, FakeCloud, cloud, kept

REQUEST = RollbackRequest(environment="staging")


def finished(
    monkeypatch: pytest.MonkeyPatch, environment: FakeEnvironment, result: Result
) -> Deployment:
    """Return how the interrupted deployment ends."""
    done = replace(environment.dead, outcome=Outcome(result=result))
    monkeypatch.setattr(session, "finish_interrupted", lambda *_: done)
    return done


def never(preview: PlanPreview) -> bool:
    raise AssertionError(preview)


@pytest.mark.parametrize("kind", [Kind.PROMOTE, Kind.REBUILD])
def test_undoing_an_interrupted_promotion_is_the_whole_rollback(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = FakeEnvironment(monkeypatch, kind)
    done = finished(monkeypatch, environment, Result.ROLLED_BACK)
    assert rollback.roll_back(environment.app, REQUEST, never) is done
    assert undid_another(done)


@pytest.mark.parametrize(
    ("kind", "result"), [(Kind.ABORT, Result.ROLLED_BACK), (Kind.PROMOTE, Result.PROMOTED)]
)
def test_a_rollback_continues_after_anything_but_an_undone_promotion(
    kind: Kind, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = FakeEnvironment(monkeypatch, kind)
    finished(monkeypatch, environment, result)
    with pytest.raises(RefusedError, match="no release to roll back to"):
        rollback.roll_back(environment.app, REQUEST, never)


# --- only what is possible ------------------------------------------------------------------------


def settled(
    monkeypatch: pytest.MonkeyPatch, fake: FakeCloud, *past: RetiredRelease
) -> FakeEnvironment:
    """Return an environment without a deployment in flight."""
    environment = FakeEnvironment(monkeypatch)
    fake.document = replace(fake.document, retired=past)
    environment.fake = environment.pace = fake
    return environment


def past(number: int) -> RetiredRelease:
    return RetiredRelease(release=f"r{number:06}", ami_id=f"ami-{number:08}")


def chosen(
    monkeypatch: pytest.MonkeyPatch, environment: FakeEnvironment, request: RollbackRequest
) -> str:
    """Return the image of which a cold rollback launches a new release."""
    images: list[str] = []

    def promotion(*, image: Image, **_: object) -> SimpleNamespace:
        images.append(image.id)
        return SimpleNamespace(run=lambda _: None)

    monkeypatch.setattr(promote, "Promotion", promotion)
    monkeypatch.setattr(baked_images, "known_images", lambda *_: ())
    rollback.roll_back(environment.app, request, never)
    return images[0]


@pytest.mark.parametrize(
    ("number", "quick"),
    [
        (0, "r000000 is one of the last 3 releases that served: without soak and observe"),
        (6, ""),
    ],
)
def test_a_rollback_to_a_release_that_served_lately_does_not_soak(
    number: int, quick: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases = [replace(past(each), inputs={}) for each in (0, 9, 8, 6)]
    environment = settled(monkeypatch, cloud(), *releases)
    given: list[str] = []

    def promotion(*, quick: str, **_: object) -> SimpleNamespace:
        given.append(quick)
        return SimpleNamespace(run=lambda _: None)

    monkeypatch.setattr(promote, "Promotion", promotion)
    monkeypatch.setattr(baked_images, "known_images", lambda *_: ())
    request = replace(REQUEST, to=f"r{number:06}")
    rollback.roll_back(environment.app, request, never)
    assert given == [quick]


@pytest.mark.parametrize(
    ("gone", "image"), [((), "ami-00000000"), (("ami-00000000",), "ami-00000009")]
)
def test_a_rollback_launches_the_newest_image_that_exists(
    gone: tuple[str, ...], image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = settled(monkeypatch, cloud(), past(0), past(9))
    environment.images = ImageStates(gone=frozenset(gone))
    assert chosen(monkeypatch, environment, REQUEST) == image


def test_why_a_person_rolls_back_is_recorded_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = replace(REQUEST, why="hunter22 leaked")
    warm = settled(monkeypatch, cloud(warm=[0]), past(0))
    preview = rollback.roll_back(warm.app, request, lambda _: False)
    assert isinstance(preview, PlanPreview)
    assert preview.deployment.why == "*** leaked"
    cold, given = settled(monkeypatch, cloud(), past(0)), list[PromoteRequest]()

    def promotion(*, request: PromoteRequest, **_: object) -> SimpleNamespace:
        given.append(request)
        return SimpleNamespace(run=lambda _: None)

    monkeypatch.setattr(promote, "Promotion", promotion)
    monkeypatch.setattr(baked_images, "known_images", lambda *_: ())
    rollback.roll_back(cold.app, request, never)
    assert given[0].why == "hunter22 leaked"


def test_without_the_warm_group_the_next_older_release_is_possible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = cloud(warm=[0])
    environment = settled(monkeypatch, fake, past(0), past(9))
    del fake.groups["web-staging-r000000"]
    environment.images = ImageStates(gone=frozenset({"ami-00000000"}))
    assert chosen(monkeypatch, environment, REQUEST) == "ami-00000009"
    assert environment.messages == ["the group of r000000 was deleted"]


def test_a_serving_group_that_a_person_detached_is_attached_again_not_rolled_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = cloud(warm=[0])
    fake.groups["web-staging-r000001"].attached.clear()
    environment = settled(monkeypatch, fake, past(0))
    with pytest.raises(RefusedError, match="is attached to no load balancer") as refused:
        rollback.roll_back(environment.app, REQUEST, never)
    assert refused.value.remedy.startswith("aws autoscaling attach-traffic-sources")
    anyway = "to roll back anyway: ami-pipeline rollback -e staging --to r000000"
    assert anyway in refused.value.what
    shown: list[PlanPreview] = []
    request = replace(REQUEST, to="r000000")

    def decline(preview: PlanPreview) -> bool:
        shown.append(preview)
        return False

    assert rollback.roll_back(environment.app, request, decline) == shown[0]


@pytest.mark.parametrize("desired", [0, 2])
def test_an_adopted_group_without_instances_is_not_resized_but_replaced(
    desired: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = cloud(by_hand=[1])
    fake.document = replace(fake.document.with_release(kept(2)), serving="r000002", next=3)
    fake.add(2, attached=True)
    fake.groups[BY_HAND].attached.clear()
    fake.groups[BY_HAND].desired = desired
    fake.remember()
    environment = settled(monkeypatch, fake, past(1))
    if desired:
        preview = rollback.roll_back(environment.app, REQUEST, lambda _: False)
        assert isinstance(preview, PlanPreview)
        assert preview.deployment.green == "r000001"
        return
    assert chosen(monkeypatch, environment, REQUEST) == "ami-00000001"
    assert environment.messages == [
        "the adopted group by-hand has no instances, and ami-pipeline does not resize it"
    ]
    assert fake.resized == []
