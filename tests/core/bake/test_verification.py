from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.bake.model import Ending
from pipeline.core.bake.verification import complaints_of_build, complaints_of_images, finished
from tests.fakes import AWAY, HOME, NAME, a_report, a_request, a_seen

A = {"a": {HOME: "ami-1"}}

BUILDS: list[Any] = [
    ({}, {}, []),
    ({"ending": Ending.TIMEOUT, "code": 1}, {"timeout": 90.0}, ["packer had not ended after 90 s"]),
    ({"code": -9}, {}, ["packer was ended by signal 9"]),
    ({"code": -1, "failures": {"": "the log could not be written: full"}}, {},
     ["packer: the log could not be written: full"]),
    ({"code": 1}, {}, ["packer ended with exit code 1"]),
    ({"code": 1, "failures": {"a": "x", "b": "y"}}, {},
     ["packer ended with exit code 1", "a: x", "b: y"]),
    ({"code": 0, "failures": {"a": "x"}}, {}, ["a: x"]),
    ({"expected": (), "images": {}}, {}, ["packer ended with 0 but no build of the template ran"]),
    ({"expected": ("b", "a"), "images": {}}, {},
     ["build a ended without an image", "build b ended without an image"]),
    ({"expected": ("a", "b"), "images": A}, {}, ["build b ended without an image"]),
    ({"expected": ("a",), "images": A}, {"regions": (AWAY, "eu-west-1")},
     ["no image was made in eu-west-1", "no image was made in us-east-1"]),
    ({"expected": ("a", "b"), "images": {"a": {HOME: "ami-1"}, "b": {AWAY: "ami-2"}}},
     {"regions": (AWAY,)}, []),
    ({"expected": ("a", "b"), "images": {"a": {HOME: "ami-1"}, "b": {HOME: "ami-2"}}}, {},
     ["two builds made an image in eu-central-1: ami-1 (a) and ami-2"]),
    ({"manifest": {HOME: "ami-1"}}, {}, []),
    ({"manifest": {}}, {},
     ["the manifest says {}, the artifacts say {'eu-central-1': 'ami-1'}"]),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "asked", "complaints"), BUILDS)
def test_what_is_wrong_with_a_build(
    changes: dict[str, Any], asked: dict[str, Any], complaints: list[str]
) -> None:
    assert list(complaints_of_build(a_request(**asked), a_report(**changes))) == complaints


IMAGES: list[Any] = [
    (a_seen(), NAME, []),
    (a_seen(name="any"), "", []),
    (None, NAME, ["AWS lists no image ami-1 of this account in eu-central-1"]),
    (a_seen(state="pending"), NAME, ["ami-1 in eu-central-1 is pending"]),
    (a_seen(state="failed", reason="Client.InternalError"), NAME,
     ["ami-1 in eu-central-1 is failed: Client.InternalError"]),
    (a_seen(public=True), NAME, ["ami-1 in eu-central-1 is public: everyone may launch it"]),
    (a_seen(name="other"), NAME, [f"ami-1 in eu-central-1 is named other, not {NAME}"]),
    (a_seen(state="failed", public=True, name="other"), NAME,
     ["ami-1 in eu-central-1 is failed",
      "ami-1 in eu-central-1 is public: everyone may launch it",
      f"ami-1 in eu-central-1 is named other, not {NAME}"]),
]  # fmt: skip


@pytest.mark.parametrize(("seen", "name", "complaints"), IMAGES)
def test_what_is_wrong_with_an_image(seen: Any, name: str, complaints: list[str]) -> None:
    assert list(complaints_of_images({HOME: "ami-1"}, {HOME: seen}, name)) == complaints


@pytest.mark.parametrize(
    ("seen", "is_finished"),
    [
        ({}, False),
        ({HOME: a_seen()}, True),
        ({HOME: a_seen(), AWAY: a_seen("ami-2", region=AWAY)}, True),
        ({HOME: a_seen(), AWAY: None}, False),
        ({HOME: a_seen(state="pending")}, False),
        ({HOME: a_seen(public=True)}, False),
    ],
)
def test_an_image_is_finished_when_it_is_whole_in_every_region(
    seen: dict[str, Any], is_finished: bool
) -> None:
    assert finished(seen) is is_finished
