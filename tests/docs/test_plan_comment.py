"""The plan of a pull request is one comment that each run updates, with curl and jq on loopback."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.adapters.notify.receivers import receiving
from tests.docs.ci_yaml import CI, yaml
from tests.docs.forge import Forge

MARK = "<!-- ami-pipeline plan production -->"
PLAN = "production: promote of r000125\n```\nafter a fence\n"
FENCED = f"~~~~~~~~text\n{PLAN}\n~~~~~~~~"


def run(script: str, folder: Path, env: dict[str, str]) -> str:
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    env = {"PATH": os.environ["PATH"], "no_proxy": "127.0.0.1", **env}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def bodies(forge: Forge) -> list[str]:
    return [each["body"] for each in forge.comments]


def test_a_pull_request_has_one_comment_that_each_plan_updates(tmp_path: Path) -> None:
    job = yaml.safe_load((CI / "plan.yml").read_text())["jobs"]["plan"]
    step = next(each for each in job["steps"] if each.get("name") == "comment")
    # A person's text with the mark is not the comment of the workflow.
    person = {"id": 1, "url": "http://127.0.0.1:1/", "body": MARK, "user": {"type": "User"}}
    forge = Forge({"authorization": "Bearer token"}, [person], "PATCH")
    with receiving(forge) as forge.server:
        env = {
            "TOKEN": "token",
            "COMMENTS": f"{forge.server.url}/repos/example/web/issues/12/comments",
            "RUN": "https://github.com/example/web/actions/runs/7",
            "MARK": step["env"]["MARK"],
        }
        assert env.keys() == step["env"].keys()
        (tmp_path / "plan.txt").write_text(PLAN)
        assert run(step["run"], tmp_path, env) == PLAN
        assert bodies(forge) == [MARK, f"{MARK}\n{FENCED}\n{env['RUN']}"]
        (tmp_path / "plan.txt").unlink()
        run(step["run"], tmp_path, env)
    assert bodies(forge) == [MARK, f"{MARK}\nThe plan failed.\n{env['RUN']}"]


def test_a_merge_request_has_one_note_that_each_plan_updates(tmp_path: Path) -> None:
    job = yaml.safe_load((CI / "gitlab-ci.yml").read_text())["plan"]
    script = "\n".join(job["after_script"])
    system = {"id": 1, "body": f"{MARK} changed the title", "system": True}
    forge = Forge({"private-token": "token"}, [system], "PUT")
    with receiving(forge) as forge.server:
        env = {
            "PLAN_TOKEN": "token",
            "CI_API_V4_URL": f"{forge.server.url}/api/v4",
            "CI_PROJECT_ID": "3",
            "CI_MERGE_REQUEST_IID": "12",
            "CI_JOB_URL": "https://gitlab.example.com/example/web/-/jobs/7",
        }
        for text in ("first\n", PLAN):
            (tmp_path / "plan.txt").write_text(text)
            assert run(script, tmp_path, env) == text
        assert bodies(forge)[1:] == [f"{MARK}\n{FENCED}\n{env['CI_JOB_URL']}"]
        without = run(script, tmp_path, {**env, "PLAN_TOKEN": ""})
    assert (without, len(forge.comments)) == (PLAN, 2)
