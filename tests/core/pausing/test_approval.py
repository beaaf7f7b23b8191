"""Who may be the same person: users of a CI system, users and roles of AWS."""

from __future__ import annotations

import pytest

from pipeline.core.pausing.approval import why_not_another
from pipeline.core.pausing.pause import AWS, NO_ACTOR, Actor

STS = "arn:aws:sts::123456789012:assumed-role"
SSO = "AWSReservedSSO"


def github(name: str) -> Actor:
    return Actor(system="GitHub Actions", name=name)


def aws(arn: str) -> Actor:
    return Actor(system=AWS, name=arn)


ANN = aws("arn:aws:iam::123456789012:user/ann")
DIFFERENT = [
    (github("ann"), github("bob")),
    (ANN, aws("arn:aws:iam::123456789012:user/bob")),
    (aws(f"{STS}/deploy/i-1"), aws(f"{STS}/approve/i-1")),
    (aws(f"{STS}/{SSO}_Dev_0123/ann@x.org"), aws(f"{STS}/{SSO}_Dev_0123/bob@x.org")),
    (aws(f"{STS}/{SSO}_Dev_0123/ann@x.org"), ANN),
]
SAME = [
    (github("ann"), github("Ann"), "Ann (GitHub Actions) began the deployment"),
    (ANN, ANN, f"{ANN} began the deployment"),
    (
        aws(f"{STS}/deploy/one"),
        aws(f"{STS}/deploy/two"),
        f"{STS}/deploy/one and {STS}/deploy/two are sessions of one role",
    ),
    (
        aws(f"{STS}/{SSO}_Dev_0123/ann@x.org"),
        aws(f"{STS}/{SSO}_Admin_4567/Ann@x.org"),
        f"{STS}/{SSO}_Admin_4567/Ann@x.org began the deployment",
    ),
    (github("ann"), ANN, f"ann (GitHub Actions) and {ANN} may be the same person"),
    (
        github("ann"),
        Actor(system="GitLab", name="bob"),
        "ann (GitHub Actions) and bob (GitLab) may be the same person",
    ),
    (NO_ACTOR, github("bob"), "it is unknown who began the deployment"),
    (github("ann"), NO_ACTOR, "it is unknown who resumes"),
]


def test_two_users_and_two_roles_are_two_people() -> None:
    assert [why_not_another(*pair) for pair in DIFFERENT] == [""] * len(DIFFERENT)


@pytest.mark.parametrize(("first", "second", "why"), SAME)
def test_what_cannot_be_told_apart_is_named(first: Actor, second: Actor, why: str) -> None:
    assert why_not_another(first, second) == why
