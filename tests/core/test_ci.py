"""Which environment variables make a CI job, and when its store is refused."""

from __future__ import annotations

import pytest

from pipeline.core.ci import VARIABLES, ci_actor, ci_variable, require_lasting_state
from pipeline.core.errors import ConfigurationError

GITHUB = {"CI": "true", "GITHUB_ACTIONS": "true"}


@pytest.mark.parametrize("name", VARIABLES)
def test_each_variable_of_a_ci_system_makes_a_job(name: str) -> None:
    assert ci_variable({name: "https://ci.example.com/"}) == name


@pytest.mark.parametrize("value", ["", "false", "False", "0", "no"])
def test_a_variable_that_says_no_makes_no_job(value: str) -> None:
    assert ci_variable({"CI": value}) == ""


def test_the_system_is_named_before_the_general_variable() -> None:
    assert ci_variable(GITHUB) == "GITHUB_ACTIONS"


ACTORS = [
    ({**GITHUB, "GITHUB_ACTOR": "ann"}, ("GitHub Actions", "ann")),
    (
        {**GITHUB, "GITHUB_ACTOR": "ann", "GITHUB_TRIGGERING_ACTOR": "bob"},
        ("GitHub Actions", "bob"),
    ),
    ({"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "ann"}, ("GitLab", "ann")),
    (
        {"BUILDKITE": "true", "BUILDKITE_BUILD_CREATOR": "a", "BUILDKITE_UNBLOCKER": "b"},
        ("Buildkite", "b"),
    ),
    ({"CIRCLECI": "true", "CIRCLE_USERNAME": "ann"}, ("CircleCI", "ann")),
    ({"GITHUB_ACTOR": "ann"}, ("", "")),
    ({"GITLAB_CI": "true", "GITHUB_ACTOR": "ann"}, ("", "")),
    ({"JENKINS_URL": "https://ci"}, ("", "")),
]


def test_the_person_of_a_job_is_whom_its_system_names() -> None:
    assert [ci_actor(environ) for environ, _ in ACTORS] == [actor for _, actor in ACTORS]


@pytest.mark.parametrize(
    ("has_backend", "settings"),
    [
        (
            False,
            (
                'add [state] with url = "s3://BUCKET/PREFIX", and [terraform.backend] with '
                'bucket = "BUCKET" to pipeline.toml'
            ),
        ),
        (True, 'add [state] with url = "s3://BUCKET/PREFIX" to pipeline.toml'),
    ],
)
def test_a_store_that_is_gone_with_the_runner_is_refused(has_backend: bool, settings: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        require_lasting_state(GITHUB, url_is_set=False, has_backend=has_backend)
    assert str(told.value) == (
        "[state] url:\n"
        "  is not set, and this is a CI job (GITHUB_ACTIONS is set): what this job records is "
        "deleted with its machine, and the next job cannot know what serves\n"
        f"next: {settings}; if the machine has a folder that lasts, set url to it"
    )


@pytest.mark.parametrize(
    ("environ", "url_is_set"),
    [
        ({}, False),
        (GITHUB, True),
        (GITHUB | {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, False),
        (GITHUB | {"AWS_ENDPOINT_URL": "http://localhost:4566"}, False),
        (GITHUB | {"AWS_ENDPOINT_URL": "http://[::1]:4566"}, False),
    ],
    ids=["no job", "a url is set", "the local cloud", "by name", "by IPv6"],
)
def test_a_store_that_may_last_is_accepted(environ: dict[str, str], url_is_set: bool) -> None:
    require_lasting_state(environ, url_is_set=url_is_set, has_backend=False)


def test_an_endpoint_of_a_vpc_is_aws() -> None:
    vpc = {"AWS_ENDPOINT_URL": "https://vpce-1.ec2.eu-central-1.vpce.amazonaws.com"}
    with pytest.raises(ConfigurationError):
        require_lasting_state(GITHUB | vpc, url_is_set=False, has_backend=False)
