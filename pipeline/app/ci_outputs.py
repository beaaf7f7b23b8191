"""Write the outputs of a deployment for the later steps of a CI job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.adapters.ci.outputs import require_writable, write_deployment_ci
from pipeline.core.deploy.plan import Unchanged
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.report import outputs, unchanged_outputs


def require_dotenv(dotenv: Path | None) -> None:
    """Raise RefusedError if the dotenv file cannot be written; called before anything is done."""
    if dotenv:
        require_writable("--dotenv", dotenv.absolute())


def write_outputs(
    done: Deployment | Unchanged,
    summary: str,
    environ: Mapping[str, str],
    dotenv: Path | None,
) -> tuple[str, ...]:
    """Write outputs, summary (Markdown) and dotenv file; return a line for each failed write."""
    pairs = (
        unchanged_outputs(done.release, done.image)
        if isinstance(done, Unchanged)
        else outputs(done)
    )
    return write_deployment_ci(pairs, summary, environ, dotenv)
