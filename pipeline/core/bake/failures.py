"""Build the error of a bake that failed: what failed, Packer's last lines, what was cleaned up."""

from __future__ import annotations

from pipeline.core import commands
from pipeline.core.bake.cleanup import CleanupReport
from pipeline.core.bake.model import BakeRequest, BuildReport, Ending
from pipeline.core.bake.remedies.of_machine import remedy_for
from pipeline.core.errors import (
    FailedError,
    InterruptedRunError,
    NeedsAttentionError,
    PipelineError,
    RefusedError,
)

NOT_CONNECTED = "Timeout waiting for SSH"
LAST_LINES = 10
"""How many of Packer's last lines an error repeats."""


def build_failure(
    request: BakeRequest, built: BuildReport, problems: tuple[str, ...], cleanup: CleanupReport
) -> PipelineError:
    """Return the error of a bake after which everything was cleaned up."""
    failing = next((build for build in built.failures if build), "")
    where = f"packer build {failing}".rstrip()
    lines = [f"| {line}" for text in built.last_lines for line in text.split("\n")]
    facts = [*problems, *lines[-LAST_LINES:], *_format_cleanup(cleanup), f"full log: {built.log}"]
    if built.ending is Ending.INTERRUPTED:
        text = "\n".join(
            ["interrupted by a signal", *_format_cleanup(cleanup), f"full log: {built.log}"]
        )
        again = commands.bake(request.environment, version=request.version)
        return InterruptedRunError(where, text, again)
    if built.ending is Ending.TIMEOUT:
        remedy = f"find the slow step in {built.log}, or raise [bake] timeout in pipeline.toml"
        return FailedError(where, "\n".join(facts), remedy)
    return FailedError(
        where, "\n".join(facts), remedy_for(_cause(built), built.log, request.template)
    )


def _cause(built: BuildReport) -> str:
    """Return what Packer itself says of the failure: a script may print any text.

    Without such a statement no build has begun, so the last lines are Packer's own; so are those
    before the first connection.
    """
    lines = "\n".join(built.last_lines) if built.code > 0 else ""
    said = "\n".join(built.failures.values())
    return f"{lines}\n{said}" if NOT_CONNECTED in said or not said else said


def cleanup_failure(name: str, cleanup: CleanupReport) -> NeedsAttentionError:
    """Return the error of a bake that left something which could not be removed."""
    facts = [*cleanup.trouble, *_format_cleanup(cleanup)]
    retry = f"retry, which cleans up first: {commands.bake()}"
    by_hand = f"or delete the instances tagged ami-pipeline:bake={name}"
    remedies = [*cleanup.remedies, f"then {retry}" if cleanup.remedies else retry, by_hand]
    return NeedsAttentionError(f"cleaning up after {name}", "\n".join(facts), "; ".join(remedies))


def hidden_image(built: BuildReport) -> str:
    """Return what is said of a result that Packer masked and EC2 does not show."""
    names = ", ".join((*built.resources.names, *built.resources.images)) or "unknown"
    return (
        "Packer exited with 0 and masked its result, and EC2 shows no image of this bake; "
        f"what it named: {names}"
    )


def unverified_image(name: str, built: BuildReport, refusal: RefusedError) -> NeedsAttentionError:
    """Return the error of a bake whose image could not be verified, tagged or recorded."""
    created = [f"{ami} in {region}" for ids in built.images.values() for region, ami in ids.items()]
    facts = [
        f"{refusal.where}: {refusal.what}",
        f"packer ended and created: {', '.join(created) or 'nothing that it reported'}",
        f"full log: {built.log}",
    ]
    return NeedsAttentionError(
        f"verifying {name}",
        "\n".join(facts),
        f"{refusal.remedy}; then retry, which adopts or removes the image: {commands.bake()}",
    )


def _format_cleanup(cleanup: CleanupReport) -> list[str]:
    removed = [f"removed: {', '.join(cleanup.removed)}"] if cleanup.removed else []
    kept = [
        f"kept: {image.id} in {region}, which is complete; the next bake adopts it"
        for region, image in cleanup.kept.items()
    ]
    return [*removed, *kept]
