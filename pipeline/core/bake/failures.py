"""Words a bake that did not end well: what failed, Packer's last lines, what became of the rest."""

from __future__ import annotations

from pipeline.core.bake.cleanup import CleanupReport
from pipeline.core.bake.model import BuildReport, Ending
from pipeline.core.bake.remedies import remedy_for
from pipeline.core.errors import (
    FailedError,
    InterruptedRunError,
    NeedsAttentionError,
    PipelineError,
    RefusedError,
)


def told(built: BuildReport, complaints: tuple[str, ...], swept: CleanupReport) -> PipelineError:
    """Return the error of a bake after which everything was put back."""
    failing = next((build for build in built.failures if build), "")
    where = f"packer build {failing}".rstrip()
    said = [f"| {line}" for text in built.last_lines for line in text.split("\n")]
    facts = [*complaints, *said[-10:], *_fate(swept), f"full log: {built.log}"]
    if built.ending is Ending.INTERRUPTED:
        text = "\n".join(["interrupted by a signal", *_fate(swept), f"full log: {built.log}"])
        return InterruptedRunError(where, text, "bake again when you like")
    if built.ending is Ending.TIMEOUT:
        remedy = "raise [bake] timeout in pipeline.toml, or find in the log what took so long"
        return FailedError(where, "\n".join(facts), remedy)
    words = "\n".join([*complaints, *built.failures.values(), *built.last_lines])
    return FailedError(where, "\n".join(facts), remedy_for(words, built.log))


def stranded(name: str, swept: CleanupReport) -> NeedsAttentionError:
    """Return the error of a bake that left something which could not be removed."""
    facts = [*swept.trouble, *_fate(swept)]
    return NeedsAttentionError(
        f"cleaning up after {name}",
        "\n".join(facts),
        "run ami-pipeline bake again once AWS answers: it cleans up first; "
        f"or look for instances tagged ami-pipeline:bake={name}",
    )


def unjudged(name: str, built: BuildReport, refusal: RefusedError) -> NeedsAttentionError:
    """Return the error of a bake whose image could not be verified, tagged or recorded."""
    made = [f"{ami} in {region}" for ids in built.images.values() for region, ami in ids.items()]
    facts = [
        f"{refusal.where}: {refusal.what}",
        f"packer ended and made: {', '.join(made) or 'nothing it named'}",
        f"full log: {built.log}",
    ]
    return NeedsAttentionError(
        f"judging {name}",
        "\n".join(facts),
        f"{refusal.remedy}; then bake again: it takes over or removes what is there",
    )


def _fate(swept: CleanupReport) -> list[str]:
    removed = [f"removed: {', '.join(swept.removed)}"] if swept.removed else []
    kept = [
        f"{image.id} in {region} was finished and is kept; the next bake takes it over"
        for region, image in swept.kept.items()
    ]
    return [*removed, *kept]
