"""`init`: write what a service needs into a repository, and never over what is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.adapters.ci.git import read_commit
from pipeline.adapters.files import starter
from pipeline.adapters.packer.template_source import read_source
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.starter.answers import Answers, Build
from pipeline.core.starter.ci_files import PATHS, adapted
from pipeline.core.starter.files import GITIGNORE, Comparison, StarterFile, compare, with_ignored
from pipeline.core.starter.scripts import PackerBuild, located, packer_builds
from pipeline.core.validation.values import TOOL_VARIABLES

CONFIGURATION = "pipeline.toml"
STACK_NAME = 32
"""The longest name of a target group (ELBv2 API, CreateTargetGroup)."""
PAIR_SUFFIX = len("-2")
"""What the stack adds to the name of the second target group of a pair."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What is in the folder: templates, and each script with its call of `packer build`."""

    templates: tuple[str, ...]
    builds: tuple[tuple[str, PackerBuild], ...]

    @property
    def template(self) -> str:
        """Return the template to use: the script's, or the only one; empty if undecided."""
        named = {build.template for _, build in self.builds}
        choices = named if len(named) == 1 else set(self.templates)
        return choices.pop() if len(choices) == 1 else ""

    @property
    def region(self) -> str:
        """Return the region that a script passes to its template, if it passes one."""
        passed = (build.variables.get("region", "") for _, build in self.builds)
        return next(filter(None, passed), "")

    def of(self, template: str) -> tuple[PackerBuild, ...]:
        """Return the calls that build a template."""
        return tuple(build for _, build in self.builds if build.template == template)


def find(folder: Path) -> Found:
    """Search a folder for Packer templates and for scripts that call Packer."""
    templates = starter.templates(folder)
    builds = [
        (path, replace(build, template=template))
        for path, text in starter.scripts(folder)
        for build in packer_builds(text)
        if (template := located(build.template, path, templates))
    ]
    return Found(templates=templates, builds=tuple(builds))


def build_of(folder: Path, template: str, found: Found) -> Build:
    """Return an existing template with the variables that it declares and a script passes."""
    variables: dict[str, str] = {}
    for build in found.of(template):
        variables |= {k: v for k, v in build.variables.items() if k not in TOOL_VARIABLES}
    names = (name for build in found.of(template) for name in build.var_files)
    return Build(
        template=template,
        declared=frozenset(read_source(folder / template).variables),
        variables=variables,
        var_files=tuple(name for name in names if (folder / name).is_file()),
    )


def write(folder: Path, answers: Answers) -> Comparison:
    """Write the files; return what is new and what was there.

    Raises RefusedError with every difference, before anything is written, if a file exists with
    another text.
    """
    files = tuple(starter_files(answers))
    existing = starter.existing_texts(folder, (file.path for file in files))
    compared = compare(files, existing)
    if compared.differences:
        raise RefusedError(
            commands.init(),
            "these files exist and differ from what init would write; nothing was written\n"
            + "\n".join(compared.differences),
            f"remove or rename them, or change your answers; then: {commands.init()}",
        )
    ignored = starter.existing_texts(folder, [GITIGNORE]).get(GITIGNORE, "")
    starter.write_files(folder, compared.new)
    if (text := with_ignored(ignored)) != ignored:
        starter.write_text(folder / GITIGNORE, text)
        return replace(compared, extended=(GITIGNORE,))
    return compared


def starter_files(answers: Answers) -> Iterator[StarterFile]:
    """Yield every file of a service, `pipeline.toml` first."""
    text = starter.render(CONFIGURATION, values(answers))
    yield StarterFile(path=CONFIGURATION, text=text)
    if not answers.build.template:
        yield from _packer(answers.build)
    if answers.stack:
        yield from _stack(answers)
    for name, path in PATHS[answers.ci].items():
        yield StarterFile(path=path, text=adapted(starter.ci_file(name), answers))


def _packer(build: Build) -> Iterator[StarterFile]:
    patterns = ["*.pkr.hcl", "init/*", "provision/*.sh", "provision/unit/*.service"]
    patterns += [] if build.files else ["provision/unit/*.py"]
    for path, text, executable in starter.shipped_files("packer", *patterns):
        yield StarterFile(path=f"packer/{path}", text=text, executable=executable)


def _stack(answers: Answers) -> Iterator[StarterFile]:
    for path, text, _ in starter.shipped_files("terraform/stack", "*.tf"):
        yield StarterFile(path=f"terraform/stack/{path}", text=text)
    text = starter.render("provider.tf", {"region": answers.region})
    yield StarterFile(path="terraform/stack/provider.tf", text=text)
    given: dict[str, Any] = {
        "name": stack_name(answers),
        "port": answers.port,
        "health": answers.health,
    }
    given["pair"] = answers.pair
    text = starter.render("terraform.tfvars", given)
    yield StarterFile(path="terraform/stack/terraform.tfvars", text=text)


def stack_name(answers: Answers) -> str:
    """Return the name of everything in the stack."""
    longest = STACK_NAME - (PAIR_SUFFIX if answers.pair else 0)
    return f"{answers.app}-{answers.environment}"[:longest].rstrip("-")


def values(answers: Answers) -> Mapping[str, Any]:
    """Return the values of the template of `pipeline.toml`."""
    build, network = answers.build, answers.network
    stack = (stack_name(answers),) if answers.stack and not answers.pair else ()
    return {
        "app": answers.app,
        "region": answers.region,
        "environment": answers.environment,
        "account": answers.account,
        "template": build.template or "packer/app.pkr.hcl",
        "own_template": bool(build.template),
        "var_files": build.var_files,
        "inputs": ["packer/provision", *build.files],
        "variables": _variables(answers),
        "source": not build.template or "source_ami" in build.declared,
        "program": answers.program,
        "stack": answers.stack,
        "pair": answers.pair,
        "load_balancers": network.load_balancers,
        "target_groups": network.target_groups or stack,
        "subnets": network.subnets,
        "security_groups": network.security_groups,
        "instance_profile": network.instance_profile,
    }


def _variables(answers: Answers) -> str:
    build = answers.build
    given: dict[str, Any] = dict(build.variables or {})
    if not build.template:
        given = {"port": answers.port}
        given |= {"files": list(build.files), "run": build.run} if build.files else {}
    return ", ".join(
        f"{starter.as_key(name)} = {starter.as_toml(each)}" for name, each in given.items()
    )


def has_version(folder: Path) -> bool:
    """Return True if git gives the folder a version: it has a commit."""
    return bool(read_commit(folder, os.environ).describe)


def default_program(environ: Mapping[str, str] = os.environ) -> str:
    """Return the Terraform program on PATH: empty for `terraform`, which is the default."""
    path = environ.get("PATH")
    if shutil.which("terraform", path=path):
        return ""
    return "tofu" if shutil.which("tofu", path=path) else ""
