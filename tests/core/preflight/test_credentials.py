"""Credentials must outlast what a run may take."""

from __future__ import annotations

import pytest

from pipeline.core.hooks.hook import Hook, Point
from pipeline.core.preflight.credentials import TERRAFORM, credential_findings, least_lifetime
from pipeline.core.preflight.facts import CredentialFacts
from pipeline.core.state.deployment import Delays, Policy


def test_credentials_must_outlast_a_deployment_that_fails_at_its_end() -> None:
    """Launch, attach and drain, then reattach and detach, each to its limit."""
    assert least_lifetime(Policy()) == 5 * 900 + TERRAFORM
    policy = Policy(soak=30, observe=60, deadline=900, deadlines={"launch": 1800, "soak": 930})
    assert least_lifetime(policy) == 30 + 60 + 1800 + 4 * 900 + TERRAFORM


def test_credentials_must_outlast_the_hooks() -> None:
    hooks = (
        Hook(at=Point.BEFORE_TRAFFIC, command=("a",), timeout=60),
        Hook(at=Point.BEFORE_TRAFFIC, command=("b",), timeout=90),
    )
    assert least_lifetime(Policy(hooks=hooks)) == 5 * 900 + 150 + TERRAFORM


def test_credentials_must_outlast_long_draining_and_slow_start() -> None:
    policy = Policy(soak=30, observe=60, delays=Delays(drain=3600, slow_start=300))
    assert least_lifetime(policy) == 300 + 60 + 3 * 900 + 2 * 3720 + TERRAFORM


def found(held: CredentialFacts | None) -> list[tuple[str, bool]]:
    return [(each.what, each.blocking) for each in credential_findings(held, 3000, "a bake")]


@pytest.mark.parametrize(
    "held",
    [
        None,
        CredentialFacts(temporary=False, renew=False),
        CredentialFacts(temporary=True, renew=True),
        CredentialFacts(temporary=True, renew=True, seconds=3001),
        CredentialFacts(temporary=True, renew=False, seconds=3001),
    ],
)
def test_credentials_that_last_are_no_finding(held: CredentialFacts | None) -> None:
    assert found(held) == []


def test_credentials_that_end_first_are_refused() -> None:
    held = CredentialFacts(temporary=True, renew=False, seconds=2000)
    assert found(held) == [("expire in 33m 20s; a bake may take 50m", True)]


def test_renewed_credentials_whose_copy_ends_first_are_a_notice() -> None:
    held = CredentialFacts(temporary=True, renew=True, seconds=2000)
    assert found(held) == [("expire in 33m 20s; a bake may take 50m", False)]


def test_credentials_of_unknown_life_are_a_notice() -> None:
    held = CredentialFacts(temporary=True, renew=False)
    text = "are temporary with an unknown expiry; a bake may take 50m"
    assert found(held) == [(text, False)]
