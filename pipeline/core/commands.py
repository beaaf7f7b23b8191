"""Build the shell commands that messages tell people to paste.

One place, so that every command is quoted for a shell and a test can hold each of them to the
program's own options (`tests/core/test_commands.py`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

UPGRADE = "pip install --upgrade ami-pipeline"
WHO_AM_I = "aws sts get-caller-identity"
CONFIGURE = "aws configure"
SSO_LOGIN = "aws sso login"
CONSOLE_LOGIN = "aws login"
LIST_CONFIGURATION = "aws configure list"
INSTALL_OTEL = "pip install 'ami-pipeline[otel]'"
INSTALL_CRT = 'pip install "botocore[crt]"'
LIST_PROFILES = "aws configure list-profiles"
LIST_REGIONS = "aws account list-regions"


_WITHOUT_FILE = {"init", "docs", "completion", "local-cloud"}
"""The commands that do not read pipeline.toml."""
_given = {"file": ""}


def use_file(path: str | None) -> None:
    """Add `--config` with this path to every command that reads pipeline.toml; None adds none.

    The program calls it once, as soon as it has parsed the option, so that each command works as
    pasted in the same folder.
    """
    _given["file"] = path or ""


def ami_pipeline(*words: str) -> str:
    """Return a command of this program, with the `--config` of this run if it has none."""
    given = any(word.split("=", 1)[0] == "--config" for word in words)
    reads_file = bool(words) and words[0] not in _WITHOUT_FILE and not given
    return shlex.join(["ami-pipeline", *words, *(_file() if reads_file else [])])


def _file() -> list[str]:
    return _option("--config", _given["file"])


def init(**options: str | Sequence[str]) -> str:
    """Return the command that writes a new service; an option with several values is repeated."""
    values = ((name, [each] if isinstance(each, str) else each) for name, each in options.items())
    words = (word for name, given in values for each in given for word in (f"--{name}", each))
    return ami_pipeline("init", *words)


def rehearse() -> str:
    """Return the command that rehearses a new service on the local cloud."""
    return ami_pipeline("init", "--rehearse")


def adopt(environment: str, group: str, *flags: str) -> str:
    """Return the command that records a running group as the serving release."""
    return of_environment("adopt", environment, "--group", group, *flags)


def of_environment(command: str, environment: str, *words: str) -> str:
    """Return a command of this program in one environment; `command` may be two words."""
    return ami_pipeline(*command.split(), "-e", environment, *words)


def status(environment: str) -> str:
    """Return the command that shows what serves."""
    return of_environment("status", environment)


def history(environment: str) -> str:
    """Return the command that lists what was deployed."""
    return of_environment("history", environment)


def report(deployment: str = "") -> str:
    """Return the command that shows a deployment in detail, by default the newest one."""
    return ami_pipeline("report", *([deployment] if deployment else []))


def recover(environment: str) -> str:
    """Return the command that finishes or undoes an interrupted deployment."""
    return of_environment("recover", environment)


def resume(environment: str) -> str:
    """Return the command that continues a paused deployment."""
    return of_environment("resume", environment)


def freeze(environment: str, until: str, why: str) -> str:
    """Return the command that freezes an environment."""
    return of_environment("freeze", environment, "--until", until, "--why", why)


def unfreeze(environment: str) -> str:
    """Return the command that lifts the freezes by hand."""
    return of_environment("unfreeze", environment)


def despite_freeze(command: str, option: str = "--why") -> str:
    """Return a command with the options to run it in a freeze; `option` takes the reason."""
    return f"{command} {shlex.join(['--override-freeze', option, 'the reason'])}"


def abort(environment: str) -> str:
    """Return the command that undoes a deployment in flight, or removes a kept failed group."""
    return of_environment("abort", environment)


def rollback(
    environment: str,
    *,
    to: str = "",
    detach: Sequence[str] = (),
    allow_quarantined: bool = False,
) -> str:
    """Return the command that puts an earlier release back; `detach` as `promote` has it."""
    flag = ["--allow-quarantined"] if allow_quarantined else []
    return of_environment("rollback", environment, *_option("--to", to), *flag, *_detach(detach))


def drill(environment: str) -> str:
    """Return the command that proves a rollback."""
    return of_environment("rollback drill", environment)


def promote(
    environment: str,
    image: str = "",
    *,
    allow_quarantined: bool = False,
    allow_unhealthy: bool = False,
    detach: Sequence[str] = (),
    pause_before: Sequence[str] = (),
) -> str:
    """Return the command that puts an image into service; without one, the newest good image.

    `detach` are load balancers that the serving group is to leave for good, `pause_before` the
    phases to pause before.
    """
    flags = {"--allow-quarantined": allow_quarantined, "--allow-unhealthy": allow_unhealthy}
    given = [name for name, is_set in flags.items() if is_set]
    pauses = [word for name in pause_before for word in _option("--pause-before", name)]
    words = [*_option("--image", image), *given, *_detach(detach), *pauses]
    return of_environment("promote", environment, *words)


def change_program(environment: str) -> str:
    """Return the command that promotes with another program than the recorded one."""
    return of_environment("promote", environment, "--change-program")


def bake(environment: str = "", *, version: str = "") -> str:
    """Return the command that bakes an image."""
    return ami_pipeline("bake", *_option("-e", environment), *_option("--version", version))


def rebuild(environment: str, *, version: str = "") -> str:
    """Return the command that bakes and promotes if an input changed."""
    return of_environment("rebuild", environment, *_option("--version", version))


def logs(environment: str, member: str = "") -> str:
    """Return the command that shows the logs of an environment, or of one member."""
    return of_environment("logs", environment, *_option("--member", member))


def shell_of(member: str, environment: str) -> str:
    """Return the command that opens a shell on a member."""
    return ami_pipeline("shell", member, "-e", environment)


def start_session(instance: str, region: str) -> str:
    """Return the command that starts a session of Session Manager."""
    return aws("ssm", "start-session", {"target": instance, "region": region})


def managed_node(instance: str) -> str:
    """Return the command that shows whether Systems Manager manages an instance."""
    return aws(
        "ssm", "describe-instance-information", {"filters": f"Key=InstanceIds,Values={instance}"}
    )


def images() -> str:
    """Return the command that lists the baked images."""
    return ami_pipeline("images")


def doctor(environment: str = "") -> str:
    """Return the command that checks what every command needs, or a deployment."""
    return ami_pipeline("doctor", *_option("-e", environment))


def permissions(
    role: str = "", environment: str = "", group: str = "", *, pair: bool = False, part: int = 0
) -> str:
    """Return the command that prints the policy of a role; `group` is an adopted group.

    `pair` adds what setting up a pair needs; `part` is the number of one of several policies.
    """
    words = [*([role] if role else []), *_option("-e", environment), *_option("--group", group)]
    words += ["--pair"] if pair else []
    return ami_pipeline("permissions", *words, *_option("--part", str(part or "")))


def destroy(environment: str, *, with_traffic: bool = False) -> str:
    """Return the command that deletes the groups of an environment."""
    return of_environment("destroy", environment, *(["--with-traffic"] if with_traffic else []))


def lock_show(environment: str) -> str:
    """Return the command that shows who holds an environment's lease."""
    return of_environment("lock show", environment)


def state_show(environment: str) -> str:
    """Return the command that shows the versions of an environment's document."""
    return of_environment("state show", environment)


def state_hooks(environment: str, *flags: str) -> str:
    """Return the command that shows the hooks that ran once; `ended` or `again` settles them."""
    return of_environment("state hooks", environment, *(f"--{each}" for each in flags))


def state_restore(environment: str, number: int = 0) -> str:
    """Return the command that puts an earlier version of an environment's document back.

    0 is the newest intact one.
    """
    return of_environment("state restore", environment, *_option("--version", str(number or "")))


def state_rebuild(environment: str) -> str:
    """Return the command that rebuilds a lost document from the tags of the groups."""
    return of_environment("state rebuild", environment)


def providers(environment: str) -> str:
    """Return the command that shows the recorded provider versions of an environment."""
    return of_environment("state providers", environment)


def upgrade_providers(environment: str) -> str:
    """Return the command that plans with newer providers and records them."""
    return of_environment("state providers", environment, "--upgrade")


def config_check() -> str:
    """Return the command that checks pipeline.toml."""
    return ami_pipeline("config", "check")


def config_terraform_check(environment: str) -> str:
    """Return the command that checks Terraform's root module of an environment."""
    return of_environment("config terraform", environment, "--check")


def notify_test(environment: str = "") -> str:
    """Return the command that sends a test to the targets of [[notify]]."""
    return ami_pipeline("notify", "test", *_option("-e", environment))


def docs(*topic: str) -> str:
    """Return the command that shows the documentation, or its page of a topic."""
    return ami_pipeline("docs", *topic)


def local_cloud_up() -> str:
    """Return the command that starts the local cloud."""
    return ami_pipeline("local-cloud", "up")


def aws(
    service: str, operation: str, options: Mapping[str, str | Sequence[str]] | None = None
) -> str:
    """Return a command of the AWS CLI; an option has one value, several, or none (`""`)."""
    words = ["aws", service, operation]
    for name, value in (options or {}).items():
        values = [value] if isinstance(value, str) else value
        words += [f"--{name}", *(each for each in values if each)]
    return shlex.join(words)


def shell(*words: str) -> str:
    """Return a command of another program."""
    return shlex.join(words)


def after(remedy: str, command: str) -> str:
    """Return a remedy and the command that follows it; only one if the other adds nothing."""
    if not remedy or _anywhere(command) in remedy:
        return remedy or command
    return f"{remedy}; then: {command}"


def before(remedy: str, command: str) -> str:
    """Return a remedy without the command that follows it, as `after` joins them."""
    rest = remedy.removesuffix(command).removesuffix(_anywhere(command))
    return re.sub(r"([;,]? then:)? *$", "", rest)


def _anywhere(command: str) -> str:
    """Return a command without the `--config` of this run: a record may be of a run without it."""
    return command.removesuffix(f" {shlex.join(_file())}") if _file() else command


def ignore_in_git(folder: Path) -> str:
    """Return the command that excludes a whole folder from git."""
    return f"echo '*' > {shlex.quote(str(folder / '.gitignore'))}"


def in_folder(folder: Path, *words: str) -> str:
    """Return a command that runs in a folder."""
    return f"cd {shlex.quote(str(folder))} && {shlex.join(words)}"


def _detach(names: Sequence[str]) -> list[str]:
    return [word for name in names for word in _option("--detach", name)]


def _option(name: str, value: str) -> list[str]:
    return [name, value] if value else []
