"""Ask for what the options of `init` leave open, and choose the defaults."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.confirm import ask_text
from pipeline.cli.context import echo, is_terminal
from pipeline.core import commands

if TYPE_CHECKING:
    from pipeline.app.setup.init import Found
    from pipeline.core.starter.answers import Answers, Build, Network

CI = ("github", "gitlab", "none")


def answers(folder: Path, given: dict[str, Any]) -> Answers:
    """Return the options' answers, the person's, and the defaults of the rest."""
    from pipeline.app.setup import init as app
    from pipeline.core.starter.answers import Answers, Ci, app_of_folder, region_of

    asks = _Questions(silent=given["yes"] or not is_terminal(sys.stdin))
    found = app.find(folder)
    name = given["app"] or asks.text("Name of the service", app_of_folder(folder.name), "check_app")
    region = given["region"] or asks.text(
        "Region", found.region or region_of(os.environ), "check_region"
    )
    account = given["account"] or asks.text(
        "AWS account, 12 digits (empty: decide later)", "", "check_account_id"
    )
    build = _build(folder, found, name, given, asks)
    port = given["port"] or int(asks.text("Port of the service", "8080", "port"))
    health = given["health"] or asks.text("Path of its health check", "/health")
    network = _network(given)
    stack = given["stack"]
    if stack is None:
        question = "Write Terraform for a network and load balancer (no: you have them)"
        stack = not network.subnets and not (network.target_groups or network.load_balancers)
        stack = given["pair"] or asks.yes(question, default=stack)
    if given["pair"] and (not stack or network.target_groups or network.load_balancers):
        message = "--pair is for the stack; for target groups that exist: adopt --pair."
        raise click.UsageError(message)
    ci = given["ci"] or asks.text("CI files: github, gitlab or none", "none", "ci")
    return Answers(
        app=name,
        region=region,
        environment=given["environment"],
        build=build,
        account=account,
        port=port,
        health=health,
        stack=stack,
        ci=Ci(ci),
        network=network,
        program=app.default_program(),
        pair=given["pair"],
    )


def _network(given: dict[str, Any]) -> Network:
    from pipeline.core.starter.answers import Network

    return Network(
        load_balancers=given["load_balancer"],
        target_groups=given["target_group"],
        subnets=given["subnet"],
        security_groups=given["security_group"],
        instance_profile=given["instance_profile"] or "",
    )


def _build(folder: Path, found: Found, name: str, given: dict[str, Any], asks: _Questions) -> Build:
    """Return how the image is built: by an existing template, or by the one that is written."""
    from pipeline.app.setup import init as app
    from pipeline.core.errors import ConfigurationError
    from pipeline.core.starter.answers import Build, run_of

    template = given["template"] or ("" if given["files"] else found.template)
    if template and not (folder / template).exists():
        raise click.BadParameter(f"{template} does not exist.", param_hint="--template")
    if not template and not given["files"] and found.templates:
        template = asks.text(f"Packer template ({', '.join(found.templates)})", "")
    if not template and not given["files"] and found.templates:
        raise ConfigurationError(
            commands.init(),
            f"there are several Packer templates: {', '.join(found.templates)}",
            commands.init(template=found.templates[0]),
        )
    if template:
        echo(f"Using the Packer template {template}{_source(found, template)}.")
        return app.build_of(folder, template, found)
    files = _files(folder, given, asks)
    is_file = bool(files) and (folder / files[0]).is_file()
    run = given["run"] or run_of(name, files, is_file=is_file)
    if files and not given["run"]:
        run = asks.text("Command that starts it", run)
    if not run:
        raise ConfigurationError(
            commands.init(),
            f"the command that starts the service is unknown ({', '.join(files)})",
            commands.init(files=files, run=f"/usr/bin/node /opt/{name}/server.js"),
        )
    return Build(files=files, run=run)


def _files(folder: Path, given: dict[str, Any], asks: _Questions) -> tuple[str, ...]:
    """Return the files and folders to install; none for the sample."""
    from pipeline.core.starter.answers import check_installed

    question = "Files and folders to install, with spaces between (empty: a sample service)"
    answered = given["files"] or asks.text(question, "").split()
    for path in answered:
        if not (folder / path).exists():
            raise click.BadParameter(f"{path} does not exist.", param_hint="--files")
    try:
        return tuple(check_installed(path) for path in answered)
    except ValueError as error:
        raise click.BadParameter(f"must be {error}.", param_hint="--files") from None


def _source(found: Found, template: str) -> str:
    scripts = [path for path, build in found.builds if build.template == template]
    return f", which {scripts[0]} builds" if scripts else ""


class _Questions:
    """Asks at the terminal, or takes each default if `silent`."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent

    def text(self, question: str, default: str, rule: str = "") -> str:
        """Return a valid answer; an empty one is the default."""
        if self._silent:
            return default
        while True:
            answer = ask_text(question, default)
            if not answer or not (problem := _problem(rule, answer)):
                return answer
            echo(f"  {problem}")

    def yes(self, question: str, *, default: bool) -> bool:
        """Return the answer to a question of yes or no."""
        if self._silent:
            return default
        answer = ask_text(question, "yes" if default else "no")
        return answer.lower().startswith("y")


def _problem(rule: str, answer: str) -> str:
    """Return why an answer is refused, or nothing."""
    from pipeline.core.validation import deployment_values, terraform_values, values

    match rule:
        case "":
            return ""
        case "port":
            valid = answer.isdigit() and 1 <= int(answer) <= 65535  # noqa: PLR2004  TCP's range
            return "" if valid else "a port is 1 to 65535"
        case "ci":
            return "" if answer in CI else f"one of {', '.join(CI)}"
        case _:
            homes = (values, deployment_values, terraform_values)
            check = next(getattr(home, rule) for home in homes if hasattr(home, rule))
            try:
                check(answer)
            except ValueError as error:
                return str(error)
            return ""
