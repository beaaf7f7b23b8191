from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.bake.model import Ending
from pipeline.core.bake.verification import build_problems, image_problems, is_finished
from tests.fakes import AWAY, HOME, a_report, a_request, a_seen

A = {"a": {HOME: "ami-1"}}

BUILDS: list[Any] = [
    ({}, {}, []),
    ({"ending": Ending.TIMEOUT, "code": 1}, {"timeout": 90.0},
     ["packer was stopped at its timeout of 1m 30s"]),
    ({"code": -9}, {}, ["packer was killed by signal 9"]),
    ({"code": -1, "failures": {"": "the log could not be written: full"}}, {},
     ["packer: the log could not be written: full"]),
    ({"code": 1}, {}, ["packer exited with code 1"]),
    ({"code": 1, "failures": {"a": "x", "b": "y"}}, {},
     ["packer exited with code 1", "a: x", "b: y"]),
    ({"code": 0, "failures": {"a": "x"}}, {}, ["a: x"]),
    ({"expected": (), "images": {}}, {},
     ["packer exited with code 0, but no build of the template ran"]),
    ({"expected": ("b", "a"), "images": {}}, {},
     ["build a ended without an image", "build b ended without an image"]),
    ({"expected": ("a", "b"), "images": A}, {}, ["build b ended without an image"]),
    ({"expected": ("a",), "images": A}, {"regions": (AWAY, "eu-west-1")},
     ["no image was created in eu-west-1", "no image was created in us-east-1"]),
    ({"expected": ("a", "b"), "images": {"a": {HOME: "ami-1"}, "b": {AWAY: "ami-2"}}},
     {"regions": (AWAY,)}, []),
    ({"manifest": {HOME: "ami-1"}}, {}, []),
    ({"manifest": {}}, {},
     ["the manifest lists {}, the artifacts list {'eu-central-1': 'ami-1'}"]),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "options", "problems"), BUILDS)
def test_each_problem_of_a_build_is_reported(
    changes: dict[str, Any], options: dict[str, Any], problems: list[str]
) -> None:
    assert list(build_problems(a_request(**options), a_report(**changes))) == problems


IMAGES: list[Any] = [
    (a_seen(), []),
    (a_seen(name="any"), []),
    (None, ["AWS lists no image ami-1 of this account in eu-central-1"]),
    (a_seen(state="pending"), ["ami-1 in eu-central-1 is pending"]),
    (a_seen(state="failed", reason="Client.InternalError"),
     ["ami-1 in eu-central-1 is failed: Client.InternalError"]),
    (a_seen(public=True), ["ami-1 in eu-central-1 is public: any AWS account can launch it"]),
    (a_seen(state="failed", public=True),
     ["ami-1 in eu-central-1 is failed",
      "ami-1 in eu-central-1 is public: any AWS account can launch it"]),
]  # fmt: skip


@pytest.mark.parametrize(("observed", "problems"), IMAGES)
def test_each_problem_of_an_image_is_reported(observed: Any, problems: list[str]) -> None:
    assert list(image_problems({HOME: "ami-1"}, {HOME: observed})) == problems


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        ({}, False),
        ({HOME: a_seen()}, True),
        ({HOME: a_seen(), AWAY: a_seen("ami-2", region=AWAY)}, True),
        ({HOME: a_seen(), AWAY: None}, False),
        ({HOME: a_seen(state="pending")}, False),
        ({HOME: a_seen(public=True)}, False),
    ],
)
def test_an_image_is_finished_if_it_is_available_in_every_region(
    observed: dict[str, Any], expected: bool
) -> None:
    assert is_finished(observed) is expected


def test_an_image_that_is_not_encrypted_as_requested_is_a_problem() -> None:
    ids, plain = {HOME: "ami-1"}, {HOME: a_seen()}
    assert list(image_problems(ids, plain, encrypted=True)) == [
        "ami-1 in eu-central-1 is not encrypted, and the template has encrypt_boot = true"
    ]
    assert not list(image_problems(ids, {HOME: a_seen(encrypted=True)}, encrypted=True))
