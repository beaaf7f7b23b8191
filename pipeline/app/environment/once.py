"""Find the hooks with `once` whose end is unknown."""

from __future__ import annotations

from pipeline.adapters.store.records.once_runs import OnceRuns
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.deploy.hook_runner import unknown_end
from pipeline.core.hooks.hook import OnceRun


def unknown_ends(reader: EnvironmentReader, image: str) -> list[OnceRun]:
    """Return the configured hooks that began for an image and whose end is unknown."""
    configured = {(hook.at, hook.command) for hook in reader.policy.hooks if hook.once}
    if not configured:
        return []
    runs = OnceRuns(reader.store, reader.environment).all()
    return [
        each
        for each in runs
        if each.is_unknown and each.image == image and (each.at, each.command) in configured
    ]


def require_known_ends(reader: EnvironmentReader, image: str) -> None:
    """Raise RefusedError before anything is changed if such a hook must not run again."""
    for each in unknown_ends(reader, image):
        raise unknown_end(each, reader.environment)
