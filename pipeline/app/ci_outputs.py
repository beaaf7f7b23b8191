"""What a deploying command leaves for a CI system's later steps, whatever it came to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.adapters.ci.outputs import require_writable, write_deployment_ci
from pipeline.app.plan_preview import Unchanged
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.report import outputs, unchanged_outputs


def require_dotenv(dotenv: Path | None) -> None:
    """Raise RefusedError where the file could not be written: before anything is done."""
    if dotenv:
        require_writable("--dotenv", dotenv.absolute())


def hand_over(
    done: Deployment | Unchanged,
    summary: str,
    environ: Mapping[str, str],
    dotenv: Path | None,
) -> tuple[str, ...]:
    """Write outputs, summary (Markdown) and dotenv file; return a line for each that failed."""
    pairs = (
        unchanged_outputs(done.release, done.image)
        if isinstance(done, Unchanged)
        else outputs(done)
    )
    return write_deployment_ci(pairs, summary, environ, dotenv)
