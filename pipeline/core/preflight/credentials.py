"""Check that the AWS credentials outlast what a run may take; pure, like `checks`."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.core.preflight.facts import CredentialFacts
from pipeline.core.preflight.finding import Finding
from pipeline.core.state.deployment import Policy
from pipeline.core.times import format_duration

WAITS = ("launch", "attach", "drain", "reattach", "detach")
"""The phases of a deployment that fails in *observe*, without the pauses and the hooks.

What is deleted afterwards has no traffic, and `recover` deletes it later.
"""
TERRAFORM = 600.0
"""Seconds for Terraform in such a deployment: plans, a launch and a deletion."""
RENEW = (
    "renew them with a longer duration (role-duration-seconds of "
    "aws-actions/configure-aws-credentials, aws sso login), then run the command again"
)


def least_lifetime(policy: Policy) -> float:
    """Return for how many seconds the credentials must last.

    That is the longest way to the end of a rollback: every phase reaches its time limit, every
    hook its own. A long deregistration delay raises the limit of the phases that drain.
    """
    pauses = policy.pause("soak") + policy.pause("observe")
    pauses += sum(each.seconds for each in policy.steps)
    hooks = sum(hook.timeout for hook in policy.hooks)
    return pauses + hooks + sum(policy.limit(phase) for phase in WAITS) + TERRAFORM


def credential_findings(
    held: CredentialFacts | None, seconds: float, what: str
) -> Iterator[Finding]:
    """Yield what is wrong with credentials for `what`, which may take so many seconds.

    Credentials that botocore renews are enough for this program. If a tool gets keys of them that
    end sooner, this is a notice: the program can still remove what the tool left.
    """
    if held is None or not held.temporary:
        return
    needed = f"{what} may take {format_duration(seconds)}"
    if held.seconds is None:
        if not held.renew:
            yield Finding(
                where="credentials",
                what=f"are temporary with an unknown expiry; {needed}",
                remedy=(
                    "export AWS_CREDENTIAL_EXPIRATION with them, or check that they last that long"
                ),
                blocking=False,
            )
    elif held.seconds < seconds:
        yield Finding(
            where="credentials",
            what=f"expire in {format_duration(round(held.seconds))}; {needed}",
            remedy=RENEW,
            blocking=not held.renew,
        )
