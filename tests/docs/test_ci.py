"""Hold the CI files to the code: they parse, their commands exist, their policies suffice."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from pipeline.cli.main import cli, run
from tests.docs.ci_yaml import CI, yaml
from tests.docs.command_tree import commands

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(CI.glob("*.yml"))
GITHUB = [path for path in FILES if "gitlab" not in path.name]
POLICIES = sorted((CI / "iam").glob("*.json"))


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in yaml.safe_load(path.read_text())["jobs"].values():
        yield from job["steps"]


def lines(path: Path) -> Iterator[str]:
    """Every line that a runner's shell is given."""
    if path in GITHUB:
        for step in steps(path):
            yield from step.get("run", "").splitlines()
        return
    for job in yaml.safe_load(path.read_text()).values():
        if isinstance(job, dict):
            yield from [*job.get("before_script", []), *job.get("script", [])]


def set_words(line: str) -> str:
    """Return a line in which every variable is set: `${X:+words}` becomes the words."""
    return re.sub(r"\$\{\w+:\+([^}]*)\}", r"\1", line)


def called() -> list[list[str]]:
    found = (set_words(line.removeprefix("exec ")) for path in FILES for line in lines(path))
    found = (line.partition(" > ")[0] for line in found)
    return [shlex.split(line)[1:] for line in found if line.startswith("ami-pipeline ")]


@pytest.mark.parametrize("arguments", called(), ids=" ".join)
def test_every_command_called_in_ci_exists_with_its_options(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _, command in commands(cli, click.Context(cli)):
        monkeypatch.setattr(command, "callback", lambda *_, **__: None)
    words = {"$AMI_ID": "ami-0123456789abcdef0", "$TO": "r000123"}
    given = [words.get(each, each) for each in arguments]
    assert run(given) == 0


def test_each_file_calls_what_it_is_for() -> None:
    verbs = {
        path.name: {line.split()[1] for line in runs if line.startswith("ami-pipeline ")}
        for path in FILES
        if (runs := [line.removeprefix("exec ") for line in lines(path)])
    }
    assert verbs == {
        "github-actions.yml": {"bake", "promote"},
        "gitlab-ci.yml": {"bake", "config", "promote", "rebuild", "rollback"},
        "plan.yml": {"config", "promote"},
        "nightly.yml": {"rebuild", "rollback"},
        "notify.yml": {"notify"},
        "resume.yml": {"abort", "recover", "resume"},
        "rollback.yml": {"rollback", "status"},
    }


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
def test_a_workflow_takes_a_role_and_gives_the_tool_its_signals(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    comments = {"pull-requests": "write"} if path.name == "plan.yml" else {}
    assert workflow["permissions"] == {"contents": "read", "id-token": "write", **comments}
    roles = [step["with"] for step in steps(path) if "configure-aws" in step.get("uses", "")]
    assert roles
    assert all(int(each["role-duration-seconds"]) >= 3600 for each in roles)
    changing = [
        line
        for line in lines(path)
        if re.search(r"\b(bake|promote|rebuild|rollback|resume|abort)\b", line)
    ]
    assert all(line.startswith("exec ami-pipeline ") for line in changing)
    if path.name == "plan.yml":
        assert all(line.endswith(" --plan > plan.txt") for line in changing)
    elif path.name != "rollback.yml":
        assert workflow["concurrency"]["cancel-in-progress"] is False


def test_every_action_is_pinned_by_commit() -> None:
    used = [each["uses"] for path in GITHUB for each in steps(path) if "uses" in each]
    assert len(used) >= 10
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each)] == []


@pytest.mark.parametrize("name", ["github-actions.yml", "nightly.yml", "plan.yml"])
def test_a_workflow_that_plans_caches_the_provider_before_it(name: str) -> None:
    jobs = yaml.safe_load((CI / name).read_text())["jobs"].values()
    job = next(each for each in jobs if "TF_PLUGIN_CACHE_DIR" in each.get("env", {}))
    used = [step.get("uses", "").partition("@")[0] for step in job["steps"]]
    cached = job["steps"][used.index("actions/cache")]["with"]
    place = "${{ github.workspace }}/" + cached["path"]
    assert job["env"]["TF_PLUGIN_CACHE_DIR"] == place
    assert "${{ steps.providers.outputs.key }}" in cached["key"]
    (made,) = [each for each in job["steps"] if each.get("id") == "providers"]
    # Terraform rejects a folder that does not exist (its docs, "Provider Plugin Cache").
    assert made["run"].startswith('mkdir -p "$TF_PLUGIN_CACHE_DIR"\n')
    plans = [index for index, each in enumerate(job["steps"]) if "exec ami" in each.get("run", "")]
    assert used.index("actions/cache") < plans[0]


def test_nothing_stands_between_a_rollback_on_github_and_the_traffic() -> None:
    assert not any("actions/cache" in each.get("uses", "") for each in steps(CI / "rollback.yml"))


def test_on_gitlab_every_job_that_plans_caches_the_provider() -> None:
    jobs = yaml.safe_load((CI / "gitlab-ci.yml").read_text())
    (path,) = jobs[".terraform"]["cache"]["paths"]
    assert jobs["variables"]["TF_PLUGIN_CACHE_DIR"] == f"$CI_PROJECT_DIR/{path.rstrip('/')}"
    assert 'mkdir -p "$TF_PLUGIN_CACHE_DIR"' in jobs[".aws"]["before_script"]
    planning = ("plan", "promote", "nightly", "rollback")
    assert {jobs[name]["extends"] for name in planning} == {".terraform"}


def test_on_gitlab_one_deployment_runs_at_a_time() -> None:
    jobs = yaml.safe_load((CI / "gitlab-ci.yml").read_text())
    assert jobs["promote"]["resource_group"] == jobs["nightly"]["resource_group"]
    assert all(jobs[name]["interruptible"] is False for name in ("promote", "nightly", "rollback"))


def allowed(path: Path) -> set[str]:
    statements = json.loads(path.read_text())["Statement"]
    given = (each["Action"] for each in statements if each["Effect"] == "Allow")
    return {one for each in given for one in ([each] if isinstance(each, str) else each)}


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_a_policy_is_one(path: Path) -> None:
    document = json.loads(path.read_text())
    assert document["Version"] == "2012-10-17"
    assert allowed(path)
    # IAM Reference, "IAM and AWS STS quotas": a managed policy's characters, white space left out.
    assert len(re.sub(r"\s", "", path.read_text())) <= 6144


@pytest.mark.parametrize("path", [*FILES, *POLICIES], ids=lambda path: path.name)
def test_every_file_to_copy_is_explained(path: Path) -> None:
    assert f"(../ci/{path.relative_to(CI)})" in (ROOT / "docs/guide/ci.md").read_text()
