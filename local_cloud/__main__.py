"""`python -m local_cloud`: the local cloud without ami-pipeline."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from local_cloud import commands, serving
from local_cloud.commands import Result
from local_cloud.errors import PROGRAM, LocalCloudError
from local_cloud.options import (
    ARCHITECTURES,
    CONSISTENCY,
    HELP,
    ISOLATION,
    KINDS,
    PORT,
    SESSION_SECONDS,
    SUITE,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    given = parser().parse_args(arguments)
    settings = vars(given)
    name, output = settings.pop("command"), settings.pop("output")
    try:
        if name == "serve":
            return serving.serve(settings.pop("home"), **settings)
        write(run(name, settings), output)
    except LocalCloudError as error:
        sys.stderr.write(f"{error.where}: {error.what}\nnext: {error.remedy}\n")
        return error.exit_code
    return 0


def run(name: str, settings: dict[str, object]) -> Result:
    """Run one of the commands that have a result, or become a shell."""
    if name == "shell":
        commands.shell(instance=str(settings["instance"]))
    if name != "up":
        below = settings.pop("below", None)
        return commands.COMMANDS[f"{name} {below}" if below else name](**settings)
    if settings.pop("foreground"):
        commands.up_in_foreground(**settings)
    return commands.up(**settings)


def write(result: Result, output: str) -> None:
    """Print a result."""
    text = json.dumps(result.document, indent=2) if output == "json" else result.text
    sys.stdout.write(f"{text}\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(prog=PROGRAM, description=HELP["local-cloud"])
    top.add_argument("--output", choices=("text", "json"), default="text")
    verbs = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = verbs.add_parser("up", help=HELP["up"], parents=[settings_of_a_cloud(PORT)])
    up.add_argument("--foreground", action="store_true", help=HELP["foreground"])
    helps = HELP | {"rootfs": HELP["make-rootfs"]}
    single = [name for name in commands.COMMANDS if " " not in name]
    verb = {name: verbs.add_parser(name, help=helps[name]) for name in single}
    verb["env"].add_argument("--role", metavar="NAME", help=HELP["as-role"])
    verb["credentials"].add_argument("role", metavar="NAME", help=HELP["role-name"])
    verb["rootfs"].add_argument("target", metavar="DIR|TAR", help=HELP["target"])
    verb["rootfs"].add_argument("--suite", default=SUITE, help=HELP["suite"])
    verb["rootfs"].add_argument("--mirror", default="", help=HELP["mirror"])
    verb["rootfs"].add_argument("--include", action="append", default=[], help=HELP["include"])
    shell = verbs.add_parser("shell", help=HELP["shell"])
    shell.add_argument("instance", metavar="INSTANCE")
    add_image_commands(verbs.add_parser("image", help=HELP["image"]))
    # Without a help text: `up` starts it, users do not.
    serve = verbs.add_parser("serve", parents=[settings_of_a_cloud(0)])
    serve.add_argument("--home", type=Path, required=True)
    serve.add_argument("--detach", action="store_true")
    return top


def add_image_commands(image: argparse.ArgumentParser) -> None:
    """Add the commands below `image`."""
    verbs = image.add_subparsers(dest="below", required=True, metavar="COMMAND")
    add = verbs.add_parser("add", help=HELP["image-add"])
    add.add_argument(
        "--owner", required=True, type=checked(commands.check_image_owner), help=HELP["image-owner"]
    )
    add.add_argument(
        "--name", required=True, type=checked(commands.check_image_name), help=HELP["image-name"]
    )
    add.add_argument(
        "--arch", choices=ARCHITECTURES, default=ARCHITECTURES[0], help=HELP["image-arch"]
    )


def settings_of_a_cloud(port: int) -> argparse.ArgumentParser:
    """Return the options that `up` and `serve` share."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--port", type=int, default=port, help=HELP["port"])
    shared.add_argument("--ssh-port", type=int, default=0, help=HELP["ssh-port"])
    shared.add_argument("--speed", type=positive, default=1.0, help=HELP["speed"])
    shared.add_argument(
        "--isolation",
        choices=KINDS,
        type=isolation,
        default=os.environ.get(ISOLATION) or "auto",
        help=HELP["isolation"],
    )
    shared.add_argument(
        "--delay",
        action="append",
        type=delay,
        default=[],
        metavar="NAME=SECONDS",
        help=HELP["delay"],
    )
    shared.add_argument(
        "--consistency",
        type=checked(commands.check_consistency),
        default=CONSISTENCY,
        metavar="strong|eventual[:SECONDS]",
        help=HELP["consistency"],
    )
    shared.add_argument(
        "--role",
        action="append",
        type=role,
        default=[],
        metavar="NAME=FILE",
        help=HELP["role"],
    )
    shared.add_argument(
        "--session-seconds",
        type=int,
        default=SESSION_SECONDS,
        metavar="SECONDS",
        help=HELP["session-seconds"],
    )
    shared.add_argument(
        "--rootfs",
        type=checked(commands.check_rootfs),
        default="",
        metavar="DIR|TAR",
        help=HELP["rootfs"],
    )
    shared.add_argument("--seed", type=int, default=0, help=HELP["seed"])
    return shared


def positive(text: str) -> float:
    """Return a number above zero."""
    number = float(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def isolation(text: str) -> str:
    """Return a kind of isolation; argparse checks the choices of a default by its type only."""
    if text not in KINDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(KINDS)}")
    return text


def role(text: str) -> str:
    """Return a role with the whole path of its policy if it is valid."""
    try:
        return commands.check_roles((text,))[0]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def checked(check: Callable[[str], str]) -> Callable[[str], str]:
    """Return a check of `commands` as a type of argparse."""

    def check_text(text: str) -> str:
        try:
            return check(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return check_text


def delay(text: str) -> str:
    """Return a delay if it is valid."""
    try:
        commands.check_delays((text,))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


if __name__ == "__main__":
    sys.exit(main())
