"""Recognize a job of a CI system, whose machine and folder are gone after it.

The interface and the commands ask the same question, so the answer is in one place.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.core.errors import ConfigurationError

VARIABLES = (
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "BUILDKITE",
    "CIRCLECI",
    "TF_BUILD",
    "BITBUCKET_BUILD_NUMBER",
    "CODEBUILD_BUILD_ID",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "CI",
)
"""What CI systems set in a job, by their documentation: GitHub Actions, GitLab, Buildkite,
CircleCI, Azure Pipelines, Bitbucket, CodeBuild, Jenkins, TeamCity; `CI` by most of them."""
_ACTORS = {
    "GITHUB_ACTIONS": ("GitHub Actions", ("GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR")),
    "GITLAB_CI": ("GitLab", ("GITLAB_USER_LOGIN",)),
    "BUILDKITE": ("Buildkite", ("BUILDKITE_UNBLOCKER", "BUILDKITE_BUILD_CREATOR")),
    "CIRCLECI": ("CircleCI", ("CIRCLE_USERNAME",)),
}
"""What names the person of a job. GitHub's triggering actor is who ran a job again, and
Buildkite's unblocker who released its block step; the other one began the run."""
_NO = frozenset({"", "0", "false", "no"})


def ci_variable(environ: Mapping[str, str]) -> str:
    """Return the variable that says that this is a CI job; empty if there is none."""
    return next((name for name in VARIABLES if environ.get(name, "").lower() not in _NO), "")


def ci_actor(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the CI system and its user who started this job; two empty texts if unknown."""
    system, names = _ACTORS.get(ci_variable(environ), ("", ()))
    name = next((environ[each] for each in names if environ.get(each)), "")
    return (system, name) if name else ("", "")


def is_local_endpoint(environ: Mapping[str, str]) -> bool:
    """Return True if AWS is an endpoint on this machine: the local cloud, or a program like it."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - takes a tenth of the time of --help

    host = urlsplit(environ.get("AWS_ENDPOINT_URL", "")).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def require_lasting_state(
    environ: Mapping[str, str], *, url_is_set: bool, has_backend: bool
) -> None:
    """Raise ConfigurationError in a CI job whose store would be gone with its machine.

    A url that is set may name a folder that lasts. The local cloud is gone with the machine, too.
    """
    variable = ci_variable(environ)
    if url_is_set or not variable or is_local_endpoint(environ):
        return
    backend = "" if has_backend else ', and [terraform.backend] with bucket = "BUCKET"'
    raise ConfigurationError(
        "[state] url",
        f"is not set, and this is a CI job ({variable} is set): what this job records is deleted "
        "with its machine, and the next job cannot know what serves",
        f'add [state] with url = "s3://BUCKET/PREFIX"{backend} to pipeline.toml; '
        "if the machine has a folder that lasts, set url to it",
    )
