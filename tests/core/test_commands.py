"""Every command that a message tells a person to paste exists, and is quoted for a shell."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from pipeline.cli.context import Context
from pipeline.cli.main import cli
from pipeline.core import commands

ROOT = Path(commands.__file__).parents[1]
RELEASE, AMI, MEMBER = "r000123", "ami-0123456789abcdef0", "i-0123456789abcdef0"

PASTED: dict[Callable[..., str], list[str]] = {
    commands.init: [commands.init(), commands.init(files="app", run="/usr/bin/node /opt/x.js")],
    commands.rehearse: [commands.rehearse()],
    commands.status: [commands.status("staging")],
    commands.history: [commands.history("staging")],
    commands.report: [commands.report(), commands.report("20261121T154224Z-4f2a")],
    commands.recover: [commands.recover("staging")],
    commands.resume: [commands.resume("staging")],
    commands.freeze: [commands.freeze("staging", "Mon 08:00", "a sale")],
    commands.unfreeze: [commands.unfreeze("staging")],
    commands.despite_freeze: [
        commands.despite_freeze(commands.promote("staging")),
        commands.despite_freeze(commands.rebuild("staging")),
        commands.despite_freeze(commands.resume("staging"), "--reason"),
    ],
    commands.abort: [commands.abort("staging")],
    commands.destroy: [
        commands.destroy("staging"),
        commands.destroy("staging", with_traffic=True),
    ],
    commands.rollback: [commands.rollback("staging"), commands.rollback("staging", to=RELEASE)],
    commands.drill: [commands.drill("staging")],
    commands.promote: [
        commands.promote("staging"),
        commands.promote("staging", AMI, allow_quarantined=True, allow_unhealthy=True),
    ],
    commands.change_program: [commands.change_program("staging")],
    commands.bake: [commands.bake(), commands.bake("staging", version="1.0.0")],
    commands.rebuild: [commands.rebuild("staging", version="1.0.0")],
    commands.images: [commands.images()],
    commands.logs: [commands.logs("staging"), commands.logs("staging", MEMBER)],
    commands.shell_of: [commands.shell_of(MEMBER, "staging")],
    commands.doctor: [commands.doctor()],
    commands.adopt: [
        commands.adopt("staging", "web-asg", "--plan"),
        commands.adopt("staging", "web-asg", "--keep-configuration"),
    ],
    commands.permissions: [
        commands.permissions(),
        commands.permissions("deploy", "staging", "web-asg"),
        commands.permissions("deploy", "staging", pair=True, part=2),
    ],
    commands.lock_show: [commands.lock_show("staging")],
    commands.state_hooks: [
        commands.state_hooks("staging"),
        commands.state_hooks("staging", "ended"),
        commands.state_hooks("staging", "again"),
    ],
    commands.state_show: [commands.state_show("staging")],
    commands.providers: [commands.providers("staging")],
    commands.upgrade_providers: [commands.upgrade_providers("staging")],
    commands.state_rebuild: [commands.state_rebuild("staging")],
    commands.state_restore: [
        commands.state_restore("staging"),
        commands.state_restore("staging", 3),
    ],
    commands.config_check: [commands.config_check()],
    commands.config_terraform_check: [commands.config_terraform_check("staging")],
    commands.local_cloud_up: [commands.local_cloud_up()],
    commands.notify_test: [commands.notify_test(), commands.notify_test("staging")],
    commands.docs: [commands.docs(), commands.docs("configuration")],
}
BUILDERS = {
    commands.ami_pipeline,
    commands.of_environment,
    commands.use_file,
    commands.aws,
    commands.managed_node,
    commands.start_session,
    commands.in_folder,
    commands.shell,
    commands.ignore_in_git,
    commands.after,
    commands.before,
}
"""The functions that others build their commands with; their callers name the command."""


def parse(command: str) -> click.Context:
    """Parse a command line as the program would; raises UsageError if it is wrong."""
    program, *words = shlex.split(command)
    assert program == "ami-pipeline"
    context: click.Context = click.Context(cli, obj=Context(), **cli.context_settings)
    group: click.Group = cli
    while True:
        name, found, words = group.resolve_command(context, words)
        assert found, f"there is no command {name}"
        if not isinstance(found, click.Group):
            return found.make_context(name, words, parent=context)
        group = found


@pytest.mark.parametrize("command", [each for some in PASTED.values() for each in some])
def test_a_command_of_this_program_parses_with_its_real_options(command: str) -> None:
    context = parse(command)
    assert not context.args
    assert context.params.get("environment") in {None, "staging"}


def test_every_function_has_an_example() -> None:
    functions = {
        name
        for name, each in inspect.getmembers(commands, inspect.isfunction)
        if not name.startswith("_") and each.__module__ == commands.__name__
    }
    assert functions == {each.__name__ for each in (*PASTED, *BUILDERS)}


def test_an_option_reaches_the_command() -> None:
    promotion = parse(commands.promote("staging", AMI, allow_quarantined=True)).params
    assert (promotion["image"], promotion["allow_quarantined"]) == (AMI, True)
    assert promotion["allow_unhealthy"] is False
    assert parse(commands.rollback("staging", to=RELEASE)).params["to"] == RELEASE
    assert parse(commands.bake(version="1.0.0")).params["version"] == "1.0.0"


@pytest.mark.parametrize(
    "command", ["ami-pipeline promot -e staging", "ami-pipeline status --environmnt staging"]
)
def test_the_parser_of_this_test_rejects_what_does_not_exist(command: str) -> None:
    with pytest.raises((click.UsageError, AssertionError)):
        parse(command)


@pytest.fixture
def given_file() -> Iterator[str]:
    commands.use_file("our services/web.toml")
    yield "--config 'our services/web.toml'"
    commands.use_file(None)


NO_FILE = {"init", "docs", "completion", "local-cloud"}


@pytest.mark.parametrize("name", cli.list_commands(click.Context(cli)))
def test_a_command_that_reads_the_configuration_names_the_file_of_this_run(
    name: str, given_file: str
) -> None:
    shown = commands.ami_pipeline(*name.split())
    assert shown == (f"ami-pipeline {name}" + ("" if name in NO_FILE else f" {given_file}"))
    again = commands.ami_pipeline(*name.split(), "--config=x")
    assert again == f"ami-pipeline {name} --config=x"


def test_the_file_of_this_run_reaches_the_command(given_file: str) -> None:
    assert given_file
    context = parse(commands.promote("staging", AMI))
    assert context.obj.config == "our services/web.toml"
    told = commands.despite_freeze(commands.promote("staging"))
    assert told.endswith(f"{given_file} --override-freeze --why 'the reason'")


def test_a_recorded_remedy_is_not_repeated_with_the_file_of_this_run(given_file: str) -> None:
    recorded = "tag the group; then: ami-pipeline recover -e staging"
    assert commands.after(recorded, commands.recover("staging")) == recorded
    assert commands.before(recorded, commands.recover("staging")) == "tag the group"
    remedy = commands.after("tag the group", commands.recover("staging"))
    assert remedy == f"{recorded} {given_file}"
    assert commands.before(remedy, commands.recover("staging")) == "tag the group"


HOSTILE = ["a b", "$(reboot)", "`reboot`", "a;b", "'", '"', "a\nb", "*", "~", "&& reboot", "#"]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_cannot_leave_its_word(value: str) -> None:
    assert shlex.split(commands.ami_pipeline("bake", value)) == ["ami-pipeline", "bake", value]
    assert shlex.split(commands.of_environment("lock show", value)) == (
        ["ami-pipeline", "lock", "show", "-e", value]
    )
    aws = commands.aws("s3api", "get-object", {"bucket": value, "dry-run": "", "key": value})
    assert shlex.split(aws) == (
        ["aws", "s3api", "get-object", "--bucket", value, "--dry-run", "--key", value]
    )
    folder = commands.in_folder(Path(value), "terraform", "import", value)
    assert shlex.split(folder) == ["cd", value, "&&", "terraform", "import", value]


@pytest.mark.parametrize("command", [commands.UPGRADE, commands.WHO_AM_I])
def test_a_constant_command_is_plain_words(command: str) -> None:
    assert shlex.join(shlex.split(command)) == command


NAMES = "|".join(cli.list_commands(click.Context(cli)))
PREFIX = r'f?"(?:[^"\n]*(?:: |; |and |or ))?'
LITERAL = re.compile(rf"{PREFIX}(?:ami-pipeline (?:{NAMES})\b|aws [a-z0-9]+ )")
SOURCES = sorted(path for path in ROOT.rglob("*.py") if path.name != "commands.py")
"""`cli/local_cloud.py` only passes the texts of the local cloud, which knows its own commands."""


def test_no_other_module_writes_a_command_to_paste() -> None:
    written = {
        str(path): LITERAL.findall(re.sub(r'"""(?:.|\n)*?"""', "", path.read_text()))
        for path in SOURCES
        if path.name != "local_cloud.py"
    }
    assert len(written) > 100
    assert {path: found for path, found in written.items() if found} == {}
