"""Replay a capture of a real Packer through the whole program against moto's AWS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pipeline.adapters.aws.client import Clients
from tests.adapters.packer.captures import BOTH, NEW, OLD, capture
from tests.adapters.scripted import ScriptedPacker, inspected, inspected_hcl
from tests.aws.moto_account import amis, register

STOP = "Cancelling build after receiving"
DEREGISTERED = {(OLD, "pp-fail"), (OLD, "pp-nokeep"), (NEW, "pp-nokeep"), (NEW, "modern-options")}
"""The runs in which Packer itself deregistered the AMI that it had made."""
SECOND_REGION = {(OLD, "sigterm-fast-slow"), (NEW, "partial-failure")}
"""The runs with two builds, which are one too many for one region."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """How a capture is replayed and how the program must end, and why.

    `code` is Packer's exit code, `verb` its subcommand, `end` ours; `words` stand in the
    error. `interrupted` sends us SIGINT where the capture shows that Packer was told to end.
    """

    end: int
    words: tuple[str, ...] = ()
    code: int = 1
    verb: str = "build"
    interrupted: bool = False
    hangs: bool = False
    why: str


def good(why: str) -> Case:
    return Case(end=0, code=0, why=why)


def failed(words: str, why: str, *, code: int = 1) -> Case:
    return Case(end=4, words=(words,), code=code, why=why)


def refused_at(verb: str, words: str) -> Case:
    return Case(end=2, verb=verb, words=(words,), why=f"packer {verb} refuses it: nothing is built")


def told_before(words: str) -> Case:
    return Case(end=2, code=0, words=(words,), why="the names of the builds tell it")


def told_to_stop(*words: str) -> Case:
    both = ("interrupted by a signal", *words)
    return Case(end=130, interrupted=True, words=both, why="Ctrl-C")


def not_scripted(verb: str) -> Case:
    return Case(end=4, verb=verb, code=0, words=("",), why="the build is not scripted")


CONFIGURATION = """
app = "web"
region = "us-east-1"
[bake]
template = "{template}"
timeout = "{timeout}"
cancel_grace = "30s"
regions = {regions}
[bake.vars_from_env]
password = "PASSWORD"
"""


def prepare(packer: str, name: str, case: Case, clients: Clients, scripted: ScriptedPacker) -> None:
    """Write a project, let the program say what the capture says, and register its AMIs."""
    facts = BOTH[packer, name]
    regions = {region for images in facts.images.values() for region in images} - {"us-east-1"}
    regions |= {"us-west-2"} if (packer, name) in SECOND_REGION else set()
    template = "app.json" if packer == OLD or name.endswith("-json") else "app.pkr.hcl"
    text = CONFIGURATION.format(
        template=template,
        timeout="1s" if case.hangs else "2m",
        regions=json.dumps(sorted(regions)),
    )
    Path("pipeline.toml").write_text(text)
    Path(template).write_text("{}" if template == "app.json" else "")
    if template == "app.json":
        scripted.on("inspect", inspected(("password",), tuple(facts.builds) or ("app",)))
    else:
        builds = tuple(facts.builds) or ("amazon-ebs.app",)
        scripted.on("inspect", inspected_hcl(("password",), builds))
    if packer == NEW:
        scripted.on("version", capture("version", NEW))
        scripted.on("init", capture("init", NEW))
    scripted.on("build", b"", code=1)
    scripted.on(
        case.verb,
        capture(name, packer),
        code=case.code,
        hangs=case.hangs,
        interrupted_before=STOP.encode() if case.interrupted else b"",
    )
    for images in facts.images.values():
        for region, image_id in images.items():
            register(clients, image_id, f"{name}-{image_id}", region)
    artifacts = {image for images in facts.images.values() for image in images.values()}
    for image_id in set() if (packer, name) in DEREGISTERED else {*facts.made} - artifacts:
        register(clients, image_id, f"{name}-{image_id}")


def check(packer: str, name: str, case: Case, shown: tuple[int, str, str]) -> None:
    """Check that the program ended as the case says, and that its result is true of AWS."""
    code, out, err = shown
    document = json.loads(out)
    assert code == case.end, (case.why, err)
    if case.end == 0:
        of_builds = BOTH[packer, name].images.values()
        ids = {region: ami for images in of_builds for region, ami in images.items()}
        assert document["ami_ids"] == ids
        assert json.loads(Path("ami.auto.tfvars.json").read_text())["ami_ids"] == ids
        assert {region: set(amis(region)) for region in ids} == {r: {i} for r, i in ids.items()}
    else:
        error = document["error"]
        assert error["exit_code"] == case.end
        assert all(error[part] for part in ("where", "what", "next"))
        for words in case.words:
            assert words in error["what"]
        assert not Path("ami.auto.tfvars.json").exists()
        assert case.end == 2 or not amis()
    written = [path.read_bytes() for path in Path(".ami-pipeline").rglob("*") if path.is_file()]
    assert b"hunter2" not in b"".join([out.encode(), err.encode(), *written])
